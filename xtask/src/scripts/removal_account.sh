# Takes back what a user was given to deploy with. Runs as root. Arguments: the user; the last word of the lines of `authorized_keys`
# to take out, or -; `yes` where the user goes too; the environment's folder; then files to remove.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
user=$1 mark=$2 removes_user=$3 folder=$4
shift 4
rm -f -- "$@"
# A link that the user has made, or a folder of the user's above it, would let root be led elsewhere.
if { [ ! -L "$folder" ] || [ "$(stat -c %u -- "$folder")" = 0 ]; } && is_of_root "$(dirname -- "$(readlink -m -- "$folder")")"; then
  folder=$(readlink -m -- "$folder")
  if [ -d "$folder" ] && ! rmdir -- "$folder" 2>/dev/null; then
    # This user may go later, and the next one that is made have its number. What lies in there is a container's, and keeps its owner.
    chown root:root -- "$folder"
    for place in "$folder/shared" "$folder/leftovers"; do
      if [ -d "$place" ] && [ ! -L "$place" ]; then
        chown -h root:root -- "$place"
        chmod 0700 -- "$place"
      fi
    done
  fi
fi
[ ! -d "$folder" ] || find "$folder" -mindepth 1 -maxdepth 1 | sed -n '1,20s/^/stays    /p'
if [ "$mark" != - ]; then
  # What lies in a home is changed as its owner.
  # shellcheck disable=SC2016 # for the sh that reads it
  runuser -u "$user" -- sh -c '
    set -eu
    umask 077
    cd && new=$(mktemp .ssh/authorized_keys.XXXXXX)
    trap "rm -f $new" EXIT
    awk -v mark="$1" "!(\$1 == \"restrict\" && \$NF == mark)" .ssh/authorized_keys >"$new"
    mv "$new" .ssh/authorized_keys' sh "$mark"
fi
if [ "$removes_user" = yes ] && home=$(getent passwd "$user" | cut -d: -f6); then
  userdel "$user" >/dev/null
  # Nobody can put anything there any more. Of what is there goes what a new user has and what this tool made, and nothing else.
  if [ -d "$home" ] && [ ! -L "$home" ]; then
    for new in /etc/skel/.[!.]* /etc/skel/*; do
      own=$home/${new##*/}
      if [ -f "$new" ] && [ -f "$own" ] && [ ! -L "$own" ] && cmp -s "$new" "$own"; then rm -f -- "$own"; fi
    done
    find "$home" -xdev -depth ! -type d \( -path "$home/.ssh/authorized_keys" -o -path "$home/.docker/buildx/*" -o -path "$home/.docker/.*" \) -delete || true
    find "$home" -xdev -depth -type d -empty -delete || true
    [ ! -e "$home" ] || echo "stays    $home"
  fi
fi
