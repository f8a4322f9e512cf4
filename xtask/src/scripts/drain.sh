# Waits until no connection to the ports of a slot, the last arguments, is left. nginx opens one per request and keeps none, so what is there is a
# request or a websocket in flight. Prints how many are left when the limit (seconds) ends the wait.
limit=$1
shift
# Lines of the kernel's table: the other side, here the slot, then the state, 01 for established (kernel: proc_net_tcp.rst).
established=()
for port; do established+=(-e "$(printf '0100007F:%04X 01 ' "$port")"); done
tables=(/proc/net/tcp)
[ ! -e /proc/net/tcp6 ] || tables+=(/proc/net/tcp6)
# The kernel tells `ss` of those alone; its table of files has all connections, also those that have ended, and takes tens of milliseconds to read on a
# busy server.
ends=()
for port; do ends+=(${ends[@]+or} dport "=" ":$port"); done
are_left() {
  if [ -n "$ss" ] && left=$(ss -Htn state established dst 127.0.0.1 and "( ${ends[*]} )" 2>/dev/null); then
    [ -n "$left" ]
    return
  fi
  # One that cannot say it is not asked again; the table says the same.
  ss='' code=0
  grep -qF "${established[@]}" "${tables[@]}" || code=$?
  [ $code -lt 2 ] || fail "the table of connections cannot be read"
  [ $code = 0 ]
}
ss=$(command -v ss) || ss=''
# Nothing ever comes through it: to wait for that is a pause that starts no program.
exec {never}<> <(:)
deadline=$((SECONDS + limit))
quiet=0
while :; do
  if ! are_left; then
    quiet=$((quiet + 1))
    [ $quiet -lt 3 ] || break
  else
    quiet=0
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "$(cat "${tables[@]}" | grep -cF "${established[@]}") connections are still open after $limit s and end with the slot"
      break
    fi
  fi
  read -r -t 0.02 -u "$never" _ || true
done
