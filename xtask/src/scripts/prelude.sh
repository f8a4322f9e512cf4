# Begins every script that changes the host. $1 is the environment's folder.
#
# Scripts are constants; what varies arrives as "$1", "$2", … or on standard input and is never read as shell. Each is
# written so that its effect is a rename or can be repeated, because the run that sent it may die at any moment.
set -eu -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
umask 022
folder=$1
shift

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# One command of a deploy at a time: where a deploy was killed, its last command may still run here. The next deploy
# waits for it (lock.sh) before it looks at anything.
exec 8>>"$folder/deploy.step"
flock -w 120 8 || fail "another command of a deploy still runs on this host and did not end within 120 s"
