# Runs on the deploying machine, where there is a compose: prints a folder as a line, and then what compose makes of the commit
# that lay in there like a release on its host. Prints nothing where there is none, or where it does not understand the files:
# the host's may be another one. The `.env` comes on standard input.
set -eu -o pipefail
root=$1 commit=$2 app=$3 strip=$4 release=$5 project=$6
shift 6
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose) format=(--format json)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose) format=()
else
  exit 0
fi
umask 077
folder=$(mktemp -d) || exit 0
trap 'rm -rf "$folder"' EXIT
folder=$(cd "$folder" && pwd -P)
# What fails here, a full disk for one, says nothing of the compose files.
{
  mkdir -p "$folder/releases/$release"
  cd "$folder/releases/$release"
  git -C "$root" --literal-pathspecs archive --format=tar "$commit" -- "$app" | tar -x --strip-components="$strip"
  cat >"$folder/env"
  rm -f .env
  cp "$folder/env" .env
} 2>/dev/null || exit 0
files=()
for file; do files+=(-f "$file"); done
printed=$("${compose[@]}" --env-file "$folder/env" -p "$project" "${files[@]}" config ${format[@]+"${format[@]}"} 2>/dev/null) || exit 0
printf '%s\n%s' "$folder" "$printed"
