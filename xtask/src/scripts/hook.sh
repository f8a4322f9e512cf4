# Runs one hook in a one-off container of the release, which goes when it ends.
release=$1 compose_project=$2 file=$3 service=$4 limit=$5
use_compose "$6"
shift 6
cd "$folder/meta/$release" || fail "release $release is not on this host"
remove_containers "label=com.docker.compose.project=$compose_project" label=com.docker.compose.oneoff=True
within "$limit" \
  "${compose[@]}" -p "$compose_project" -f "$file" run --rm -T --no-deps "$service" "$@"
