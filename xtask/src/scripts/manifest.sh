# Runs on the deploying machine. Of every file of an archive its sha256, as `sum  path` and a NUL, sorted by path; then a NUL;
# then of every symbolic link its path and where it leads, a NUL after each.
set -eu -o pipefail
archive=$1 strip=$2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip"
cd "$unpacked"
find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r sha256sum -z --
printf '\0'
find . -type l -printf '%P\0%l\0'
