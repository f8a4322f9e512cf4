# Marks a release as known good: only such are kept, and rolled back to. The time is the file's own, and
# later than that of any other, also where the clock was ahead when that one served: the order is what matters.
release=$1
mark=$folder/meta/$release/served
latest=$(stat -c %Y "$folder"/meta/*/served 2>/dev/null | sort -n | tail -n 1) || true # there may be none yet
touch "$mark"
# Their work is done by this release for good.
rm -f "$before"
[ "$(stat -c %Y "$mark")" -gt "${latest:-0}" ] || touch -d "@$((latest + 1))" "$mark"
