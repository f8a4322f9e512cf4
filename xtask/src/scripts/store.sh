# Keeps the rendered compose files of a release, 0600: they hold values of the env file. Then makes sure of the folders that
# outlive releases. $2 is the release that serves, then come threes: a path of the app's folder, where a container has it
# from now, and what it is: `folder`, `file`, or `committed`. Standard input: per file its name, its size in bytes, then the bytes.
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
# Data in a release's folder would go with the release. It is copied, so that the release stays as it came, and what is in its
# new place already is not written over.
in_the_way() {
  local path=$1 from=$2 release=$3 below=$4 file left='' whole command
  while IFS= read -r -d '' file; do
    whole=$folder/shared/$path${file#"$below"}
    cmp -s "$folder/releases/$release/$file" "$whole" || left+=$file$'\n'
  done < <(written_in "$release" "$below")
  [ -n "$left" ] || return 0
  # Somebody will paste it, and a path may be of any letters.
  whole=$folder/shared/$path
  if [ -d "$from" ]; then
    printf -v command 'mkdir -p %q && cp -an %q %q' "$whole" "$from/." "$whole/"
  else
    printf -v command 'cp -an %q %q' "$from" "$whole"
  fi
  fail "data of \`$path\` lies in a release's folder, $from ($(head -n 3 <<<"${left%$'\n'}" | cut -c1-120 | paste -s -d ' ')), and must move to $folder/shared/$path." \
    "Stop what writes to it, then run (as root if $(id -un) may not): $command; then deploy again. Files that exist there with other content are not overwritten; choose the right one yourself"
}

# Below a folder that is closed to this user, something may well be.
is_gone() {
  local above=$1
  [ ! -e "$1" ] || return 1
  while [ ! -d "$above" ]; do above=$(dirname "$above"); done
  [ -x "$above" ]
}

# The folders in it can be written to by a container of any user; from other users of the host it is closed.
[ -e "$folder/shared" ] || mkdir -m 0700 "$folder/shared"
known=()
while [ $# -gt 0 ]; do
  path=$1 found=$2 kind=$3
  shift 3
  known+=("$path")
  place=$folder/shared/$path
  [ -z "$found" ] || found=$(readlink -m -- "$found")
  # A container that writes to one mount may have put a link into the way of another.
  real=$(readlink -m -- "$place")
  case $folder/ in "${real%/}"/*) real=$folder/meta ;; esac
  case $real/ in "$folder"/meta/* | "$folder"/live/* | "$folder"/releases/*)
    fail "$place leads to $(readlink -m -- "$place"), where a container could change what the tool keeps of releases; something has put a link there: find out what, and use another path for \`$path\` lie elsewhere"
    ;;
  esac
  if [ "$kind" = committed ]; then
    # What is mounted from the release hides what was mounted from here.
    if [ -e "$place" ] && ! { [ -d "$place" ] && [ -r "$place" ] && [ -z "$(ls -A "$place")" ]; }; then
      # The way back to a release that has served so stays open.
      [ -e "$folder/meta/$release/served" ] ||
        fail "\`$path\` comes with the release now, and data of it lies in $place, which the new version would not see any more. Take it out of the commit; or name it in \`shared\` ([project] in deploy.toml), so that $place is used as before; or, where nobody needs that data, move it away"
      echo "warning: this release has \`$path\` of its own, and does not see the data in $place"
    fi
    continue
  fi
  if [[ $found == "$folder"/releases/* ]]; then
    inside=${found#"$folder"/releases/}
    in_the_way "$path" "$found" "${inside%%/*}" "${inside#*/}"
    found=''
  fi
  if [ -n "$found" ] && is_gone "$found"; then found=''; fi
  if [ -z "$found" ] && [ -n "$live" ]; then in_the_way "$path" "$folder/releases/$live/$path" "$live" "$path"; fi
  # An empty folder in the place of a file is docker's.
  [ "$kind" != file ] || rmdir "$place" 2>/dev/null || true
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
  elif [ "$kind" = file ]; then
    fail "the file \`$path\` (\`secrets\` or \`configs\` in the compose file) is not in the commit and not on this host: put it at $place, which outlives releases"
  else
    mkdir -m 0777 "$place"
    chmod 0777 "$place"
    echo "data: \`$path\` is not in the commit, so it lives in $place, for every release"
  fi
done
# Data that was mounted once, and is not any more.
for place in "$folder"/shared/*; do
  [ -e "$place" ] || continue
  used=''
  for path in ${known[@]+"${known[@]}"}; do case $path/ in "${place##*/}"/*) used=yes ;; esac done
  [ -n "$used" ] || echo "warning: no service has $place mounted any more, whose data stays there"
done
# What the app writes beside its code is not in the next release's folder.
if [ -n "$live" ] && [ "$live" != "$release" ]; then
  written=$(written_in "$live" . | grep -zv '^__pycache__/\|/__pycache__/\|^\.' | some) || true
  [ -z "$written" ] || echo "warning: the release that serves has files in its folder that did not come with it, and the next one has a folder of its own: $written. What is data, name in \`shared\` ([project] in deploy.toml)"
fi
