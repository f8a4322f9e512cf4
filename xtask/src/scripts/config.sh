# Prints the compose project as the host's compose understands it, and keeps it with the release; values of the env file
# included: a secret. With $4 `stored`, what was kept is printed, once the release's files have been checked.
release=$1 project=$2
compose_as "$3"
stored=$4
shift 4
cd "$folder/releases/$release" || fail "release $release is not on this host"
if [ "$stored" = stored ]; then
  refuse_changed_files "$release"
  # One that was shipped and never deployed has none yet.
  [ ! -r "$folder/meta/$release/compose.project" ] || exec cat "$folder/meta/$release/compose.project"
fi
files=()
for file in "$@"; do files+=(-f "$file"); done
format=()
[ "${compose[0]}" = docker-compose ] || format=(--format json)
new=$folder/meta/$release/.compose.project.new
trap 'rm -f "$new"' EXIT
umask 077
# Wherever the compose file is in the app's folder, this is what its variables are taken from.
said=$("${compose[@]}" --env-file "$folder/meta/$release/env" -p "$project" "${files[@]}" config "${format[@]}" 2>&1 >"$new") || fail "$said"
unset=$(unset_in_included_files "$said" "$@")
[ -z "$unset" ] || fail "$unset"
[ -z "$said" ] || printf '%s\n' "$said" >&2
mv -T "$new" "${new%/*}/compose.project"
cat "${new%/*}/compose.project"
