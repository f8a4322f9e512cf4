# Prints the compose project as the host's compose understands it, values of the env file included: a secret.
release=$1 project=$2
read -r -a compose <<<"$3"
shift 3
cd "$folder/releases/$release" || fail "release $release is not on this host"
files=()
for file in "$@"; do files+=(-f "$file"); done
format=()
[ "${compose[0]}" = docker-compose ] || format=(--format json) # v1 prints YAML only
"${compose[@]}" -p "$project" "${files[@]}" config "${format[@]}"
