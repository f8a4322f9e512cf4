# Ends and removes the environment's containers, and its networks where nobody else is on them. Volumes stay. Arguments: the compose
# project of accessories, then those of slots and workers.
base=$1
shift
exec 8<"$folder/$lock_file"
flock -n 8 || fail "a deploy is at work; run this again when it has ended"
for project in "$@" "$base"; do
  # Each with the grace period of its compose file: a worker may be in the middle of something.
  own_containers --filter "label=com.docker.compose.project=$project" | xargs -r docker stop >/dev/null
done
for project; do remove_containers "label=com.docker.compose.project=$project"; done

# What a container has added to its own files, beside what is mounted into it and what does not outlast a restart.
written_into() {
  local mounts path
  mapfile -t mounts < <(docker inspect --format '{{range .Mounts}}{{println .Destination}}{{end}}' "$1")
  docker diff "$1" | sed -n 's/^A //p' | grep -vE '^/(run|tmp|dev|proc|sys|root|home|var/(run|tmp|log|cache|lock))(/|$)' |
    while IFS= read -r path; do
      for mount in "${mounts[@]}"; do case $mount/ in "$path"/*) continue 2 ;; esac done
      printf '%s\n' "$path"
    done
}
for container in $(own_containers -a --filter "label=com.docker.compose.project=$base"); do
  written=$(written_into "$container" | head -n 3 | cut -c1-120 | paste -s -d ' ') || fail "docker does not say what $container has written"
  if [ -n "$written" ]; then
    name=$(docker inspect --format '{{.Name}}' "$container")
    docker update --restart no "$container" >/dev/null
    echo "stays    the container ${name#/}, stopped: it has written into itself, where no volume keeps it ($written). Look, and remove it: docker rm ${name#/}"
  else
    # Without `-v`: a volume that has no name may hold data too.
    docker rm "$container" >/dev/null
  fi
done
for project in "$base" "$@"; do
  for network in $(docker network ls -q --no-trunc --filter "label=com.docker.compose.project=$project"); do
    [ -n "$(docker ps -aq --filter "network=$network")" ] || docker network rm "$network" >/dev/null
  done
done
