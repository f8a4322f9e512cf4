# What compose would start the app without, of what it said ($1): the variables that stand in no file that is named (the rest), so in one
# that those include. Of the files that are named it was found out before. From the folder of the files.
unset_in_included_files() {
  local said=$1 name variable unset=''
  shift
  while IFS= read -r name; do
    variable="\\\$[{]?$name\\b"
    if grep -rqsE --include='*.yml' --include='*.yaml' "$variable" . && { [ $# = 0 ] || ! grep -qsE "$variable" "$@"; }; then unset+=" $name"; fi
  done < <(grep -oE '[A-Za-z_][A-Za-z_0-9]*\\?"? variable is not set' <<<"$said" | grep -oE '^[A-Za-z_0-9]+' | sort -u)
  [ -z "$unset" ] || printf '%s' "files that the compose file includes or extends name variables that the \`.env\` does not set:$unset; set them, or write \`\${NAME:-}\` where nothing is meant"
}

