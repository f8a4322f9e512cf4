# Runs on the deploying machine: gives the repository $1 the files that the commit $3 of its submodule $2 has, and prints their tree.
set -eu -o pipefail
tree=$(git -C "$2" rev-parse --verify "$3^{tree}")
git -C "$2" rev-list --objects --no-object-names "$tree" | git -C "$2" pack-objects -q --stdout | git -C "$1" unpack-objects -q
printf '%s\n' "$tree"
