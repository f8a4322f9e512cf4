# Has compose read the files of a commit, and prints the folder in which they lay as a line, then what compose made of them. Without
# $3, the compose that is found here does it; where there is none, nothing is printed. Standard input: the `.env`, then the archive of the
# files, each with its name and its size in bytes before it. Nothing of it stays. Ends with $compose_refuses, and what compose says, where
# the files are at fault; with another code where something else is.
set -eu -o pipefail
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8 COMPOSE_ANSI=never
release=$1 project=$2
read -r -a compose <<<"$3"
shift 3
if [ ${#compose[@]} = 0 ]; then
  if compose_plugin; then
    compose=("$plugin")
  elif docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    exit 0
  fi
fi
umask 077
# In memory, where there is such a place: the `.env` is a secret.
place=/dev/shm
[ -w "$place" ] || place=${TMPDIR:-/tmp}
# A run that was killed could not remove its own.
find "$place" -maxdepth 1 -name 'deploy-compose-??????' -user "$(id -u)" -mmin +10 -exec rm -rf {} +
folder=$(mktemp -d "$place/deploy-compose-XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT
folder=$(cd "$folder" && pwd -P)
mkdir -p "$folder/releases/$release"
while read -r name size; do head -c "$size" >"$folder/$name"; done
cd "$folder/releases/$release"
tar -xzf "$folder/files"
rm -f .env
cp "$folder/env" .env
place_secret_files "$folder/$secret_files" "$PWD"
files=()
for file; do files+=(-f "$file"); done
format=()
[ "${compose[0]}" = docker-compose ] || format=(--format json)
refuse() {
  printf '%s\n' "$*" >&2
  exit "$compose_refuses"
}
printed=$("${compose[@]}" --env-file "$folder/env" -p "$project" "${files[@]}" config ${format[@]+"${format[@]}"} 2>"$folder/said") ||
  refuse "$(cat "$folder/said")"
unset=$(unset_in_included_files "$(cat "$folder/said")" "$@")
[ -z "$unset" ] || refuse "$unset"
printf '%s\n%s' "$folder" "$printed"
