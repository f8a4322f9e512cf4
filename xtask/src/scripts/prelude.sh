# Begins every script that changes the host. $1 is the environment's folder.
#
# Scripts are constants; what varies arrives as "$1", "$2", … or on standard input and is never read as shell. Each is
# written so that its effect is a rename or can be repeated, because the run that sent it may die at any moment.
set -eu -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
umask 022
# shellcheck disable=SC2034 # not every script needs it
folder=$1
shift

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
