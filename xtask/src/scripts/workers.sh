# Replaces the workers by those of a release: each is stopped with its grace period and removed, then started anew and watched
# for $5 seconds. The arguments from the sixth on are the services; workers that the release has not go.
release=$1 project=$2 slot=$3
read -r -a compose <<<"$4"
watched=$5
shift 5
cd "$folder/meta/$release" || fail "release $release is not on this host"
[ $# -eq 0 ] || refuse_missing_images "$release"
of_workers() {
  docker ps --no-trunc "$@" --filter "label=com.docker.compose.project=$project-workers" --filter "label=deploy.folder=$folder"
}
# A backend that was started without this tool has them in its base project; two schedulers would do everything twice.
earlier=
for service in "$@"; do
  earlier+=" $(docker ps -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$service" --filter label=com.docker.compose.oneoff=False | tr '\n' ' ')"
done
give_back() {
  remove_containers "label=com.docker.compose.project=$project-workers"
  # shellcheck disable=SC2086 # a list of ids
  docker start $earlier >/dev/null
}
if [ -n "${earlier// /}" ]; then
  echo "stopping those of before the first deploy"
  trap give_back EXIT
  # shellcheck disable=SC2086 # a list of ids
  docker stop $earlier >/dev/null
fi
# Those that are of this release and slot already stay; all others end, each with its grace period.
old=$(of_workers -q --format '{{.ID}} {{.Label "deploy.release"}} {{.Label "deploy.slot"}} {{.Label "com.docker.compose.service"}}' |
  while read -r id of at service; do
    [ "$of $at" = "$release $slot" ] && [[ " $* " == *" $service "* ]] || printf '%s ' "$id"
  done)
# shellcheck disable=SC2086 # a list of ids
[ -z "$old" ] || docker stop $old >/dev/null
# Of one that has ended, compose would take over the volumes that have no name, and with them what an earlier version left there.
remove_ended() {
  remove_containers "label=com.docker.compose.project=$project-workers" status=exited
  # A command that was ended leaves a container that never ran, and docker may still be making it. Compose takes it for one to be
  # replaced, and v2 then fails over its name.
  remove_containers "label=com.docker.compose.project=$project-workers" status=created
}
remove_ended
if [ $# -eq 0 ]; then
  remove_containers "label=com.docker.compose.project=$project-workers"
  exit 0
fi
start() {
  remove_ended
  COMPOSE_ANSI=never "${compose[@]}" -p "$project-workers" -f "compose.workers-$slot.json" up -d --no-build --remove-orphans
}
start || start
deadline=$((SECONDS + watched))
# One that docker has started again since runs, and does not keep running.
while :; do
  sleep 0.5
  remove_containers "label=com.docker.compose.project=$project-workers" status=created
  workers=$(of_workers -aq | xargs -r docker inspect --format '{{.State.Status}}{{if .RestartCount}} again{{end}} {{.Name}} {{index .Config.Labels "com.docker.compose.service"}}')
  failed=$(grep -E '^(restarting|exited|dead|created|running again)' <<<"$workers" || true)
  [ -z "$failed" ] || {
    for name in $(printf '%s\n' "$failed" | grep -o ' /[^ ]*'); do docker logs --tail 20 "${name#/}" >&2 || true; done
    fail "these workers do not keep running:" "$failed"
  }
  [ "$SECONDS" -lt "$deadline" ] || break
done
for service in "$@"; do
  grep -qE "^running [^ ]+ $service\$" <<<"$workers" || fail "no container of the worker $service runs"
done
trap - EXIT
# shellcheck disable=SC2086 # a list of ids
[ -z "${earlier// /}" ] || docker update --restart no $earlier >/dev/null # or a reboot would start them with `restart: always`
