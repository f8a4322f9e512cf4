# Copies the files of a release that nginx serves itself out of its images, once. The arguments come by threes: a path of the site, an
# image, and the folder of the image that has the files. Which slot has the release is said when the slot boots.
release=$1
shift
place=$folder/$static_folder/releases
[ ! -d "$place/$release" ] || exit 0
new=$place/.new-$release
container=''
trap 'rm -rf "$new"; [ -z "$container" ] || docker rm -f -v "$container" >/dev/null' EXIT
mkdir -p "$place"
# Of a run that was killed.
rm -rf "$place"/.new-*
docker ps -aq --filter "label=$label_static=$folder" | xargs -r docker rm -f -v >/dev/null
mkdir "$new"
while [ $# -gt 0 ]; do
  mkdir -p "$new$1"
  docker image inspect "$2" >/dev/null 2>&1 || fail "the image $2 is not on this host any more; deploy once more, which brings it"
  container=$(docker create --network none --label "$label_static=$folder" "$2" true)
  said=$(docker cp "$container:$3/." "$new$1" 2>&1) || fail "the files of $3 ([static] in deploy.toml) could not be had of the image $2: $said"
  docker rm -v "$container" >/dev/null
  container=''
  shift 3
done
# Before it is looked through: a folder that cannot be read would be passed over.
chmod -R u+rwX,go+rX,go-w "$new"
# nginx would follow a link to whatever it may read. One within its folder is led there by its own words.
links=$(find "$new" -type l -print0 | while IFS= read -r -d '' link; do
  to=$(readlink -- "$link")
  [[ $to != /* && $(readlink -e -- "$link") == "$(readlink -e -- "$new")"/* ]] || printf '%s -> %s\n' "${link#"$new/"}" "$to"
done | head -n 5) || true # more of them than are named
[ -z "$links" ] || fail "these static files are links that lead out of their folder or nowhere, and nginx would follow them: $links. Have the image hold the files themselves"
strange=$(find "$new" ! -type f ! -type d ! -type l -printf '%P\n' | head -n 5) || true
[ -z "$strange" ] || fail "these static files are neither files nor folders: $strange"
# What has its name is whole, also after a power cut: it is not copied again.
sync -f "$new"
mv -T "$new" "$place/$release"
