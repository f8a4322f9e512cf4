# Stops these containers at once, each with the grace period of its compose file. They stay, stopped, for their logs; also after a
# reboot, where `restart: always` would start them beside the live ones, or on their port. Stopped already is what is wanted, and so is gone.
begun=$SECONDS
said=$(docker stop "$@" 2>&1 >/dev/null) ||
  for container in "$@"; do
    [ -z "$(docker ps -q --no-trunc --filter "id=$container")" ] || fail "$said"
  done
took=$((SECONDS - begun))
docker update --restart no "$@" >/dev/null 2>&1 ||
  for container in "$@"; do
    said=$(docker update --restart no "$container" 2>&1 >/dev/null) || [ -z "$(docker ps -aq --no-trunc --filter "id=$container")" ] || fail "$said"
  done
# Only one that does not heed the signal takes as long.
[ $took -ge 5 ] || exit 0
docker inspect --format '{{if eq .State.ExitCode 137}}{{.Name}}{{end}}' "$@" 2>/dev/null | while IFS= read -r killed; do
  [ -z "$killed" ] || warn "${killed#/} did not end when docker asked it to (SIGTERM), and was killed after up to $took s, for which each deploy waits. Let it end by itself: \`init: true\`, or \`exec\` before the program in its start script; or set \`stop_grace_period\`"
done || true
