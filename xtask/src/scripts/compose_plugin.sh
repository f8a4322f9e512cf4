# Where compose's plugin is, as `plugin`: docker's client looks in these places in this order (cli-plugins/manager). Fails where it is in none of
# them. Run as a program of its own it does the same as `docker compose`, which starts two programs more, each as large, before it.
# shellcheck disable=SC2317 # not every script needs it
compose_plugin() {
  local place
  for place in "${DOCKER_CONFIG:-${HOME-}/.docker}" /usr/{local/,}{lib,libexec}/docker; do
    plugin=$place/cli-plugins/docker-compose
    [ ! -x "$plugin" ] || return 0
  done
  return 1
}
