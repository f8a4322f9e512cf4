# Keeps the rendered compose files of a release, 0600: they hold values of the env file. Then makes sure of the folders that
# outlive releases. $2 is the release that serves, then come threes: a path of the app's folder, where a container has it
# from now, and `folder` or `file`. Standard input: per file its name, its size in bytes, then the bytes.
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

# What lies below the path $2 of release $1 and did not come with it so: what something has written there, or keeps to itself.
written_in() {
  local kept=$folder/meta/$1 below=$2
  cd "$folder/releases/$1" 2>/dev/null || return 0
  [ -e "$below" ] || return 0
  find "./$below" -xdev -type d ! \( -readable -executable \) -print0 2>/dev/null | sed -z 's|^\./||'
  find "./$below" -xdev \( -type f -o -type l \) ! -name '*.pyc' ! -path ./.env -print0 2>/dev/null |
    sed -z 's|^\./||; s|^\./||' | LC_ALL=C sort -z |
    LC_ALL=C comm -z -23 - <({ sed -z 's|^.\{66\}||' "$kept/sums" && sed -zn 'p;n' "$kept/links"; } 2>/dev/null | LC_ALL=C sort -z)
  # A committed file that the app has changed is data too.
  # shellcheck disable=SC2001 # a pattern of letters
  [ "$below" = . ] || [ ! -r "$kept/sums" ] || {
    sed -z 's|^.\{66\}||' "$kept/sums" | LC_ALL=C grep -az -e "^$(sed 's/[][\.*^$]/\\&/g' <<<"$below")\(/\|$\)" | sed -z 's|^|./|' |
      xargs -0 -r sha256sum -z -- 2>/dev/null | sed -z 's|^\(.\{66\}\)\./|\1|' | LC_ALL=C sort -z |
      LC_ALL=C comm -z -23 - <(LC_ALL=C sort -z "$kept/sums") | sed -z 's|^.\{66\}||'
  } || true
}
some() { head -z -n 3 | tr '\0' '\n' | cut -c1-120 | paste -s -d ' '; }
something() { written_in "$@" | head -c 1 | wc -c; }
in_the_way() {
  fail "data of \`$1\` lies in a release's folder, $2 ($(written_in "$3" "$4" | some)), and from now on it lives in $folder/shared/$1." \
    "While nothing writes to it: mv $2 $folder/shared/$1; then deploy again"
}

# Below a folder that is closed to this user, something may well be.
is_gone() {
  local above=$1
  [ ! -e "$1" ] || return 1
  while [ ! -d "$above" ]; do above=$(dirname "$above"); done
  [ -x "$above" ]
}

mkdir -p "$folder/shared"
while [ $# -gt 0 ]; do
  path=$1 found=$2 kind=$3
  shift 3
  place=$folder/shared/$path
  [ -z "$found" ] || found=$(readlink -m -- "$found")
  # Data in a release's folder would go with the release.
  if [[ $found == "$folder"/releases/* ]]; then
    inside=${found#"$folder"/releases/}
    [ "$(something "${inside%%/*}" "${inside#*/}")" = 0 ] || in_the_way "$path" "$found" "${inside%%/*}" "${inside#*/}"
    found=''
  fi
  if [ -n "$found" ] && is_gone "$found"; then found=''; fi
  # An empty folder in the place of a file is docker's.
  [ "$kind" != file ] || rmdir "$place" 2>/dev/null || true
  if [ -e "$place" ] || [ -L "$place" ]; then
    [ -z "$found" ] || [ "$found" = "$(readlink -m -- "$place")" ] ||
      fail "a container has \`$path\` mounted from $found, and $place is there too. Let one of them be the data: move it to $place, or let $place be a link to it (ln -s), then deploy again"
    continue
  fi
  if [ -z "$found" ] && [ -n "$live" ] && [ "$(something "$live" "$path")" != 0 ]; then
    in_the_way "$path" "$folder/releases/$live/$path" "$live" "$path"
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
  elif [ "$kind" = file ]; then
    fail "the file \`$path\` (\`secrets\` or \`configs\` in the compose file) is not in the commit and not on this host: put it at $place, which outlives releases"
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
