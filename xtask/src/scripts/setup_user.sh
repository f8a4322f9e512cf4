# Makes the user who deploys, and lets a key in as that user, for commands alone: no forwarding, no terminal. Runs as root; what lies in
# a home is changed as its owner. Arguments: the user, the key, the line of `authorized_keys` that lets it in for one environment.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
user=$1 key=$2 line=$3
if ! id "$user" >/dev/null 2>&1; then
  useradd --create-home --shell /bin/bash --comment "$user_mark" "$user"
  # No password is let in, and sshd does not take the account for a locked one.
  usermod -p '*' "$user"
fi
# shellcheck disable=SC2016 # for the sh that reads it
runuser -u "$user" -- sh -c '
  umask 077
  cd && mkdir -p .ssh && touch .ssh/authorized_keys
  # A key that a person has let in stays as it is. Each environment has a line of its own, by which it is taken out again.
  by_hand() { grep -F -- "$1" .ssh/authorized_keys | grep -qvF -- "restrict $1 $2:"; }
  grep -qxF -- "$2" .ssh/authorized_keys || by_hand "$1" "$3" || {
    [ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys
    printf "%s\n" "$2" >>.ssh/authorized_keys
  }' sh "$key" "$line" "$user_mark"
[ -S "/run/user/$(id -u "$user")/docker.sock" ] || usermod -aG docker "$user"
