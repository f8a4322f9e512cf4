# Takes back what a user was given to deploy with. Runs as root. Arguments: the user; the line of `authorized_keys` to take out, or -; `yes` where the user
# goes too; the environment's folder; then files to remove.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
user=$1 line=$2 removes_user=$3 folder=$(readlink -m -- "$4")
shift 4
rm -f -- "$@"
if [ "$line" != - ]; then
  # What lies in a home is changed as its owner.
  # shellcheck disable=SC2016 # for the sh that reads it
  runuser -u "$user" -- sh -c '
    set -eu
    umask 077
    cd && new=$(mktemp .ssh/authorized_keys.XXXXXX)
    trap "rm -f $new" EXIT
    grep -vxF -- "$1" .ssh/authorized_keys >"$new" || [ $? = 1 ]
    mv "$new" .ssh/authorized_keys' sh "$line"
fi
if [ "$removes_user" = yes ] && home=$(getent passwd "$user" | cut -d: -f6); then
  userdel "$user" >/dev/null
  # Nobody can put anything there any more. Of what is there goes what a new user has and what this tool made, and nothing else.
  if [ -d "$home" ] && [ ! -L "$home" ]; then
    for new in /etc/skel/.[!.]* /etc/skel/*; do
      own=$home/${new##*/}
      if [ -f "$new" ] && [ -f "$own" ] && [ ! -L "$own" ] && cmp -s "$new" "$own"; then rm -f -- "$own"; fi
    done
    find "$home" -xdev -depth ! -type d \( -path "$home/.ssh/authorized_keys" -o -path "$home/.docker/buildx/*" -o -path "$home/.docker/.*" -o -path "$home/.bash_history" \) -delete
    find "$home" -xdev -depth -type d -empty -delete
    [ ! -e "$home" ] || echo "stays    $home"
  fi
fi
if [ -d "$folder" ] && ! rmdir -- "$folder" 2>/dev/null; then
  # The next user that is made may have the number of the one that went. What lies in there is a container's, and keeps its owner.
  if [ "$removes_user" = yes ]; then
    for place in "$folder" "$folder/shared" "$folder/leftovers"; do
      if [ -d "$place" ] && [ ! -L "$place" ]; then chown -h root:root -- "$place"; fi
    done
    chmod 0700 -- "$folder"
  fi
  find "$folder" -mindepth 1 -maxdepth 1 | sed -n '1,20s/^/stays    /p'
fi
