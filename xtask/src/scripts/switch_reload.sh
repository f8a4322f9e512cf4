# Moves the traffic: replaces the upstream file by a rename, lets nginx test its configuration, reloads it. Where the
# test fails, the previous file is back before anybody reloads. Standard input: the new file.
upstream_file=$1
shift # what is left is the nginx command
target=$(readlink -f "$upstream_file")
place=${target%/*}
[ -w "$place" ] || fail "$place is not writable for $(id -un): the upstream file is replaced by a rename, which needs that. Run the script that \`cargo xtask setup\` prints as root on this host"
replace() {
  cat >"$target.new"
  sync "$target.new"
  mv -T "$target.new" "$target"
}
previous=''
[ ! -e "$target" ] || previous=$(<"$target")
replace
if ! problem=$("$@" -t 2>&1); then
  # Where a switch that nginx refused is undone, nothing had moved.
  if [ "$previous" = "$(<"$target")" ]; then exit 0; fi
  if [ -n "$previous" ]; then printf '%s\n' "$previous" | replace; else rm -f "$target"; fi
  fail "nginx refuses its configuration, so the previous upstream file is back and nothing was reloaded:" "$problem"
fi
"$@" -s reload
