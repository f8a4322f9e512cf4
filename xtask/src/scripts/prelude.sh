# Begins every script that changes the host. $1 is the environment's folder.
#
# Scripts are constants; what varies arrives as "$1", "$2", … or on standard input and is never read as shell. Each is
# written so that its effect is a rename or can be repeated, because the run that sent it may die at any moment.
set -eu -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
umask 022
# shellcheck disable=SC2034 # not every script needs it. It may be reached through a link, and what is mounted never is.
folder=$(readlink -m -- "$1")
shift

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# No registry has the images of a release: compose must not be let to look for them there.
# shellcheck disable=SC2317 # not every script needs it
refuse_missing_images() {
  local repository
  while IFS= read -r repository; do
    docker image inspect "$repository:$1" >/dev/null 2>&1 || fail "the image $repository:$1 is not on this host any more; deploy or roll back once more, which builds what is missing"
  done < <(cat "$folder/meta/$1/images" 2>/dev/null)
}

# Removes the environment's containers to which all of these filters of `docker ps` apply, with the volumes that have no name
# and are theirs alone. One that docker is removing already, because it has just ended, is waited for.
# shellcheck disable=SC2317 # not every script needs it
remove_containers() {
  local filter filters=(--filter "label=deploy.folder=$folder") left said tries
  for filter; do filters+=(--filter "$filter"); done
  for ((tries = 0; tries < 100; tries++)); do
    left=$(docker ps -aq "${filters[@]}")
    # shellcheck disable=SC2086 # a list of ids
    if [ -z "$left" ] || said=$(docker rm -f -v $left 2>&1 >/dev/null); then return; fi
    sleep 0.1
  done
  fail "$said"
}
