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

# Where what programs print is shown too, this line is a warning of the deploy.
# shellcheck disable=SC2317 # not every script needs it
warn() { printf '%s %s\n' "$warning_mark" "$*"; }

# No registry has the images of a release: compose must not be let to look for them there.
# shellcheck disable=SC2317 # not every script needs it
refuse_missing_images() {
  local repository
  while IFS= read -r repository; do
    [ -z "$repository" ] || docker image inspect "$repository:$1" >/dev/null 2>&1 || fail "the image $repository:$1 is not on this host any more; deploy or roll back once more, which builds what is missing"
  done < <(cat "$folder/meta/$1/images" 2>/dev/null)
}

# Runs a command for at most $1 seconds. `timeout` has a process group of its own, so that it has to be told where this script is.
# shellcheck disable=SC2317 # not every script needs it
within() {
  local running
  timeout -k 5 "$@" </dev/null &
  running=$!
  # shellcheck disable=SC2064 # this number, now
  trap "kill $running 2>/dev/null; wait $running; exit 143" TERM
  wait "$running"
}

# Compose as it is called on this host, as the words `compose`.
# shellcheck disable=SC2317 # not every script needs it
compose_as() {
  read -r -a compose <<<"$1"
  if [ "$1" = 'docker compose' ] && compose_plugin; then compose=("$plugin"); fi
}

# Compose as it is called on this host, with the release's `.env`: a variable of it may be a secret or a config. What else an
# `.env` can ask of compose is settled here.
# shellcheck disable=SC2317 # not every script needs it
use_compose() {
  compose_as "$1"
  compose+=(--env-file "$folder/meta/$release/env")
  export COMPOSE_ANSI=never COMPOSE_REMOVE_ORPHANS=false COMPOSE_IGNORE_ORPHANS=false COMPOSE_PROFILES=
  # The engine is that of this host's user, whatever the app's own settings are called. Docker 20.10 takes even an empty DOCKER_HOST for
  # a choice, and then asks root's engine where the user's context leads to another one.
  if grep -qsE '^[[:space:]]*(export[[:space:]]+)?DOCKER_(HOST|CONTEXT|TLS_VERIFY|CERT_PATH)\b' "$folder/meta/$release/env"; then
    DOCKER_HOST=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}')} || fail "docker does not say which engine its context leads to"
    export DOCKER_HOST DOCKER_CONTEXT=${DOCKER_CONTEXT-} DOCKER_TLS_VERIFY=${DOCKER_TLS_VERIFY-} DOCKER_CERT_PATH=${DOCKER_CERT_PATH-}
  fi
}

# The ids of the environment's containers to which all of these options of `docker ps` apply. Earlier versions of this tool did
# not write whose a container is; there its working folder tells.
# shellcheck disable=SC2317 # not every script needs it
own_containers() {
  local id owner at
  docker ps --no-trunc --format '{{.ID}}|{{.Label "'"$label_folder"'"}}|{{.Label "com.docker.compose.project.working_dir"}}' "$@" |
    while IFS='|' read -r id owner at; do
      [ -n "$owner" ] || [[ $(readlink -m -- "${at:-/}") != "$folder"/releases/* ]] || owner=$folder
      [ "$owner" != "$folder" ] || printf '%s\n' "$id"
    done
}

# Removes the environment's containers to which all of these filters of `docker ps` apply, with the volumes that have no name
# and are theirs alone. One that docker is removing already, because it has just ended, is waited for.
# shellcheck disable=SC2317 # not every script needs it
remove_containers() {
  local filter filters=() left said tries
  for filter; do filters+=(--filter "$filter"); done
  for ((tries = 0; tries < 100; tries++)); do
    left=$(own_containers -a "${filters[@]}")
    # shellcheck disable=SC2086 # a list of ids
    if [ -z "$left" ] || said=$(docker rm -f -v $left 2>&1 >/dev/null); then return; fi
    sleep 0.1
  done
  fail "$said"
}

# The workers that compose had started before the first deploy, once they are stopped: id, service, and how docker restarted them.
# shellcheck disable=SC2034 # not every script needs it
before=$folder/meta/.workers-of-before

# Starts those of them again, as they were, that are of none of these services.
# shellcheck disable=SC2317,SC2120 # not every script needs it, or names services
give_back() {
  local id service restart stay='' problems=''
  [ -e "$before" ] || return 0
  while read -r id service restart; do
    if [[ " $* " == *" $service "* ]]; then
      stay+="$id $service $restart"$'\n'
    elif docker inspect "$id" >/dev/null 2>&1; then
      { docker update --restart "${restart:-no}" "$id" && docker start "$id"; } >/dev/null || {
        stay+="$id $service $restart"$'\n'
        problems+=" $service"
      }
    fi
  done <"$before"
  if [ -n "$stay" ]; then printf '%s' "$stay" >"$before"; else rm "$before"; fi
  [ -z "$problems" ] || fail "these unmanaged workers could not be started again:$problems"
}
