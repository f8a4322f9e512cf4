# Gives a slot that does not serve a share of all clients, in hundredths; nginx sees it at the next request. A client that is in one share is in each that is larger.
slot=$1 percent=$2 left=()
mkdir -p "$folder/$routes_folder"
chmod 0711 "$folder/$routes_folder"
for ((number = 0; number < 100; number++)); do
  route=$folder/$routes_folder/$slot-share-$number
  if [ "$number" -lt "$percent" ]; then : >"$route"; else left+=("$route"); fi
done
[ ${#left[@]} -eq 0 ] || rm -f "${left[@]}"
sync "$folder/$routes_folder"
