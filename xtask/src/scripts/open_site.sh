# Opens the site again, for all.
rm -f "$folder/$maintenance_folder/on"
if [ -d "$folder/$maintenance_folder" ]; then sync "$folder/$maintenance_folder"; fi
rm -rf "${folder:?}/$maintenance_folder"
