# The files of a release that are not in its commit, beside the `.env`: kept in one file, of each its path and its size in bytes, a line
# end, then its bytes. Puts those of $1 below the folder $2, where no link leads elsewhere.
# shellcheck disable=SC2317 # not every script needs it
place_secret_files() {
  local path size
  while read -r path size; do
    [ "$(readlink -m -- "$2/$path")" = "$2/$path" ] || return
    mkdir -p "$2/${path%"${path##*/}"}"
    head -c "$size" >"$2/$path"
    [ "$(stat -c %s "$2/$path")" = "$size" ] || return
    sync "$2/$path"
  done <"$1"
}
# Their paths, a line each.
# shellcheck disable=SC2317 # not every script needs it
paths_of_secret_files() {
  local path size
  [ ! -e "$1" ] || while read -r path size; do
    printf '%s\n' "$path"
    head -c "$size" >/dev/null
  done <"$1"
}

