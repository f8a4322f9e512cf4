# Takes back what a user was given to deploy with. Runs as root. Arguments: the user; the key to take out, or -; `yes` where the user
# goes too; the environment's folder; then files to remove.
# shellcheck disable=SC2154 # constants that stand before this
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
user=$1 key=$2 removes_user=$3 folder=$4
shift 4
rm -f -- "$@"
if [ "$key" != - ]; then
  # What lies in a home is changed as its owner.
  # shellcheck disable=SC2016 # for the sh that reads it
  runuser -u "$user" -- sh -c '
    umask 077
    cd && new=$(mktemp .ssh/authorized_keys.XXXXXX)
    grep -vxF -- "restrict $1" .ssh/authorized_keys >"$new" || [ $? = 1 ]
    mv "$new" .ssh/authorized_keys' sh "$key"
fi
uid=$(id -u "$user" 2>/dev/null) || uid=''
if [ "$removes_user" = yes ] && [ -n "$uid" ]; then
  problem=$(userdel --remove "$user" 2>&1) || {
    printf '%s\n' "$problem" >&2
    exit 1
  }
fi
folder=$(readlink -m -- "$folder")
if [ -d "$folder" ] && ! rmdir -- "$folder" 2>/dev/null; then
  # The next user that is made may have the same number.
  if [ "$removes_user" = yes ] && [ -n "$uid" ]; then find "$folder" -xdev -user "$uid" -exec chown -h root:root -- {} +; fi
  find "$folder" -mindepth 1 -maxdepth 1 | head -n 20 | while IFS= read -r place; do echo "stays    $place"; done
fi
