# Takes an environment's files out of nginx, and has it read what is left. Where nginx refuses that, they come back. Runs as root.
# Arguments: the environment's name and folder, the user who deploys, the port and the name by which nginx says which slot it obeys,
# the site's file and where a copy of it goes (each may be -), further files.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
name=$1 folder=$2 user=$3 live_port=$4 live_host=$5 site_file=$6 copy=$7
shift 7
[ "$site_file" = - ] || set -- "$site_file" "$@"
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
# Nothing of a deploy is at work beside it. The lock lies in the user's folder, so the user holds it, until this script ends.
if id "$user" >/dev/null 2>&1 && runuser -u "$user" -- test -f "$folder/$lock_file"; then
  coproc LOCK { exec runuser -u "$user" -- flock -n "$folder/$lock_file" sh -c 'echo held; exec cat'; }
  held=''
  read -r -t 20 held <&"${LOCK[0]}" || true
  [ "$held" = held ] || fail "a deploy is at work; run this again when it has ended"
fi
# Whether nginx answers for the environment no more. Others may share the port.
is_gone() { [[ $(ask "$live_port" / "$live_host" | tail -n 1) != "$name "* ]]; }
# A run before this one may have been ended between the files and the reload.
if [ $# = 0 ] && is_gone; then exit 0; fi
saved=$(mktemp -d)
trap 'rm -rf "$saved"' EXIT
for file; do
  # From the root: cp (coreutils 9.1) looks for the folders above an absolute path from where it was started.
  if [ -e "$file" ] || [ -L "$file" ]; then (cd / && cp -a --parents ".$file" "$saved"); fi
done
if [ "$copy" != - ]; then install -D -m 0600 "$site_file" "$copy"; fi
restore() {
  (cd "$saved" && find . ! -type d -print0 | while IFS= read -r -d '' file; do cp -a "$file" "/$file"; done)
  [ "$copy" = - ] || rm -f "$copy"
  fail "$*"$'\n'"nginx's files are as they were before."
}
# The host's own, and not one in a container.
runs() {
  local process here
  here=$(readlink /proc/self/ns/pid)
  for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null)" != nginx ] || [ "$(readlink "$process/ns/pid")" != "$here" ] || return 0
  done
  return 1
}
rm -f -- "$@"
problem=$(nginx -t 2>&1) || restore "nginx refuses to be without them, so something else of it needs them: $problem"
if runs; then problem=$(nginx -s reload 2>&1) || restore "nginx cannot be reloaded: $problem"; fi
for _ in $(seq 100); do
  # Processes that end still answer for a moment.
  if is_gone; then exit 0; fi
  sleep 0.1
done
restore "nginx still answers for $name on port $live_port, 10 s after it was reloaded without its files."
