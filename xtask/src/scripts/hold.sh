# Lets who carries a secret (32 hexadecimal digits, on standard input) reach a version that is held in a slot; nginx sees it at the next request. Who
# carried that of an earlier one reaches it no more.
slot=$1
IFS= read -r -N 32 secret || true
case $secret in *[!0-9a-f]* | '') fail "a secret is 32 hexadecimal digits" ;; esac
[ ${#secret} = 32 ] || fail "a secret is 32 hexadecimal digits"
# nginx has to find a file whose name it knows, and nobody else shall see which there are.
mkdir -p "$folder/$routes_folder"
chmod 0711 "$folder/$routes_folder"
: >"$folder/$routes_folder/$slot-$secret"
for route in "$folder/$routes_folder"/{blue,green}-*; do
  [ "$route" = "$folder/$routes_folder/$slot-$secret" ] || rm -f "$route"
done
sync "$folder/$routes_folder"
