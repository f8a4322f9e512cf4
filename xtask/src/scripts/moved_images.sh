# Prints those references of images that lead to another image than they did.
trap 'rm -rf "$registries"' EXIT
use_registries
while [ $# -gt 0 ]; do
  pull_or_use "$1" "$3"
  now=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}{{.Id}}' "$1")
  grep -qxF -- "$2" <<<"$now" || printf '%s\n' "$1"
  shift 3
done
