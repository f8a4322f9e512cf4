# Stops these containers, each with the grace period of its compose file. They stay, stopped, for their logs.
for container in "$@"; do
  # Gone or stopped already is what is wanted.
  [ -z "$(docker ps -q --no-trunc --filter "id=$container")" ] || docker stop "$container" >/dev/null
done
