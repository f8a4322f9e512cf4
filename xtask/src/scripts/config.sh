# Prints the compose project as the host's compose understands it, and keeps it with the release; values of the env file
# included: a secret. With $4 `stored`, what was kept is printed, once the release's files have been checked.
release=$1 project=$2
read -r -a compose <<<"$3"
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
# Compose would start the app with nothing in their place. Of the files that are named here it was found out before; of those that
# they include it is only known which variables stand in none of the files that are named.
told=''
while IFS= read -r name; do
  variable="\\\$[{]?$name\\b"
  if grep -rqsE --include='*.yml' --include='*.yaml' "$variable" . && { [ $# = 0 ] || ! grep -qsE "$variable" "$@"; }; then told+=" $name"; fi
done < <(grep -oE '[A-Za-z_][A-Za-z_0-9]*\\?"? variable is not set' <<<"$said" | grep -oE '^[A-Za-z_0-9]+' | sort -u)
[ -z "$told" ] || fail "files that the compose file includes or extends name variables that the \`.env\` does not set:$told; set them, or write \`\${NAME:-}\` where nothing is meant"
[ -z "$said" ] || printf '%s\n' "$said" >&2
mv -T "$new" "${new%/*}/compose.project"
cat "${new%/*}/compose.project"
