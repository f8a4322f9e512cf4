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
networks=$(docker network ls --format '{{.Name}}')
volumes=$(docker volume ls --format '{{.Name}}')
# Resources come as kind, key, name. What others make must be there before anything is started.
resources=("$@")
for ((at = 0; at < $#; at += 3)); do
  name=${resources[at + 2]}
  case ${resources[at]} in
    external-network) there=$networks ;;
    external-volume) there=$volumes ;;
    *) continue ;;
  esac
  kind=${resources[at]#external-}
  grep -qxF -- "$name" <<<"$there" ||
    fail "the $kind $name is \`external\` in the compose file, so nothing here makes it, and it is not on this host; make it with: docker $kind create $name"
done
of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }
running=$(of_project --format '{{.Label "com.docker.compose.service"}}')
for service in ${accessories[@]+"${accessories[@]}"}; do
  if ! grep -qxF -- "$service" <<<"$running"; then
    COMPOSE_IGNORE_ORPHANS=true COMPOSE_ANSI=never \
      "${compose[@]}" -p "$project" -f .compose.base.json up -d --no-recreate "${accessories[@]}"
    break
  fi
done
deadline=$((SECONDS + limit))
while waiting=$(of_project --filter health=starting --format '{{.Names}}') && [ -n "$waiting" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not healthy after $limit s:" "$waiting"
  sleep 0.2
done
networks=$(docker network ls --format '{{.Name}}')
volumes=$(docker volume ls --format '{{.Name}}')
while [ $# -gt 0 ]; do
  kind=$1 key=$2 name=$3
  shift 3
  case $kind in
    network) there=$networks ;;
    volume) there=$volumes ;;
    *) continue ;;
  esac
  grep -qxF -- "$name" <<<"$there" ||
    docker "$kind" create --label "com.docker.compose.project=$project" --label "com.docker.compose.$kind=$key" "$name" >/dev/null
done
