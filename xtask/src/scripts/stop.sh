# Stops these containers, each with the grace period of its compose file. They stay, stopped, for their logs; also after a
# reboot, where `restart: always` would start them beside the live ones, or on their port.
for container in "$@"; do
  # Stopped already is what is wanted, and so is gone.
  said=$(docker stop "$container" 2>&1 >/dev/null) && said=$(docker update --restart no "$container" 2>&1 >/dev/null) ||
    [ -z "$(docker ps -aq --no-trunc --filter "id=$container")" ] || fail "$said"
done
