# Puts the files of a release that nginx serves itself in the place of slot $2. The rest comes by threes: a path of the site, an image,
# and the folder of the image that has the files. Those of releases that no slot has any more go.
release=$1 slot=$2
shift 2
place=$folder/$static_folder
new=$place/releases/.new-$release
container=''
trap 'rm -rf "$new"; [ -z "$container" ] || docker rm -f "$container" >/dev/null' EXIT
mkdir -p "$place/releases"
rm -rf "$new"
mkdir "$new"
while [ $# -gt 0 ]; do
  mkdir -p "$new$1"
  container=$(docker create --network none "$2" true)
  said=$(docker cp "$container:$3/." "$new$1" 2>&1) || fail "the files of $3 ([static] in deploy.toml) could not be had of the image $2: $said"
  docker rm "$container" >/dev/null
  container=''
  shift 3
done
# nginx would follow a link to whatever it may read.
links=$(find "$new" -type l -printf '%P -> %l\n' | head -n 5)
[ -z "$links" ] || fail "these static files are links, and nginx would follow them out of the release: $links"
strange=$(find "$new" ! -type f ! -type d -printf '%P\n' | head -n 5)
[ -z "$strange" ] || fail "these static files are neither files nor folders: $strange"
chmod -R u+rwX,go+rX,go-w "$new"
rm -rf "$place/releases/$release.old"
[ ! -e "$place/releases/$release" ] || mv -T "$place/releases/$release" "$place/releases/$release.old"
mv -T "$new" "$place/releases/$release"
rm -rf "$place/releases/$release.old"
ln -sfn "releases/$release" "$place/.$slot.new"
mv -T "$place/.$slot.new" "$place/$slot"
for known in "$place"/releases/*; do
  case ${known##*/} in "$(basename "$(readlink "$place/blue")")" | "$(basename "$(readlink "$place/green")")") ;; *) rm -rf "$known" ;; esac
done
