# Raises the share of all clients that a slot has, evenly over so many seconds, to all but a hundredth. The switch itself gives it the rest.
slot=$1 seconds=$2
mkdir -p "$folder/$routes_folder"
chmod 0711 "$folder/$routes_folder"
# Nothing ever comes through it: to wait for that is a pause that starts no program.
exec {never}<> <(:)
for ((number = 0; number < 99; number++)); do
  : >"$folder/$routes_folder/$slot-share-$number"
  pause=$((seconds * 10000 / 99))
  read -r -t "$((pause / 10000)).$(printf %04d $((pause % 10000)))" -u "$never" _ || true
done
