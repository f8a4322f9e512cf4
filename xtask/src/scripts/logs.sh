# The last log lines of a slot's container, without those of our own health checks: there may be thousands.
set -u
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
project=$1 slot=$2 lines=$3 path=$4 compose_project=$5 service=$6
for container in $(docker ps -aq --filter "label=$label_project=$project" --filter "label=$label_slot=$slot" \
  --filter "label=com.docker.compose.project=$compose_project" --filter "label=com.docker.compose.service=$service"); do
  if [ "$(docker inspect --format '{{.HostConfig.LogConfig.Type}}' "$container")" = none ]; then
    echo "(docker keeps no log of it: \`logging\` in the compose file has the driver none)"
    continue
  fi
  docker logs --tail 4000 "$container" 2>&1 | grep -avF -e "GET $path " -e "GET $path\"" | tail -n "$lines" | cut -c1-100000
done
