# Takes an environment's files out of nginx, and has it read what is left. Where nginx refuses that, they come back. Runs as root.
# Arguments: the port and the name by which nginx says which slot it obeys, the site's file and where a copy of it goes (each may
# be -), further files.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
live_port=$1 live_host=$2 site_file=$3 copy=$4
shift 4
[ "$site_file" = - ] || set -- "$site_file" "$@"
saved=$(mktemp -d)
trap 'rm -rf "$saved"' EXIT
for file; do
  # From the root: cp (coreutils 9.1) looks for the folders above an absolute path from where it was started.
  if [ -e "$file" ] || [ -L "$file" ]; then (cd / && cp -a --parents ".$file" "$saved"); fi
done
restore() {
  (cd "$saved" && find . ! -type d -print0 | while IFS= read -r -d '' file; do cp -a "$file" "/$file"; done)
  printf '%s\n' "$*" "nginx's files are as they were before." >&2
  exit 1
}
runs() { grep -qsx nginx /proc/[0-9]*/comm; }
rm -f -- "$@"
problem=$(nginx -t 2>&1) || restore "nginx refuses to be without them, so something else of it needs them: $problem"
if runs; then problem=$(nginx -s reload 2>&1) || restore "nginx cannot be reloaded: $problem"; fi
if [ "$copy" != - ] && [ -e "$saved/$site_file" ]; then
  cp -a "$saved/$site_file" "$copy"
  chmod 0600 "$copy"
fi
# Whether it is so.
[ "$live_port" != - ] || exit 0
for _ in $(seq 100); do
  # Processes that end still answer for a moment; without the site nobody may.
  said=$(curl -s -m 5 -H "Host: $live_host" "http://127.0.0.1:$live_port/") || said=''
  case $said in "${live_host%.*} "*) sleep 0.1 ;; *) exit 0 ;; esac
done
printf '%s\n' "nginx still answers for it on port $live_port, 10 s after its files were taken away and it was reloaded: $said" >&2
exit 1
