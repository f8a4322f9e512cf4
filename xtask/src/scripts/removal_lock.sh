# Nothing of a deploy is at work beside it.
if [ -e "$folder/$lock_file" ]; then
  exec 8<"$folder/$lock_file"
  flock -w 5 8 || fail "a deploy is at work; run this again when it has ended"
fi
