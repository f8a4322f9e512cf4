# Starts the accessories that do not run, touches none that does, and waits until those with a health check are healthy.
# Then makes sure of the networks and volumes that slots and workers expect of the base project: compose makes only those
# that a started service uses.
release=$1 project=$2 limit=$3
read -r -a compose <<<"$4"
shift 4
cd "$folder/releases/$release" || fail "release $release is not on this host"
accessories=()
while [ "$1" != -- ]; do
  accessories+=("$1")
  shift
done
shift
# Whether a `network` or a `volume` of this name is on this host. Docker is asked once for each, when it is needed.
declare -A names=()
is_there() {
  [ -n "${names[$1]+known}" ] || names[$1]=$(docker "$1" ls --format '{{.Name}}') || fail "docker does not list its ${1}s"
  grep -qxF -- "$2" <<<"${names[$1]}"
}
# Resources come as kind, key, name. What others make must be there before anything is started.
resources=("$@")
for ((at = 0; at < $#; at += 3)); do
  case ${resources[at]} in
    external-network | external-volume) ;;
    *) continue ;;
  esac
  kind=${resources[at]#external-} name=${resources[at + 2]}
  is_there "$kind" "$name" ||
    fail "the $kind $name is \`external\` in the compose file, so nothing here makes it, and it is not on this host; make it with: docker $kind create $name"
done
of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }
running=$(of_project --format '{{.Label "com.docker.compose.service"}}')
for service in ${accessories[@]+"${accessories[@]}"}; do
  if ! grep -qxF -- "$service" <<<"$running"; then
    COMPOSE_IGNORE_ORPHANS=true COMPOSE_ANSI=never \
      "${compose[@]}" -p "$project" -f .compose.base.json up -d --no-recreate "${accessories[@]}"
    names=()
    break
  fi
done
deadline=$((SECONDS + limit))
while waiting=$(of_project --filter health=starting --format '{{.Names}}') && [ -n "$waiting" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not healthy after $limit s:" "$waiting"
  sleep 0.2
done
while [ $# -gt 0 ]; do
  kind=$1 key=$2 name=$3
  shift 3
  case $kind in
    network | volume) ;;
    *) continue ;;
  esac
  is_there "$kind" "$name" ||
    docker "$kind" create --label "com.docker.compose.project=$project" --label "com.docker.compose.$kind=$key" "$name" >/dev/null
done
