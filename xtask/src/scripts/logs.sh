# The last log lines of a slot's container.
set -u
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
project=$1 slot=$2 lines=$3
for container in $(docker ps -aq --filter "label=deploy.project=$project" --filter "label=deploy.slot=$slot" \
  --filter "label=com.docker.compose.project=$project-$slot"); do
  docker logs --tail "$lines" "$container" 2>&1
done
