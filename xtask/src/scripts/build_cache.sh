# Cuts the engine's build cache down to $1, such as 10GB; nothing is removed where $1 is empty. What was used last stays longest.
# A layer counts only while no image has it, so this is done after a build and once more after images were removed.
cut_build_cache() {
  local said=''
  [ -n "$1" ] || return 0
  # Once does not always do: BuildKit subtracts the layers that images have as well, which it has not counted, and so ends early.
  for _ in {1..10}; do
    [[ $said != *[[:space:]]0B ]] || return 0
    said=$(docker builder prune --all --force --keep-storage "$1") || break
  done
  [[ $said == *[[:space:]]0B ]] ||
    warn "the build cache could not be cut down to $1 (\`build_cache\`, [project] in deploy.toml)"
}
