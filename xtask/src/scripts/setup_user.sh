# Makes the user who deploys, and lets a key in as that user, for commands alone: no forwarding, no terminal. Runs as root; what lies in a home is changed as its owner.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
user=$1 key=$2
if ! id "$user" >/dev/null 2>&1; then
  useradd --create-home --shell /bin/bash --comment "$user_mark" "$user"
  # No password is let in, and sshd does not take the account for a locked one.
  usermod -p '*' "$user"
fi
# shellcheck disable=SC2016 # for the sh that reads it
runuser -u "$user" -- sh -c '
  umask 077
  cd && mkdir -p .ssh && touch .ssh/authorized_keys
  grep -qF -- "$1" .ssh/authorized_keys || {
    [ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys
    printf "restrict %s\n" "$1" >>.ssh/authorized_keys
  }' sh "$key"
[ -S "/run/user/$(id -u "$user")/docker.sock" ] || usermod -aG docker "$user"
