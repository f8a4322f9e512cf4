# Keeps the rendered compose files of a release, 0600: they hold values of the env file. Then makes sure of the folders that
# outlive releases. $2 is the release that serves, then come pairs: a path of the app's folder, and where a container has it
# from now. Standard input: per file its name, its size in bytes, then the bytes.
release=$1 live=$2
shift 2
cd "$folder/meta/$release" || fail "release $release is not on this host"
new=''
trap 'rm -f "$new"' EXIT
while read -r name size; do
  new=.$name.new
  (umask 077 && head -c "$size" >"$new")
  [ "$(stat -c %s "$new")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
  mv -T "$new" "$name"
done

# Files below the folder $2 of release $1 that did not come with it: what something has written there.
written_in() {
  (cd "$folder/releases/$1" 2>/dev/null && find "./$2" -xdev \( -type f -o -type l \) ! -name '*.pyc' ! -path ./.env -print0 2>/dev/null) |
    sed -z 's|^\./||; s|^\./||' | LC_ALL=C sort -z |
    LC_ALL=C comm -z -23 - <({ sed -z 's|^.\{66\}||' "$folder/meta/$1/sums" && sed -zn 'p;n' "$folder/meta/$1/links"; } 2>/dev/null | LC_ALL=C sort -z)
}
some() { head -z -n 3 | tr '\0' '\n' | cut -c1-120 | paste -s -d ' '; }

mkdir -p "$folder/shared"
while [ $# -gt 0 ]; do
  path=$1 found=$2
  shift 2
  place=$folder/shared/$path
  # Data in a release's folder would go with the release.
  [ -z "$found" ] || found=$(readlink -m -- "$found")
  if [[ $found == "$folder"/releases/* ]]; then
    inside=${found#"$folder"/releases/}
    if [ -n "$(written_in "${inside%%/*}" "${inside#*/}" | head -c 1)" ]; then
      fail "data of \`$path\` lies in a release's folder, $found ($(written_in "${inside%%/*}" "${inside#*/}" | some)), and from now on it lives in $place." \
        "While nothing writes to it: mv $found $place; then deploy again"
    fi
    found=''
  fi
  if [ -e "$place" ] || [ -L "$place" ]; then
    [ -z "$found" ] || [ "$found" = "$(readlink -m -- "$place")" ] ||
      fail "a container has \`$path\` mounted from $found, and $place is there too. Let one of them be the data: move it to $place, or let $place be a link to it (ln -s), then deploy again"
    continue
  fi
  mkdir -p "$(dirname "$place")"
  case $path in releases | releases/* | meta | meta/* | live | live/* | shared | shared/*) ;; *)
    # The folder may be one that compose was used in by hand.
    if [ -z "$found" ] && [ -e "$folder/$path" ]; then found=$folder/$path; fi
    ;;
  esac
  if [ -n "$found" ]; then
    ln -s -- "$found" "$place"
    echo "data: \`$path\` is used where it lies, $found; $place leads there"
  else
    mkdir "$place"
    echo "data: \`$path\` is not in the commit, so it lives in $place, for every release"
  fi
done
# What the app writes beside its code is not in the next release's folder.
if [ -n "$live" ] && [ "$live" != "$release" ]; then
  written=$(written_in "$live" . | grep -zv '^__pycache__/\|/__pycache__/\|^\.' | some) || true
  [ -z "$written" ] || echo "warning: the release that serves has files in its folder that did not come with it, and the next one has a folder of its own: $written. What is data, name in \`shared\` ([project] in deploy.toml)"
fi
