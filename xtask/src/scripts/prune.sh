# Removes releases and their images. A file that a container wrote as root is removed by a container.
project=$1
shift
for release in "$@"; do
  place=$folder/releases/$release
  images=$(docker image ls --filter "reference=$project-*:$release" --format '{{.Repository}}:{{.Tag}}')
  if ! rm -rf "$place" 2>/dev/null; then
    image=$(printf '%s\n' "$images" | head -n 1)
    [ -n "$image" ] || fail "cannot remove $place: it has files of another user"
    docker run --rm --user 0 --network none --entrypoint rm -v "$folder/releases:/releases" "$image" -rf "/releases/$release"
  fi
  # shellcheck disable=SC2086 # a list of names
  [ -z "$images" ] || docker image rm $images >/dev/null
done
