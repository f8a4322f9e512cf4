# Replaces the workers by those of a release: each is stopped with its grace period and removed, then started anew and watched
# for $5 seconds. The arguments from the eighth on are the services; workers that the release has not go.
release=$1 project=$2 slot=$3
use_compose "$4"
watched=$5 compose_project=$6 file=$7
shift 7
cd "$folder/meta/$release" || fail "release $release is not on this host"
[ $# -eq 0 ] || refuse_missing_images "$release"
of_workers="label=com.docker.compose.project=$compose_project"
# A backend that was started without this tool has them in its base project, and so has what was an accessory; two schedulers would
# do everything twice. They are written down: a rollback gives the work back to them.
for service in "$@"; do
  for id in $(docker ps -q --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$service" --filter label=com.docker.compose.oneoff=False); do
    grep -qsF -- "$id" "$before" ||
      docker inspect --format "{{.Id}} $service {{.HostConfig.RestartPolicy.Name}}{{if eq .HostConfig.RestartPolicy.Name \"on-failure\"}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}{{end}}" "$id" >>"$before"
  done
done
give_back "$@"
if [ -s "$before" ]; then
  echo "stopping the workers that compose started before the first deploy"
  trap '(remove_containers "$of_workers") || true; give_back' EXIT
  # A reboot would start them with `restart: always`. As an accessory compose may start one of them later, so some restart stays.
  while read -r id _ restart; do
    docker inspect "$id" >/dev/null 2>&1 || continue
    [ "$restart" != always ] || docker update --restart unless-stopped "$id" >/dev/null
    docker stop "$id" >/dev/null
  done <"$before"
fi
# Those that are of this release and slot already stay; all others end, each with its grace period.
old=
for id in $(own_containers --filter "$of_workers"); do
  read -r at service < <(docker inspect --format '{{index .Config.Labels "'"$label_release"'"}}/{{index .Config.Labels "'"$label_slot"'"}} {{index .Config.Labels "com.docker.compose.service"}}' "$id")
  [ "$at" = "$release/$slot" ] && [[ " $* " == *" $service "* ]] || old+="$id "
done
# shellcheck disable=SC2086 # a list of ids
[ -z "$old" ] || docker stop $old >/dev/null
# Of one that has ended, compose would take over the volumes that have no name, and with them what an earlier version left there.
remove_ended() {
  remove_containers "$of_workers" status=exited
  # A command that was ended leaves a container that never ran, and docker may still be making it. Compose takes it for one to be
  # replaced, and v2 then fails over its name.
  remove_containers "$of_workers" status=created
}
remove_ended
if [ $# -eq 0 ]; then
  remove_containers "$of_workers"
  trap - EXIT
  exit 0
fi
start() {
  remove_ended
  "${compose[@]}" -p "$compose_project" -f "$file" up -d --no-build --remove-orphans
}
start || start
# Whole seconds have passed only where one more has begun.
deadline=$((SECONDS + watched + 1))
# One that docker has started again since runs, and does not keep running.
while :; do
  sleep 0.5
  remove_containers "$of_workers" status=created
  workers=$(own_containers -a --filter "$of_workers" | xargs -r docker inspect --format '{{.State.Status}}{{if .RestartCount}} again{{end}} {{.Name}} {{index .Config.Labels "com.docker.compose.service"}}')
  failed=$(grep -E '^(restarting|exited|dead|created|running again)' <<<"$workers" || true)
  [ -z "$failed" ] || {
    for name in $(printf '%s\n' "$failed" | grep -o ' /[^ ]*'); do docker logs --tail 20 "${name#/}" >&2 || true; done
    hint=''
    for name in $(printf '%s\n' "$failed" | grep -o '^exited /[^ ]*'); do
      [ "$(docker inspect --format '{{.State.ExitCode}}' "${name#*/}" 2>/dev/null)" != 0 ] ||
        hint=$'\n'"${name#*/} has ended well: what does its work once is no worker. Let a hook do it before each version boots ([hooks] before_boot = [[\"word\", \"word\"]] in deploy.toml), and name the service in \`off\`"
    done
    fail "these workers do not keep running:" "$failed$hint"
  }
  [ "$SECONDS" -lt "$deadline" ] || break
done
for service in "$@"; do
  grep -qE "^running [^ ]+ $service\$" <<<"$workers" || fail "no container of the worker $service runs"
done
trap - EXIT
