# Lets nobody reach a version that is held any more.
[ -d "$folder/$routes_folder" ] || exit 0
rm -f "$folder/$routes_folder"/{blue,green}-*
sync "$folder/$routes_folder"
