# Turns the archive that was copied to releases/ into a release: verified, unpacked beside its place, then renamed
# there, so a release is complete or not there at all. Standard input: per file its name, its size in bytes, then the
# bytes: the manifest, and the release's .env, which nobody else may read; before them, where the archive has only what
# is new, the paths of all else, apart by NUL, which is copied from the release $4.
release=$1 archive_sum=$2 strip=$3 earlier=$4
releases=$folder/releases
archive=$releases/.incoming-$release.tar.gz
unpacked=$releases/.unpacked-$release
same=$unpacked.paths
# Where it is ended before this line, or killed, what it leaves goes at the end of the run.
trap 'rm -rf "$unpacked" "$archive" "$same"' EXIT
if [ -d "$releases/$release" ]; then exit 0; fi
printf '%s  %s\n' "$archive_sum" "$archive" | sha256sum -c --quiet - ||
  fail "the archive did not arrive as it was sent; is the disk full? ($(df -Ph "$releases" | awk 'NR == 2 { print $4 }') free)"
rm -rf "$unpacked"
mkdir "$unpacked"
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip" --no-same-owner --no-same-permissions
# What the tree has under such a name would be taken for the tool's own.
for own in "$unpacked"/.release.json "$unpacked"/.served "$unpacked"/.compose.*.json "$unpacked"/..compose.*; do
  if [ -e "$own" ] || [ -L "$own" ]; then
    fail "the app's folder has ${own##*/}, a name that this tool keeps for itself in a release; rename the file"
  fi
done
if [ -n "$earlier" ]; then
  read -r _ size
  head -c "$size" >"$same"
  # The kernel notes when a file was last changed in any way: none may have been since its release was complete.
  # shellcheck disable=SC2016 # for the sh that reads it
  if ! changed=$(cd "$releases/$earlier" && xargs -0 -a "$same" sh -c 'exec find "$@" -newercc .release.json' find) ||
    [ -n "$changed" ] || ! (cd "$releases/$earlier" && xargs -0 -a "$same" cp -pd --parents --reflink=auto -t "$unpacked"); then
    exit 75
  fi
fi
while read -r name size; do
  rm -rf "${unpacked:?}/$name"
  [ "$name" != .env ] || umask 077
  head -c "$size" >"$unpacked/$name"
  [ "$(stat -c %s "$unpacked/$name")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
  sync "$unpacked/$name"
done
mv -T "$unpacked" "$releases/$release"
