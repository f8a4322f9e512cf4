# Marks a release as one that has served well: only such are kept, and rolled back to. The time is the file's own.
release=$1
touch "$folder/releases/$release/.served"
