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
