# Runs on the deploying machine: the sha256 of every file of an archive, as `sum  path` and a NUL, sorted by path.
set -eu -o pipefail
archive=$1 strip=$2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip"
cd "$unpacked"
find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r sha256sum -z --
