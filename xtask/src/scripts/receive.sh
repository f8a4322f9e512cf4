# Keeps what comes through standard input as the archive of a release to be, or nothing where less than all of it comes. It
# stays apart until it is verified.
release=$1 bytes=$2
incoming=$folder/releases/.incoming-$release.tar.gz
exec 4>"$incoming"
# This script does not hold the lock: where it outlives its run, the name may be another's file by now.
trap '[ ! "$incoming" -ef /dev/fd/4 ] || rm -f "$incoming"' EXIT
cat >&4
[ "$(stat -c %s "$incoming")" = "$bytes" ] || fail "not all of the $bytes bytes arrived"
# The run that ends removes what it has not unpacked, so after its end nothing may come.
! flock -n "$folder/$lock_file" true || fail "the run that sent the archive is over"
trap - EXIT
