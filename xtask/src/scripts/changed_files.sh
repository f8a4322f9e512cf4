# Gives those files of a release that are no longer as they were shipped: changed, gone, or in a folder that a link has taken the
# place of. Checked is against what was kept of it where no container has it mounted. The release's `.env` is put back as it was.
changed_files() {
  local release=$1 kept=$folder/meta/$1 gone changed path to
  if ! cd "$folder/releases/$release" || [ ! -r "$kept/sums" ]; then fail "release $release is not on this host, or not whole"; fi
  if [ -L .env ] || [ ! -f .env ] || ! cmp -s .env "$kept/env"; then
    # A rename goes through no link that a container has put there.
    install -m 0644 "$kept/env" "$kept/.env.new"
    mv -T "$kept/.env.new" .env
  fi
  # Paths are after the sum and two blanks; they may be of any bytes. The `.env` is the environment's.
  paths() { sed -z 's|^.\{66\}||' "$kept/sums" | LC_ALL=C grep -azvxF .env | LC_ALL=C sort -z; }
  # What is reached through a link in its folder's place, or is no file any more, is in none of these.
  regular() { (find . -xdev -type f -print0 | sed -z 's|^\./||' | LC_ALL=C sort -z) 2>/dev/null; }
  gone=$(LC_ALL=C comm -z -13 <(regular) <(paths) | tr '\0' '\n')
  changed=$(
    LC_ALL=C comm -z -12 <(regular) <(paths) | sed -z 's|^|./|' | xargs -0 -r sha256sum -z -- 2>/dev/null | sed -z 's|^\(.\{66\}\)\./|\1|' |
      LC_ALL=C sort -z | LC_ALL=C comm -z -13 - <(LC_ALL=C grep -azv '^.\{66\}\.env$' "$kept/sums" | LC_ALL=C sort -z) | cut -z -c67- |
      LC_ALL=C sort -z | LC_ALL=C comm -z -12 - <(regular) | tr '\0' '\n'
  ) || true
  changed+=${gone:+${changed:+$'\n'}$gone}
  while IFS= read -r -d '' path && IFS= read -r -d '' to; do
    [ "$(readlink "./$path" && printf x)" = "$to"$'\n'x ] || changed+=${changed:+$'\n'}$path
  done <"$kept/links"
  printf '%s' "$changed"
}
# Those that something has put among them since, and that an interpreter would find by their names. What an app has written
# otherwise is its own. Compiled forms that may stand for a source are made anew.
added_code() {
  local kept=$folder/meta/$1
  cd "$folder/releases/$1"
  find . -xdev -path '*/__pycache__/*' -name '*.pyc' -delete 2>/dev/null || true
  (find . -xdev \( -type f -o -type l \) ! -path '*/__pycache__/*' -print0 | sed -z 's|^\./||' | LC_ALL=C sort -z) 2>/dev/null |
    LC_ALL=C comm -z -23 - <({ sed -z 's|^.\{66\}||' "$kept/sums" && sed -zn 'p;n' "$kept/links"; } | LC_ALL=C sort -z) |
    grep -azE '\.(py|pyc|pyd|pth|so|js|mjs|cjs|ts|rb|php|pl|pm|sh|jar|class|beam|exs?|lua)$|(^|/)\.env\.' | tr '\0' '\n'
}
# Ends with $files_not_as_shipped, and which they are, where there are some.
refuse_changed_files() {
  local changed added
  changed=$(changed_files "$1")
  added=$(added_code "$1") || true
  changed+=${added:+${changed:+$'\n'}${added//$'\n'/ (added)$'\n'} (added)}
  [ -z "$changed" ] || {
    head -n 10 <<<"$changed" | cut -c1-200 >&2
    exit "$files_not_as_shipped"
  }
}
