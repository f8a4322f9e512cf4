# Makes the tool's own nginx run with the given configuration and the live slot it has. Standard input: per file its
# name, its size, its bytes.
switching=$1 live=$2
prefix=$folder/nginx
mkdir -p "$prefix/temp" "$prefix/logs" "$folder/live"
command -v nginx >/dev/null || fail "nginx is not installed; run scripts/bootstrap"
changed=no
new=''
trap 'rm -f "$new"' EXIT
# Of a run that has written files, and was killed before nginx knew of them.
unread=$prefix/unread
[ ! -e "$unread" ] || changed=yes
written=()
while read -r name size; do
  file=$prefix/$name
  case $name in live/*) file=$folder/$name ;; esac
  new=$file.new
  head -c "$size" >"$new"
  if cmp -s "$new" "$file"; then
    rm -f "$new"
  else
    changed=yes
    : >"$unread"
    rm -f "$file.before"
    [ ! -e "$file" ] || cp -p "$file" "$file.before"
    written+=("$file")
    mv -T "$new" "$file"
  fi
done
# Where the mode has just changed, the flag does not know the live slot yet.
if [ "$switching" = instant ]; then
  if [ "$live" = green ]; then : >>"$folder/$flag_file"; else rm -f "$folder/$flag_file"; fi
fi
nginx=(nginx -p "$prefix/" -c "$prefix/nginx.conf")
# Started by root, its workers must be root too, or they could not look into a private folder for the flag.
if [ "$(id -u)" = 0 ]; then nginx+=(-g "user root;"); fi
# A number alone may be another process's since the machine was restarted, the system's nginx for one.
is_ours() {
  [ "$(cat "/proc/$1/comm" 2>/dev/null)" = nginx ] && grep -qsaF "nginx: master process nginx -p $prefix/ " "/proc/$1/cmdline"
}
pid=$(cat "$prefix/nginx.pid" 2>/dev/null || true)
# It runs with all of this already.
if [ $changed = no ] && is_ours "$pid"; then exit 0; fi
problem=$("${nginx[@]}" -t 2>&1) || {
  # What nginx has read stays what it would read again.
  for file in ${written[@]+"${written[@]}"}; do
    if [ -e "$file.before" ]; then mv -T "$file.before" "$file"; else rm -f "$file"; fi
  done
  rm -f "$unread"
  fail "nginx refuses its configuration:" "$problem"
}
for file in ${written[@]+"${written[@]}"}; do rm -f "$file.before"; done
if ! is_ours "$pid"; then
  # Where the folder was emptied, by `git clean` for one, it runs on and only its pid file is gone.
  while IFS=/ read -r _ _ process _; do
    if is_ours "$process"; then pid=$process changed=yes; fi
  done < <(grep -lsaF "nginx: master process nginx -p $prefix/ " /proc/[0-9]*/cmdline)
  if is_ours "$pid"; then printf '%s\n' "$pid" >"$prefix/nginx.pid"; fi
fi
if is_ours "$pid"; then
  if [ $changed = yes ]; then "${nginx[@]}" -s reload; fi
else
  setsid "${nginx[@]}" </dev/null >/dev/null 2>"$prefix/logs/start.log" 9>&- || fail "nginx does not start:" \
    "$(awk '!seen[$0]++' "$prefix/logs/start.log")"$'\n'"Where an address is in use, ss -ltnp shows by whom; other ports are chosen in deploy.toml (url, live_port)"
fi
rm -f "$unread"
