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
# What there is of a file: its kind, where it leads if it is a link, and at most 64 KiB of it, written so that it can be read back.
# Where a link leads was chosen by whoever made it, so root does not open that.
file() {
  local reader=(timeout 5) text
  [ -e "$2" ] || [ -L "$2" ] || return 0
  [ ! -L "$2" ] || reader=(runuser -u nobody -- timeout 5)
  text=$("${reader[@]}" head -c 65536 -- "$2" 2>/dev/null | tr -d '\0' && printf x)
  text=${text%x}
  text=${text//\\/\\\\}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  printf 'file\t%s\t%s\t%s\n' "$1" "$(readlink -- "$2")" "${text//$'\n'/\\n}"
}
