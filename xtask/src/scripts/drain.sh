# Waits until no connection to a slot's port is left. nginx opens one per request and keeps none, so what is there is a
# request or a websocket in flight. Prints how many are left when the limit (seconds) ends the wait.
port=$1 limit=$2
remote=$(printf '0100007F:%04X' "$port")
established() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v remote="$remote" '$4 == "01" && substr($3, length($3) - 12) == remote { n++ } END { print n + 0 }'; }
deadline=$((SECONDS + limit))
quiet=0
while :; do
  left=$(established)
  if [ "$left" = 0 ]; then quiet=$((quiet + 1)); else quiet=0; fi
  [ $quiet -lt 3 ] || break
  if [ "$SECONDS" -ge "$deadline" ] && [ "$left" != 0 ]; then
    echo "$left connections are still open after $limit s and end with the slot"
    break
  fi
  sleep 0.02
done
