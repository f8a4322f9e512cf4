# Docker knows the registries that standard input names for as long as this script runs. Of each its name and the size of the rest, a
# line end, then `user:password`. Beside them it knows what this host's user has
# set, but for passwords that a helper keeps; the user's own file stays as it is.
registries=''
# shellcheck disable=SC2317 # not every script needs it
use_registries() {
  local name size known='' own=${DOCKER_CONFIG:-$HOME/.docker} place=/dev/shm settings entry
  settings=$(cat "$own/config.json" 2>/dev/null) || settings=''
  [[ $settings == *[![:space:]]* ]] || settings='{}'
  # A helper that keeps passwords would be asked in the place of what is written here.
  settings=${settings//\"credsStore\"/\"credsStoreOfThisHost\"}
  while read -r name size; do
    known+=${known:+,}"\"$name\":{\"auth\":\"$(head -c "$size" | base64 -w 0)\"}"
    settings=$(sed -E "s|\"${name//./\\.}\"([[:space:]]*:[[:space:]]*[\"{])|\"of-this-host/$name\"\\1|g" <<<"$settings")
  done
  [ -n "$known" ] || return 0
  if [[ $settings =~ \"auths\"[[:space:]]*:[[:space:]]*\{[[:space:]]*([^{}[:space:]]?) ]]; then
    entry=${BASH_REMATCH[0]}
    settings=${settings/"${BASH_REMATCH[0]}"/"${entry%"${BASH_REMATCH[1]}"}$known${BASH_REMATCH[1]:+,}${BASH_REMATCH[1]}"}
  else
    settings=${settings#*\{}
    [[ $settings =~ ^[[:space:]]*\} ]] || settings=",$settings"
    settings="{\"auths\":{$known}$settings"
  fi
  # In memory, where there is such a place.
  [ -w "$place" ] || place=${TMPDIR:-/tmp}
  # A run that was killed could not remove its own.
  find "$place" -maxdepth 1 -name 'deploy-registries-??????' -user "$(id -u)" -mmin +60 -exec rm -rf {} +
  registries=$(mktemp -d "$place/deploy-registries-XXXXXX")
  for name in cli-plugins contexts buildx; do [ ! -e "$own/$name" ] || ln -s "$own/$name" "$registries/$name"; done
  (umask 077 && printf '%s' "$settings" >"$registries/config.json")
  export DOCKER_CONFIG=$registries
}

# Pulls the image $1, unless $2 is `there`. As compose does it, the one on this host is used where that fails.
# shellcheck disable=SC2317 # not every script needs it
pull_or_use() {
  local said='pull_policy is never'
  if [ "$2" != there ] && said=$(docker pull -q "$1" 2>&1 >/dev/null); then return; fi
  said=${said##*$'\n'}
  docker image inspect "$1" >/dev/null 2>&1 ||
    fail "the image $1 is not on this host, and could not be pulled: $said. Is its name right, and may this host have it (\`registries\` of the environment in deploy.toml)?"
  [ "$2" = there ] || printf 'the image %s could not be pulled, so the one on this host is used: %s\n' "$1" "$said" >&2
}

