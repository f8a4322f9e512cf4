# Keeps the rendered compose files of a release, 0600: they hold values of the env file. Standard input: per file its
# name, its size in bytes, then the bytes.
release=$1
cd "$folder/releases/$release" || fail "release $release is not on this host"
umask 077
new=''
trap 'rm -f "$new"' EXIT
while read -r name size; do
  new=.$name.new
  head -c "$size" >"$new"
  [ "$(stat -c %s "$new")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
  mv -T "$new" "$name"
done
