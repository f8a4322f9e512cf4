# Makes the upstream file say what nginx obeys, where a run was killed between the file and the reload. No reload: it
# would change nothing now, and from now on somebody else's reload changes nothing either. Standard input: the file.
upstream_file=$1
target=$(readlink -f "$upstream_file")
trap 'rm -f "$target.new"' EXIT
cat >"$target.new"
sync "$target.new"
mv -T "$target.new" "$target"
