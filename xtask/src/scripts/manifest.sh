# Runs on the deploying machine. Of every file of an archive its sha256, as `sum  path` and a NUL, sorted by path; then a NUL;
# then of every symbolic link its path and where it leads, a NUL after each; then a NUL; then the path of every file that only
# points to one that Git LFS has (git-lfs, docs/spec.md), a NUL after each.
set -eu -o pipefail
archive=$1 strip=$2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip"
cd "$unpacked"
find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r sha256sum -z --
printf '\0'
find . -type l -printf '%P\0%l\0'
printf '\0'
find . -type f -size -3 -printf '%P\0' |
  xargs -0 -r grep -lZzP -- '\Aversion https://git-lfs\.github\.com/spec/v1\n(ext-[^\n]*\n)*oid sha256:[0-9a-f]{64}\n' || [ $? = 123 ]
