# Builds the images of a release that are not there yet; layers built before are used again.
release=$1 project=$2
read -r -a compose <<<"$3"
shift 3
cd "$folder/releases/$release" || fail "release $release is not on this host"
missing=()
while [ $# -gt 0 ]; do
  docker image inspect "$2" >/dev/null 2>&1 || missing+=("$1")
  shift 2
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "all images of $release are there"
  exit 0
fi
export BUILDKIT_PROGRESS=plain COMPOSE_ANSI=never
options=()
# The builder that v1 uses leaves the container of a failed step behind unless it is told not to.
[ "${compose[0]}" != docker-compose ] || options=(--force-rm)
full=
while IFS= read -r line; do
  printf '%s\n' "$line" >&2
  [[ $line != *[Nn]'o space left on device'* ]] || full=yes
done < <("${compose[@]}" -p "$project" -f .compose.build.json build "${options[@]}" "${missing[@]}" 2>&1)
# The list of commands above is a process of its own, whose number is in $!.
wait $! && exit 0
[ -z "$full" ] || fail "the disk was full during the build. Docker's disk: $(df -Ph "$(docker info --format '{{.DockerRootDir}}')" | awk 'NR == 2 { print $4 " of " $2 " are free at " $6 }'). See what takes it with \`docker system df\`, free some with \`docker builder prune\` or \`docker image prune\`, and deploy again"
fail "the build failed"
