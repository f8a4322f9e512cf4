# Runs on the deploying machine: prints what of a commit's folder compose may have to read, as an archive. What is larger than any compose
# file, or env file, stays out; the more there is, the smaller it has to be.
set -eu -o pipefail
root=$1 commit=$2 app=$3 strip=$4 most=$5
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A tree of those alone: what is larger is not unpacked only to be left out. Its objects go with the folder.
mkdir "$folder/objects" "$folder/files"
objects=$(cd "$root" && cd "$(git rev-parse --git-path objects)" && pwd)
# In this variable a colon separates, unless the path is quoted.
objects=${objects//\\/\\\\}
git() {
  GIT_INDEX_FILE=$folder/index GIT_OBJECT_DIRECTORY=$folder/objects GIT_ALTERNATE_OBJECT_DIRECTORIES="\"${objects//\"/\\\"}\"" \
    command git -C "$root" --literal-pathspecs "$@"
}
git ls-tree -r -l -z --full-tree "$commit" -- "$app" | sed -znE -e 's/^([0-7]+ [a-z]+ [0-9a-f]+) +[0-9]{1,5}\t/\1\t/p' \
  -e 's/^([0-7]+ [a-z]+ [0-9a-f]+) +[0-9]{6}\t(.*(\.ya?ml|env[^/]*))$/\1\t\2/p' | git update-index -z --add --index-info
tree=$(git write-tree)
git archive --format=tar "$tree" | tar -x -C "$folder/files" --strip-components="$strip"
for size in 256k 64k 16k 4k; do
  find "$folder/files" -type f -size "+$size" \( -size +256k -o ! \( -name '*.y*ml' -o -name '*env*' \) \) -delete
  bytes=$(find "$folder/files" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
  if [ "$bytes" -le "$most" ]; then
    tar -C "$folder/files" -cz .
    exit
  fi
done
printf 'the small files of %s alone take more than %s bytes\n' "$app" "$most" >&2
exit 1
