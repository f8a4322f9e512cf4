# Removes what the tool has written into the environment's folder beside releases. What something else has put there stays. The
# arguments are the releases that are to be gone.
for release; do
  if [ -e "$folder/releases/$release" ] || [ -e "$folder/releases/.pruned-$release" ]; then
    fail "the release $release could not be removed, so what is kept of it stays too. It was told above why; if nothing was, a container has its folder mounted (docker ps -a): remove that one, and run this again"
  fi
done
# What never became a release, of a run that was killed.
if [ -d "$folder/releases" ]; then rm -rf -- "$folder"/releases/.incoming-* "$folder"/releases/.unpacked-* "$folder"/releases/.build-*; fi
rm -f -- "$folder/$flag_file" "$folder/$live_upstream_file" "$folder/$record_file"
# Links to files of releases, and what was made of an image for nginx.
[ -L "$folder/$static_folder" ] || rm -rf -- "${folder:?}/$static_folder"
for place in "$routes_folder" "$maintenance_folder"; do [ -L "$folder/$place" ] || rm -rf -- "${folder:?}/$place"; done
rm -f -- "$folder/$count_file"*
[ -L "$folder/meta" ] || rm -rf -- "${folder:?}/meta"
# Folders for data that nobody has put any into.
[ ! -d "$folder/shared" ] || [ -L "$folder/shared" ] || find "$folder/shared" -xdev -depth -mindepth 1 -type d -empty -delete 2>/dev/null || true # those of a container stay
for place in releases live leftovers shared; do
  [ ! -d "$folder/$place" ] || [ -L "$folder/$place" ] || rmdir --ignore-fail-on-non-empty -- "$folder/$place"
done
rm -f -- "$folder/$lock_file"
# Where the folder above is the user's too; else root does it.
rmdir -- "$folder" 2>/dev/null || true
