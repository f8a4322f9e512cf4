# Stops these containers, each with the grace period of its compose file. They stay, stopped, for their logs; also after a
# reboot, where `restart: always` would start them beside the live ones, or on their port.
for container in "$@"; do
  begun=$SECONDS
  # Stopped already is what is wanted, and so is gone.
  said=$(docker stop "$container" 2>&1 >/dev/null) && said=$(docker update --restart no "$container" 2>&1 >/dev/null) ||
    [ -z "$(docker ps -aq --no-trunc --filter "id=$container")" ] || fail "$said"
  [ $((SECONDS - begun)) -ge 5 ] || continue
  killed=$(docker inspect --format '{{if eq .State.ExitCode 137}}{{.Name}}{{end}}' "$container" 2>/dev/null) || continue
  [ -z "$killed" ] || warn "${killed#/} did not end when docker asked it to (SIGTERM), and was killed $((SECONDS - begun)) s later, for which each deploy waits. Let it end by itself: \`init: true\`, or \`exec\` before the program in its start script; or set \`stop_grace_period\`"
done
