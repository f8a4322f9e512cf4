# Raises the share of all clients that a slot has, evenly over so many seconds, to all but a hundredth. The switch itself gives it the rest. What follows are the
# slot's ports: where one takes no connection any more, all clients go back at once.
slot=$1 seconds=$2
shift 2
mkdir -p "$folder/$routes_folder"
chmod 0711 "$folder/$routes_folder"
# Nothing ever comes through it: to wait for that is a pause that starts no program.
exec {never}<> <(:)
accepts() {
  local port
  for port; do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return; done
}
for ((number = 0; number < 99; number++)); do
  accepts "$@" || {
    rm -f "$folder/$routes_folder/$slot-share-"*
    fail "the new version takes no connections any more; its clients were led back"
  }
  : >"$folder/$routes_folder/$slot-share-$number"
  pause=$((seconds * 10000 / 99))
  # Longer pauses in parts, so that a version that ends is seen soon.
  while [ $pause -gt 0 ]; do
    part=$((pause < 5000 ? pause : 5000)) pause=$((pause - part))
    read -r -t "$((part / 10000)).$(printf %04d $((part % 10000)))" -u "$never" _ || true
    [ $pause -le 0 ] || accepts "$@" || break
  done
done
