# Gives those files of a release that are no longer as they were shipped: changed, gone, or in a folder that a link has taken the
# place of. Checked is against what was kept of it where no container has it mounted.
changed_files() {
  local kept=$folder/meta/$1 there changed path to
  cd "$folder/releases/$1" && [ -r "$kept/sums" ] || fail "release $1 is not on this host, or not whole"
  # Paths are after the sum and two blanks. The `.env` is the environment's.
  paths() { sed -z 's|^.\{66\}||' "$kept/sums" | grep -zvxF .env | LC_ALL=C sort -z; }
  # A file that is reached through a link in its folder's place may be another one tomorrow; this lists none of those.
  there=$(find . -xdev -type f -print0 | sed -z 's|^\./||' | LC_ALL=C sort -z | LC_ALL=C comm -z -13 - <(paths) | tr '\0' '\n')
  changed=$(
    paths | sed -z 's|^|./|' | xargs -0 -r sha256sum -z -- 2>/dev/null | sed -z 's|^\(.\{66\}\)\./|\1|' | LC_ALL=C sort -z |
      LC_ALL=C comm -z -13 - <(grep -zv '^.\{66\}\.env$' "$kept/sums" | LC_ALL=C sort -z) | cut -z -c67- | tr '\0' '\n'
  ) || true
  changed+=${there:+${changed:+$'\n'}$there}
  while IFS= read -r -d '' path && IFS= read -r -d '' to; do
    [ "$(readlink "./$path" && printf x)" = "$to"$'\n'x ] || changed+=${changed:+$'\n'}$path
  done <"$kept/links"
  printf '%s' "$changed"
}
# Ends with 75, and which they are, where there are some.
refuse_changed_files() {
  local changed
  changed=$(changed_files "$1")
  [ -z "$changed" ] || {
    printf '%s\n' "$changed" | head -n 10 | cut -c1-200 >&2
    exit 75
  }
}
