# Stops these containers, each with the grace period of its compose file. They stay, stopped, for their logs; also after a
# reboot, where `restart: always` would start them beside the live ones, or on their port.
for container in "$@"; do
  # Gone or stopped already is what is wanted.
  [ -z "$(docker ps -q --no-trunc --filter "id=$container")" ] || docker stop "$container" >/dev/null
  [ -z "$(docker ps -aq --no-trunc --filter "id=$container")" ] || docker update --restart no "$container" >/dev/null
done
