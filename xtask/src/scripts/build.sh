# Builds the images of a release that are not there yet; layers built before are used again. The arguments from the fourth on
# come by threes: a service, its image, and where its named volumes are mounted, apart by colons.
release=$1 project=$2
use_compose "$3"
shift 3
kept=$folder/meta/$release
[ -r "$kept/sums" ] || fail "release $release is not on this host"
missing=() images=() targets=()
while [ $# -gt 0 ]; do
  docker image inspect "$2" >/dev/null 2>&1 || missing+=("$1")
  images+=("$2") targets+=("$3")
  shift 3
done
# By these they are removed with the release.
: >"$kept/images"
for image in ${images[@]+"${images[@]}"}; do
  # That of an accessory outlives a release.
  [ "${image##*:}" != "$release" ] || printf '%s\n' "${image%:*}" >>"$kept/images"
done

# A named volume is filled from the first image and never again: over the code, every later version would run the first one.
refuse_volumes_over_code() {
  local index folder_of_code target list
  for index in "${!images[@]}"; do
    folder_of_code=$(docker image inspect --format '{{.Config.WorkingDir}}' "${images[index]}")
    case $folder_of_code in '' | /) continue ;; esac
    IFS=: read -r -a list <<<"${targets[index]}"
    for target in ${list[@]+"${list[@]}"}; do
      case ${folder_of_code%/}/ in "${target%/}"/*)
        fail "a named volume is mounted at $target, over the code of ${images[index]} ($folder_of_code): docker fills it from the first image and never again, so every later version would run the first one. Take it out of \`volumes\`, or mount the folder of the data alone"
        ;;
      esac
    done
  done
}

if [ ${#missing[@]} -eq 0 ]; then
  refuse_volumes_over_code
  echo "all images of $release are there"
  exit 0
fi
# What an image can get at is what came with the release: not the `.env`, nor what a container has written beside the code.
context=$folder/releases/.build-$release
trap 'rm -rf "$context"' EXIT
rm -rf "$context"
mkdir -m 0755 "$context"
(
  cd "$folder/releases/$release"
  sed -z 's|^.\{66\}|./|' "$kept/sums" | LC_ALL=C grep -azvxF ./.env | xargs -0 -r cp -l --parents -t "$context" --
)
while IFS= read -r -d '' path && IFS= read -r -d '' to; do
  mkdir -p "$context/$(dirname "./$path")"
  ln -s -- "$to" "$context/$path"
done <"$kept/links"
export BUILDKIT_PROGRESS=plain
options=()
# The builder that v1 uses leaves the container of a failed step behind unless it is told not to.
[ "${compose[0]}" != docker-compose ] || options=(--force-rm)
full=
cd "$kept"
while IFS= read -r line; do
  printf '%s\n' "$line" >&2
  [[ $line != *[Nn]'o space left on device'* ]] || full=yes
done < <("${compose[@]}" -p "$project" -f "$build_file" build ${options[@]+"${options[@]}"} "${missing[@]}" 2>&1)
# The list of commands above is a process of its own, whose number is in $!.
if wait $!; then
  refuse_volumes_over_code
  exit 0
fi
[ -z "$full" ] || fail "the disk was full during the build. Docker's disk: $(df -Ph "$(docker info --format '{{.DockerRootDir}}')" | awk 'NR == 2 { print $4 " of " $2 " are free at " $6 }'). See what takes it with \`docker system df\`, free some with \`docker builder prune\` or \`docker image prune\`, and deploy again"
fail "the build failed (a build sees what is committed, and never the \`.env\`)"
