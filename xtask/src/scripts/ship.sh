# Turns the archive that was copied to releases/ into a release: verified, unpacked beside its place, then renamed
# there, so a release is complete or not there at all. Standard input: per file its name, its size in bytes, then the
# bytes: the manifest, and the release's .env, which nobody else may read.
release=$1 archive_sum=$2 strip=$3
releases=$folder/releases
archive=$releases/.incoming-$release.tar.gz
unpacked=$releases/.unpacked-$release
if [ -d "$releases/$release" ]; then
  rm -f "$archive"
  exit 0
fi
printf '%s  %s\n' "$archive_sum" "$archive" | sha256sum -c --quiet - ||
  fail "the archive did not arrive as it was sent; is the disk full? ($(df -Ph "$releases" | awk 'NR == 2 { print $4 }') free)"
rm -rf "$unpacked"
mkdir "$unpacked"
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip" --no-same-owner --no-same-permissions
# What the tree has under such a name would be taken for the tool's own.
for own in "$unpacked"/.release.json "$unpacked"/.served "$unpacked"/.compose.*.json "$unpacked"/..compose.*; do
  if [ -e "$own" ] || [ -L "$own" ]; then
    rm -rf "$unpacked" "$archive"
    fail "the app's folder has ${own##*/}, a name that this tool keeps for itself in a release; rename the file"
  fi
done
while read -r name size; do
  rm -rf "${unpacked:?}/$name"
  [ "$name" != .env ] || umask 077
  head -c "$size" >"$unpacked/$name"
  [ "$(stat -c %s "$unpacked/$name")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
  sync "$unpacked/$name"
done
mv -T "$unpacked" "$releases/$release"
rm -f "$archive"
# What earlier deploys left half done.
rm -rf "$releases"/.unpacked-* "$releases"/.incoming-*
