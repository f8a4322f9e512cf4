# Runs on the deploying machine: prints what of a commit's folder compose may have to read, as an archive. What is larger than any compose
# file, or env file, stays out; the more there is, the smaller it has to be.
set -eu -o pipefail
root=$1 commit=$2 app=$3 strip=$4 most=$5
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git -C "$root" --literal-pathspecs archive --format=tar "$commit" -- "$app" | tar -x -C "$folder" --strip-components="$strip"
for size in 256k 64k 16k 4k; do
  find "$folder" -type f -size "+$size" \( -size +256k -o ! \( -name '*.y*ml' -o -name '*env*' \) \) -delete
  bytes=$(find "$folder" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
  if [ "$bytes" -le "$most" ]; then
    tar -C "$folder" -cz .
    exit
  fi
done
printf 'the small files of %s alone take more than %s bytes\n' "$app" "$most" >&2
exit 1
