# Keeps what comes through standard input as the archive of a release to be, or nothing where less than all of it comes. It
# stays apart until it is verified.
release=$1 bytes=$2
incoming=$folder/releases/.incoming-$release.tar.gz
trap 'rm -f "$incoming"' EXIT
cat >"$incoming"
[ "$(stat -c %s "$incoming")" = "$bytes" ] || fail "not all of the $bytes bytes arrived"
trap - EXIT
