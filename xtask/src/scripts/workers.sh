# Replaces the workers by those of a release: each is stopped with its grace period, then started anew. Workers that
# the release no longer has go. The arguments from the fifth on are the services.
release=$1 project=$2 slot=$3
read -r -a compose <<<"$4"
shift 4
cd "$folder/releases/$release" || fail "release $release is not on this host"
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
# A command that was ended leaves a container that never ran, and docker may still be making it. Compose takes it for one to be
# replaced, and v2 then fails over its name.
remove_unstarted() { remove_containers "label=com.docker.compose.project=$project-workers" status=created; }
start() {
  remove_unstarted
  COMPOSE_ANSI=never "${compose[@]}" -p "$project-workers" -f ".compose.workers-$slot.json" up -d --no-build --remove-orphans
}
start || start
sleep 0.5
remove_unstarted
workers=$(docker ps -a --filter "label=com.docker.compose.project=$project-workers" --format '{{.State}} {{.Names}} {{.Label "com.docker.compose.service"}}')
failed=$(grep -E '^(restarting|exited|dead|created) ' <<<"$workers" || true)
[ -z "$failed" ] || {
  for name in $(printf '%s\n' "$failed" | cut -d' ' -f2); do docker logs --tail 20 "$name" >&2 || true; done
  fail "these workers do not run:" "$failed"
}
for service in "$@"; do
  grep -qE "^running [^ ]+ $service\$" <<<"$workers" || fail "no container of the worker $service runs"
done
trap - EXIT
# shellcheck disable=SC2086 # a list of ids
[ -z "${earlier// /}" ] || docker update --restart no $earlier >/dev/null # or a reboot would start them with `restart: always`
