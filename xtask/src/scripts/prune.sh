# Removes releases: of each what came with it and what follows from that, its images, and what the tool kept of it. What
# something else has written into its folder is no release's, and is moved to leftovers/. One that cannot be removed does not
# stop the others. Nothing is reached through a link. The second argument is how much of the build cache may stay, or nothing.
image=$1 cache=$2
shift 2
releases=$folder/releases
problems=()

# Reads paths apart by NUL, removes those files below $1. What a container wrote as another user is removed by a container.
remove_files() {
  local list
  list=$(mktemp)
  cat >"$list"
  if ! (cd "$1" && xargs -0 -r -a "$list" rm -f --) 2>/dev/null && docker image inspect "$image" >/dev/null 2>&1; then
    docker run --rm -i --user 0 --network none --entrypoint xargs -v "$1:/release" -w /release "$image" -0 -r rm -f -- <"$list" >/dev/null 2>&1 || true
  fi
  rm -f "$list"
}
# What lies below $1, and nothing that is reached through a link.
lying_in() { (cd "$1" && find . -xdev \( -type f -o -type l \) -print0 2>/dev/null) | sed -z 's|^\./||' | LC_ALL=C sort -z; }
# What came with the release whose files are kept in $1, and its `.env`.
came_with() {
  sed -z 's|^.\{66\}||' "$1/sums"
  sed -zn 'p;n' "$1/links"
  printf '.env\0'
}
# Of what lies in the release's folder $1, what is as it came; a file that the app has changed is data.
as_it_came() {
  (cd "$1" && LC_ALL=C comm -z -12 <(lying_in .) <(sed -z 's|^.\{66\}||' "$2/sums" | LC_ALL=C sort -z) | sed -z 's|^|./|' |
    xargs -0 -r sha256sum -z -- 2>/dev/null | sed -z 's|^\(.\{66\}\)\./|\1|' | LC_ALL=C sort -z |
    LC_ALL=C comm -z -12 - <(LC_ALL=C sort -z "$2/sums") | sed -z 's|^.\{66\}||') || true # what cannot be read is not as it came
  LC_ALL=C comm -z -12 <(lying_in "$1") <({ sed -zn 'p;n' "$2/links" && printf '.env\0'; } | LC_ALL=C sort -z)
}
# Python's compiled forms of files that came with it.
compiled() {
  local path name
  local -A came=()
  while IFS= read -r -d '' path; do came[$path]=yes; done < <(came_with "$2")
  while IFS= read -r -d '' path; do
    name=${path##*/}
    case $path in
      __pycache__/*.pyc | */__pycache__/*.pyc) [ -z "${came[${path%__pycache__/*}${name%%.*}.py]-}" ] || printf '%s\0' "$path" ;;
    esac
  done < <(lying_in "$1")
}

prune() {
  local release=$1 place=$releases/.pruned-$1 kept=$folder/meta/$1 images left kept_at number digest there
  # Of an earlier run, and gone already.
  if [ ! -e "$releases/$release" ] && [ ! -e "$place" ] && [ ! -r "$kept/sums" ]; then return; fi
  [ -r "$kept/sums" ] || {
    problems+=("release $release is of an earlier version of this tool, which did not keep what came with it; remove $releases/$release by hand")
    return
  }
  if [ -d "$releases/$release" ]; then
    if mounted "$releases/$release"; then return; fi
    mv -T "$releases/$release" "$place" || {
      problems+=("release $release could not be renamed to be removed")
      return
    }
  fi
  images=$(sed 's/$/:'"$release"'/' "$kept/images" 2>/dev/null) || images=''
  if [ -d "$place" ]; then
    as_it_came "$place" "$kept" | remove_files "$place" || true # what is left is found below
    compiled "$place" "$kept" | remove_files "$place" || true
    find "$place" -xdev -depth -type d -empty -delete 2>/dev/null || true
    if [ -d "$place" ]; then
      left=$(lying_in "$place" | head -z -n 3 | tr '\0' '\n' | cut -c1-120 | paste -s -d ' ') || true
      kept_at=$folder/leftovers/$release number=1
      while [ -e "$kept_at" ]; do kept_at=$folder/leftovers/$release-$((number += 1)); done
      # Where a container has taken the folder for another user, it cannot be moved.
      if ! { mkdir -p "$folder/leftovers" && chmod 0700 "$folder/leftovers" && mv -T "$place" "$kept_at"; } 2>/dev/null; then
        problems+=("something has written into the folder of release $release what did not come with it ($left), and taken the folder for another user; it lies in $place. Look, and remove it by hand")
        return
      fi
      problems+=("something has written into the folder of release $release what did not come with it ($left); it lies in $kept_at now. Look, and remove it by hand; what is data belongs in \`shared\` ([project] in deploy.toml)")
    fi
  fi
  # shellcheck disable=SC2086 # a list of names
  [ -z "$images" ] || docker image rm $images >/dev/null 2>&1 || true # gone already, or in use by a container of somebody's
  # One that was pulled for it, and to which no other name leads any more.
  while IFS=$'\t' read -r _ _ digest there; do
    [ "$there" = there ] || [ "$(docker image inspect --format '{{len .RepoTags}}' "$digest" 2>/dev/null)" != 0 ] || docker image rm "$digest" >/dev/null 2>&1 || true
  done < <(cat "$kept/pulled" 2>/dev/null)
  rm -rf "$kept"
}

# Whether a container has a folder, or something in it, mounted: asked now, and by where it really is. Our own that has been
# stopped is made anew where it is needed.
containers=$(docker ps -a --no-trunc --format '{{.ID}} {{.State}} {{.Label "'"$label_folder"'"}}' | while read -r id state of; do
  [ "$state" = exited ] && [ "$of" = "$folder" ] || printf '%s\n' "$id"
done)
sources() { printf '%s' "$containers" | xargs -r docker inspect --format '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}'; }
# One of them may have gone meanwhile; what is asked a second time must be answered.
mounts=$(sources 2>/dev/null) || { containers=$(docker ps -aq --no-trunc) && mounts=$(sources); }
mounts=$(sort -u <<<"$mounts" | while IFS= read -r source; do [ -z "$source" ] || readlink -m -- "$source"; done)
mounted() {
  local place source
  place=$(readlink -m -- "$1")
  while IFS= read -r source; do
    case $source/ in "$place"/*) return 0 ;; esac
  done <<<"$mounts"
  return 1
}

# Those first that an earlier run did not come to an end with.
for place in "$releases"/.pruned-*; do
  [ ! -d "$place" ] || prune "${place#"$releases/.pruned-"}"
done
for release; do prune "$release"; done
for place in "$folder"/meta/[0-9]*; do
  release=${place##*/}
  if [ ! -e "$releases/$release" ] && [ ! -e "$releases/.pruned-$release" ]; then rm -rf "$place"; fi
done
cut_build_cache "$cache"
[ ${#problems[@]} -eq 0 ] || fail "$(printf '%s\n' "${problems[@]}")"
