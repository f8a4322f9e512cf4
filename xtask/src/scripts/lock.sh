# Holds the deploy lock for as long as standard input brings a line now and then. The kernel frees it when this process
# ends, and this process ends when its input does or falls silent: the deploying side was killed, or the network cut.
set -u
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
folder=$1 holder=$2 wait_seconds=$3 silence_seconds=$4
mkdir -p "$folder/releases" "$folder/live" || exit 1
exec 9>>"$folder/deploy.lock" || exit 1
if ! flock -w "$wait_seconds" 9; then
  printf 'held by %s\n' "$(head -c 400 "$folder/deploy.lock" | head -n 1)"
  exit 0
fi
printf '%s\n' "$holder" >"$folder/deploy.lock"
# A command of a run that was killed may still be at work.
exec 8>>"$folder/deploy.step"
if ! flock -w 900 8; then
  printf 'held by a command of an earlier deploy that still runs on the host\n'
  exit 0
fi
exec 8>&-
printf 'locked\n'
while read -r -t "$silence_seconds" _; do :; done
: >"$folder/deploy.lock"
