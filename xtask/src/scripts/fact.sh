# Prints a fact: its name and its fields, apart by tabs. What is read may be anything, so each field is cut, and is one line.
fact() {
  local field line=$1
  shift
  for field; do
    field=${field:0:1000}
    line+=$'\t'${field//[$'\t\r\n']/ }
  done
  printf '%s\n' "$line"
}
# Whether nobody but root has a say in where a path leads.
is_of_root() {
  local above
  above=$(readlink -m -- "$1")
  while [ "$above" != / ]; do
    [ "$(stat -c %u -- "$above" 2>/dev/null)" = 0 ] || return 1
    above=$(dirname -- "$above")
  done
}
# What there is of a file: its kind, where it leads if it is a link, at most 64 KiB of it, written so that it can be read back, and
# `gone` where a link leads nowhere. Root opens nothing that another user may have put there.
file() {
  local reader=(timeout 5) text gone=''
  [ -e "$2" ] || [ -L "$2" ] || return 0
  [ -e "$2" ] || gone=gone
  is_of_root "$2" || reader=(runuser -u nobody -- timeout 5)
  text=$("${reader[@]}" head -c 65536 -- "$2" 2>/dev/null | tr -d '\0' && printf x)
  text=${text%x}
  text=${text//\\/\\\\}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  printf 'file\t%s\t%s\t%s\t%s\n' "$1" "$(readlink -- "$2")" "${text//$'\n'/\\n}" "$gone"
}
