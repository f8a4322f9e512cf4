# Closes the site: nginx answers 503 with a page (standard input) from the next request on, but to those whom it lets in. $1 is when it will be open again,
# as HTTP writes times, or nothing; what follows are addresses, or the first numbers of some. Done again, it takes the place of what was.
until=$1
shift
place=$folder/$maintenance_folder
mkdir -p "$place"
# Only a name can be read by nginx at a request.
name=page
[ -z "$until" ] || name="until $until"
page=$(mktemp -d "$place/pages.XXXXXX")
chmod 0755 "$page"
mkdir "$page/$name"
cat >"$page/$name/index.html"
ln -s "${page##*/}/$name" "$page/link"
mv -T "$page/link" "$place/page"
for allowed; do : >"$place/allow-$allowed"; done
for allowed in "$place"/allow-*; do
  [[ " $* " == *" ${allowed#"$place/allow-"} "* ]] || rm -f "$allowed"
done
: >"$place/on"
sync "$place"
for old in "$place"/pages.*; do
  [ "$old" = "$page" ] || rm -rf "$old"
done
