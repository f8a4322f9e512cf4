# Moves the traffic: replaces the upstream file by a rename, lets nginx test its configuration, reloads it, and waits until
# its old workers take no more connections. Where the test fails, the previous file is back before anybody reloads. Standard
# input: the new file.
upstream_file=$1
shift # what is left is the nginx command
target=$(readlink -f "$upstream_file")
place=${target%/*}
[ -w "$place" ] || fail "$place is not writable for $(id -un): the upstream file is replaced by a rename, which needs that. Run the script that \`cargo xtask setup\` prints as root on this host"
trap 'rm -f "$target.new"' EXIT
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
# nginx tells its old workers to end 100 ms after it has started the new ones (ngx_process_cycle.c); until then both take
# connections. One that takes no more says so in its title. Which nginx is ours shows by that: all its old workers do.
accepting() { grep -lsxz 'nginx: worker process' "$@" || true; }
declare -A master=()
for process in $(accepting /proc/[0-9]*/cmdline); do
  if read -r _ _ _ parent _ <"${process%cmdline}stat"; then master[$process]=$parent; fi
done 2>/dev/null
"$@" -s reload
deadline=$((SECONDS + 5)) # what serves then is for the verification to say
while [ ${#master[@]} -gt 0 ] && [ "$SECONDS" -lt "$deadline" ]; do
  declare -A busy=()
  for process in $(accepting "${!master[@]}"); do busy[${master[$process]}]=yes; done
  for parent in "${master[@]}"; do
    [ -n "${busy[$parent]-}" ] || break 2
  done
  sleep 0.01
done
