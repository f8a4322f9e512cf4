# Builds the images of a release that are not there yet; layers built before are used again. Pulls those that a registry has. The
# fourth argument is how much of the build cache may stay, or nothing; those from the fifth on come by fives: a service, its image, where its named volumes are mounted, apart by colons; then, where it is
# not built, what the image is called in its registry, and `there` where it is not to be pulled.
release=$1 project=$2
use_compose "$3"
cache=$4
shift 4
context=$folder/releases/.build-$release
trap 'rm -rf "$context" "$registries"' EXIT
use_registries
kept=$folder/meta/$release
[ -r "$kept/sums" ] || fail "release $release is not on this host"
missing=() images=() targets=() pulls=()
while [ $# -gt 0 ]; do
  if [ -n "$4" ]; then
    pulls+=("$1" "$2" "$4" "$5")
  elif ! docker image inspect "$2" >/dev/null 2>&1; then
    missing+=("$1")
  fi
  images+=("$2") targets+=("$3")
  shift 5
done
# By these they are removed with the release.
: >"$kept/images"
for image in ${images[@]+"${images[@]}"}; do
  # That of an accessory outlives a release.
  [ "${image##*:}" != "$release" ] || printf '%s\n' "${image%:*}" >>"$kept/images"
done

# What docker calls the repository of an image: without a tag, and without what it adds itself.
repository() {
  local name=${1%@*}
  [[ ${name##*/} != *:* ]] || name=${name%:*}
  name=${name#docker.io/}
  printf '%s' "${name#library/}"
}
# Gives an image of a registry the name that it has in this release. Once it is known which one it is, it stays that one, wherever its
# name in the registry leads by then.
pull() {
  local service=$1 image=$2 reference=$3 there=$4 of from digest known='' id
  while IFS=$'\t' read -r of from digest _; do
    if [ "$of" = "$service" ] && [ "$from" = "$reference" ]; then known=$digest; fi
  done < <(cat "$kept/pulled" 2>/dev/null)
  if docker image inspect "$image" >/dev/null 2>&1 && [ -n "$known" ]; then return; fi
  from=${known:-$reference}
  pull_or_use "$from" "$there"
  id=$(docker image inspect --format '{{.Id}}' "$from")
  digest=''
  while IFS= read -r of; do
    [[ $of != "$(repository "$reference")@"* ]] || digest=$of
  done < <(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$id")
  docker tag "$id" "$image"
  echo "$reference: ${digest:-$id}"
  while IFS= read -r of; do
    [ "${of%%$'\t'*}" = "$service" ] || printf '%s\n' "$of"
  done < <(cat "$kept/pulled" 2>/dev/null) >"$kept/.pulled.new"
  printf '%s\t%s\t%s\t%s\n' "$service" "$reference" "${digest:-$id}" "$there" >>"$kept/.pulled.new"
  mv -T "$kept/.pulled.new" "$kept/pulled"
}
for ((at = 0; at < ${#pulls[@]}; at += 4)); do pull "${pulls[@]:at:4}"; done

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
# What an image can get at is what was committed: not the `.env` and other secrets, nor what a container has written beside the code.
rm -rf "$context"
mkdir -m 0755 "$context"
(
  cd "$folder/releases/$release"
  sed -z 's|^.\{66\}|./|' "$kept/sums" | LC_ALL=C grep -azvxF -f <(printf './.env\n' && paths_of_secret_files "$kept/$secret_files" | sed 's|^|./|') |
    xargs -0 -r cp -l --parents -t "$context" --
)
while IFS= read -r -d '' path && IFS= read -r -d '' to; do
  mkdir -p "$context/$(dirname "./$path")"
  ln -s -- "$to" "$context/$path"
done <"$kept/links"
# The release's folder is no work tree, and git would tell of one that it may lie in.
export BUILDKIT_PROGRESS=plain BUILDX_GIT_INFO=false
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
  cut_build_cache "$cache"
  exit 0
fi
[ -z "$full" ] || fail "the disk was full during the build. Docker's disk: $(df -Ph "$(docker info --format '{{.DockerRootDir}}')" | awk 'NR == 2 { print $4 " of " $2 " are free at " $6 }'). See what takes it with \`docker system df\`, free some with \`docker builder prune\` or \`docker image prune\`, and deploy again"
fail "the build failed (a build sees what is committed, and never the \`.env\` or \`files\` of the environment)"
