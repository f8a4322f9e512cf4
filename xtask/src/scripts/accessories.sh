# Starts the accessories that do not run, touches none that does, and waits until those with a health check are healthy.
# Creates what the slots expect to find: the base project's networks and volumes.
release=$1 project=$2 limit=$3
read -r -a compose <<<"$4"
shift 4
cd "$folder/releases/$release" || fail "release $release is not on this host"
of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }
for service in "$@"; do
  if [ -z "$(of_project -q --filter "label=com.docker.compose.service=$service")" ] || [ "$service" = "-" ]; then
    COMPOSE_IGNORE_ORPHANS=true COMPOSE_ANSI=never "${compose[@]}" -p "$project" -f .compose.base.json up -d --no-recreate --no-build "$@"
    break
  fi
done
deadline=$((SECONDS + limit))
while waiting=$(of_project --filter health=starting --format '{{.Names}}') && [ -n "$waiting" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not healthy after $limit s:" $waiting
  sleep 0.2
done
