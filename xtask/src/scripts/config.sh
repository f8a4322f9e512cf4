# Prints the compose project as the host's compose understands it, values of the env file included: a secret.
release=$1 project=$2
read -r -a compose <<<"$3"
shift 3
cd "$folder/releases/$release" || fail "release $release is not on this host"
files=()
for file in "$@"; do files+=(-f "$file"); done
if [ "${compose[0]}" != docker-compose ]; then
  "${compose[@]}" -p "$project" "${files[@]}" config --format json
  exit
fi
# v1 prints YAML only, and services of all profiles: which are on is added. It takes them from the environment, then .env.
"${compose[@]}" -p "$project" "${files[@]}" config
[ -n "${COMPOSE_PROFILES+set}" ] || COMPOSE_PROFILES=$(sed -n 's/^COMPOSE_PROFILES=//p' .env 2>/dev/null | tail -n 1)
printf '\nx-active-profiles: "%s"\n' "$(tr -dc 'A-Za-z0-9_.,*-' <<<"$COMPOSE_PROFILES")"
