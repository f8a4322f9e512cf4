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
# A file as a field: what is no text of one line is written so that it can be read back.
content() {
  local text=''
  { IFS= read -r -N 65536 text <"$1"; } 2>/dev/null
  text=${text//\\/\\\\}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  printf '%s' "${text//$'\n'/\\n}"
}
# What there is of a file: the link's target, where it is one, and the content.
file() { [ ! -e "$2" ] && [ ! -L "$2" ] || printf 'file\t%s\t%s\t%s\n' "$1" "$(readlink -- "$2")" "$(content "$2")"; }
