# Turns the archive that was copied to releases/ into a release: verified, unpacked beside its place, then renamed there, so
# a release is complete or not there at all. Standard input: per file its name, its size in bytes, then the bytes. First, where
# the archive has only what is new, what is copied from the release $4: paths, sums, and which of them are programs. Then what
# the tool keeps of the release where no container has it mounted, the `.env` among it.
release=$1 archive_sum=$2 strip=$3 earlier=$4
releases=$folder/releases meta=$folder/meta
archive=$releases/.incoming-$release.tar.gz
unpacked=$releases/.unpacked-$release
kept=$meta/.new-$release
# Where it is ended before this line, or killed, what it leaves goes at the end of the run.
trap 'rm -rf "$unpacked" "$kept" "$archive"' EXIT
if [ -d "$releases/$release" ] && [ -e "$meta/$release/$manifest_file" ]; then exit 0; fi
# A folder of that name that the tool did not complete is not its own.
[ ! -e "$releases/$release" ] || fail "$releases/$release is there, and nothing is known of it; move it away"
printf '%s  %s\n' "$archive_sum" "$archive" | sha256sum -c --quiet - ||
  fail "the archive did not arrive as it was sent; is the disk full? ($(df -Ph "$releases" | awk 'NR == 2 { print $4 }') free)"
rm -rf "$unpacked" "$kept"
mkdir "$unpacked"
mkdir -m 0700 "$kept"
tar -xzf "$archive" -C "$unpacked" --strip-components="$strip" --no-same-owner --no-same-permissions
while read -r name size; do
  (umask 077 && head -c "$size" >"$kept/$name")
  [ "$(stat -c %s "$kept/$name")" = "$size" ] || fail "$name did not arrive whole; is the disk full?"
done
if [ -n "$earlier" ]; then
  # A container may have had these files and links in its hands: what counts is what the copies are.
  if ! (cd "$releases/$earlier" && xargs -0 -a "$kept/same" cp -dR --parents --preserve=timestamps --reflink=auto -t "$unpacked") 2>/dev/null; then
    exit "$files_not_as_shipped"
  fi
  cd "$unpacked"
  # shellcheck disable=SC2016 # for the sh that reads it
  strange=$(xargs -0 -a "$kept/same" sh -c 'exec find "$@" -maxdepth 0 ! -type f' find 2>&1) || exit "$files_not_as_shipped"
  [ -z "$strange" ] || exit "$files_not_as_shipped"
  sed -z 's|^\./||' "$kept/same" | xargs -0 sha256sum -z -- 2>/dev/null | cmp -s - "$kept/same-sums" || exit "$files_not_as_shipped"
  xargs -0 -a "$kept/same" chmod 0644 --
  xargs -0 -r -a "$kept/same-programs" chmod 0755 --
  rm -f "$kept"/same*
fi
# Containers of any user read it through their mount; the folder above is closed to all other users of this host.
chmod 0700 "$releases" "$meta"
rm -rf "${unpacked:?}/.env"
install -m 0644 "$kept/env" "$unpacked/.env"
[ ! -e "$kept/$secret_files" ] || place_secret_files "$kept/$secret_files" "$unpacked" ||
  fail "the files of the environment could not be put into the release; is the disk full?"
sync "$unpacked/.env" "$kept"/*
rm -rf "${meta:?}/$release"
mv -T "$kept" "$meta/$release"
mv -T "$unpacked" "$releases/$release"
