# Makes a release of the files of another one that is on this host, with another `.env` and other files that are not committed. Verified, made beside its
# place, then renamed there, so it is complete or not there at all. Standard input: per file its name, its size in bytes, then the bytes.
release=$1 from=$2
releases=$folder/releases meta=$folder/meta
unpacked=$releases/.unpacked-$release
kept=$meta/.new-$release
lines=$meta/.lines-$release
trap 'rm -rf "$unpacked" "$kept" "$lines"' EXIT
if [ -d "$releases/$release" ] && [ -e "$meta/$release/$manifest_file" ]; then exit 0; fi
[ ! -e "$releases/$release" ] || fail "$releases/$release is there, and nothing is known of it; move it away"
refuse_changed_files "$from"
rm -rf "$unpacked" "$kept" "$lines"
mkdir "$unpacked"
mkdir -m 0700 "$kept" "$lines"
while read -r name size; do
  (umask 077 && head -c "$size" >"$kept/$name")
  [ "$(stat -c %s "$kept/$name")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
done
# The sums of files that are not committed, as lines of the list of all.
sums_of() {
  mkdir "$lines/$1"
  [ ! -e "$2" ] || place_secret_files "$2" "$lines/$1" || fail "the files of the environment could not be written; is the disk full?"
  (cd "$lines/$1" && find . -type f -print0 | sed -z 's|^\./||' | xargs -0 -r sha256sum -z --) | LC_ALL=C sort -z >"$lines/of-$1"
}
sums_of before "$meta/$from/$secret_files"
sums_of now "$kept/$secret_files"
LC_ALL=C sort -z "$meta/$from/sums" | LC_ALL=C comm -z -23 - "$lines/of-before" | LC_ALL=C sort -z -k 1.67 >"$lines/committed"
cat "$lines/committed" "$lines/of-now" | LC_ALL=C sort -z -k 1.67 >"$kept/sums"
cp "$meta/$from/links" "$kept/links"
sed "s/\"release\": \"$from\"/\"release\": \"$release\"/" "$meta/$from/$manifest_file" >"$kept/$manifest_file"
# A container may have these files in its hands: what counts is what the copies are.
cd "$releases/$from"
{ sed -z 's|^.\{66\}|./|' "$lines/committed" && sed -zn 'p;n' "$kept/links" | sed -z 's|^|./|'; } >"$lines/paths"
xargs -0 -r -a "$lines/paths" cp -dR --parents --preserve=mode,timestamps --reflink=auto -t "$unpacked" -- 2>/dev/null || exit "$files_not_as_shipped"
cd "$unpacked"
LC_ALL=C grep -azv '^.\{66\}\.env$' "$lines/committed" >"$lines/checked" || true
sed -z 's|^.\{66\}|./|' "$lines/checked" | xargs -0 -r sha256sum -z -- 2>/dev/null | sed -z 's|^\(.\{66\}\)\./|\1|' | cmp -s - "$lines/checked" || exit "$files_not_as_shipped"
rm -rf "${unpacked:?}/.env"
install -m 0644 "$kept/env" "$unpacked/.env"
[ ! -e "$kept/$secret_files" ] || place_secret_files "$kept/$secret_files" "$unpacked" ||
  fail "the files of the environment could not be put into the release; is the disk full?"
sync "$unpacked/.env" "$kept"/*
rm -rf "${meta:?}/$release"
mv -T "$kept" "$meta/$release"
mv -T "$unpacked" "$releases/$release"
