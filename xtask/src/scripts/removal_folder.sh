# Removes what the tool has written into the environment's folder beside releases. What something else has put there stays.
exec 8<"$folder/$lock_file"
flock -n 8 || fail "a deploy is at work; run this again when it has ended"
for place in "$folder"/releases/[0-9]* "$folder"/releases/.pruned-*; do
  [ ! -e "$place" ] || fail "the release in $place could not be removed, so what is kept of it stays too: look at what is said above"
done
rm -f -- "$folder/$flag_file" "$folder/$live_upstream_file" "$folder/$record_file"
# Links to files of releases, and what was made of an image for nginx.
[ -L "$folder/$static_folder" ] || rm -rf -- "${folder:?}/$static_folder"
[ -L "$folder/meta" ] || rm -rf -- "${folder:?}/meta"
for place in releases live leftovers shared; do
  [ ! -d "$folder/$place" ] || rmdir --ignore-fail-on-non-empty -- "$folder/$place"
done
rm -f -- "$folder/$lock_file"
