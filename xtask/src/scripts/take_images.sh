# Gives a release the images of another one, where what builds them is the same: nothing of it came from the `.env`. What does not come to be here is built.
release=$1 from=$2
kept=$folder/meta/$release before=$folder/meta/$from
if [ -e "$before/$build_file" ] && ! cmp -s <(sed "s/$from/$release/g" "$before/$build_file") "$kept/$build_file"; then
  echo "the build depends on the env file, so the images are built anew"
  exit 0
fi
while IFS= read -r repository; do
  [ -z "$repository" ] || ! docker image inspect "$repository:$from" >/dev/null 2>&1 || docker tag "$repository:$from" "$repository:$release"
done < <(cat "$before/images" 2>/dev/null)
[ ! -e "$before/pulled" ] || cp "$before/pulled" "$kept/pulled"
