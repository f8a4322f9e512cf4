# Ends and removes the environment's containers, and its networks where nobody else is on them. Volumes with a name stay, and all those
# of accessories. Arguments: the compose project of accessories, then those of slots and workers.
base=$1
shift
for project in "$@" "$base"; do
  # Each with the grace period of its compose file: a worker may be in the middle of something.
  ids=$(own_containers --filter "label=com.docker.compose.project=$project")
  # shellcheck disable=SC2086 # a list of ids
  [ -z "$ids" ] || docker stop $ids >/dev/null
done
for project; do remove_containers "label=com.docker.compose.project=$project"; done

# What a container has added to its own files or changed in them, beside what is mounted and what does not outlast a restart: into `written`.
look_for_writing() {
  local mounts changes kind path mount
  mounts=$(docker inspect --format '{{range .Mounts}}{{println .Destination}}{{end}}' "$1")
  changes=$(docker diff "$1")
  written=()
  while read -r kind path; do
    case $kind:$path/ in :* | D:* | ?:/run/* | ?:/var/run/* | ?:/tmp/* | ?:/dev/* | ?:/proc/* | ?:/sys/*) continue ;; esac
    while IFS= read -r mount; do
      case $mount/ in "$path"/*) continue 2 ;; esac
    done <<<"$mounts"
    # A folder is changed where something in it is, and that has a line of its own.
    if [ "$kind" = C ] && [[ $changes == *" $path/"* ]]; then continue; fi
    written+=("${path:0:120}")
    [ ${#written[@]} -lt 3 ] || break
  done <<<"$changes"
}
ids=$(own_containers -a --filter "label=com.docker.compose.project=$base")
for container in $ids; do
  look_for_writing "$container"
  if [ ${#written[@]} -gt 0 ]; then
    name=$(docker inspect --format '{{.Name}}' "$container")
    docker update --restart no "$container" >/dev/null
    echo "stays    the container ${name#/}, stopped: it has written into itself, where no volume keeps it (${written[*]}). Look, and remove it: docker rm ${name#/}"
  else
    # Without `-v`: a volume that has no name may hold data too.
    docker rm "$container" >/dev/null
  fi
done
# Of a run that was killed while it copied files for nginx.
ids=$(docker ps -aq --no-trunc --filter "label=$label_static=$folder")
# shellcheck disable=SC2086 # a list of ids
[ -z "$ids" ] || docker rm -f -v $ids >/dev/null
for project in "$base" "$@"; do
  ids=$(docker network ls -q --no-trunc --filter "label=com.docker.compose.project=$project")
  for network in $ids; do
    on_it=$(docker ps -aq --filter "network=$network")
    [ -n "$on_it" ] || docker network rm "$network" >/dev/null
  done
done
