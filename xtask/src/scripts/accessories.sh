# Starts the accessories that do not run, touches none that does, and waits until those with a health check are healthy. What
# runs once comes before, and is done where it has succeeded before. Then makes sure of the networks and volumes that slots and
# workers expect: compose makes only those that a started service uses.
release=$1 project=$2 limit=$3
read -r -a compose <<<"$4"
shift 4
cd "$folder/meta/$release" || fail "release $release is not on this host"
# The words up to `--`.
words() {
  list=()
  while [ "$1" != -- ]; do
    list+=("$1")
    shift
  done
}
words "$@"
accessories=(${list[@]+"${list[@]}"})
shift $((${#list[@]} + 1))
words "$@"
once=(${list[@]+"${list[@]}"})
shift $((${#list[@]} + 1))
# Whether a `network` or a `volume` of this name is on this host. Docker is asked once for each, when it is needed.
declare -A names=()
is_there() {
  [ -n "${names[$1]+known}" ] || names[$1]=$(docker "$1" ls --format '{{.Name}}') || fail "docker does not list its ${1}s"
  grep -qxF -- "$2" <<<"${names[$1]}"
}
# Resources come as kind, name, count, and that many options. What others make must be there before anything is started.
resources=("$@")
for ((at = 0; at < $#; at += 3 + resources[at + 2])); do
  case ${resources[at]} in
    external-network | external-volume) ;;
    *) continue ;;
  esac
  kind=${resources[at]#external-} name=${resources[at + 1]}
  is_there "$kind" "$name" ||
    fail "the $kind $name is \`external\` in the compose file, so nothing here makes it, and it is not on this host; make it with: docker $kind create $name"
done
of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }
up() {
  COMPOSE_IGNORE_ORPHANS=true COMPOSE_ANSI=never "${compose[@]}" -p "$project" -f compose.base.json up -d --no-recreate "$@"
  names=()
}
for service in ${once[@]+"${once[@]}"}; do
  found() { of_project -aq --no-trunc --filter "label=com.docker.compose.service=$service" | head -n 1; }
  container=$(found)
  if [ -n "$container" ] && [ "$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$container")" = 'exited 0' ]; then continue; fi
  up "$service"
  container=$(found)
  code=$(timeout "$limit" docker wait "$container") || fail "the service $service, for whose end others wait, has not ended after $limit s"
  [ "$code" = 0 ] || {
    docker logs --tail 20 "$container" >&2 || true
    fail "the service $service, for whose success others wait, ended with exit code $code"
  }
done
running=$(of_project --format '{{.Label "com.docker.compose.service"}}')
for service in ${accessories[@]+"${accessories[@]}"}; do
  if ! grep -qxF -- "$service" <<<"$running"; then
    up "${accessories[@]}"
    break
  fi
done
deadline=$((SECONDS + limit))
while waiting=$(of_project --filter health=starting --format '{{.Names}}') && [ -n "$waiting" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not healthy after $limit s:" "$waiting"
  sleep 0.2
done
while [ $# -gt 0 ]; do
  kind=$1 name=$2 count=$3
  shift 3
  case $kind in
    network | volume)
      is_there "$kind" "$name" || docker "$kind" create "${@:1:count}" "$name" >/dev/null
      ;;
  esac
  shift "$count"
done
