# Moves the traffic: the flag file is the router, its presence is the green slot. nginx sees it at the next request.
slot=$1
[ -d "$folder/live" ] || mkdir -p "$folder/live"
case $slot in
  green) : >>"$folder/$flag_file" ;;
  blue) rm -f "$folder/$flag_file" ;;
  *) fail "no slot is called $slot" ;;
esac
sync "$folder/live" # it must survive a power cut, or a stopped slot would be live after it
