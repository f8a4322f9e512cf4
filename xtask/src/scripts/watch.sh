# Watches the container of a slot: a dot while it runs, and once it has ended or was restarted, how, and its last log
# lines. Ends with its standard input.
set -u
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
project=$1 slot=$2
container=$(docker ps -aq --filter "label=deploy.project=$project" --filter "label=deploy.slot=$slot" \
  --filter "label=com.docker.compose.project=$project-$slot" --filter "label=com.docker.compose.oneoff=False" | head -n 1)
while :; do
  state=$(docker inspect --format '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}' "$container" 2>&1)
  case $state in
    'running 0 '*) printf '.\n' || exit 0 ;;
    *)
      read -r status restarts exit_code <<<"$state"
      printf 'ended\tis %s, has been restarted %s times, last exit code %s\n' "$status" "$restarts" "$exit_code"
      docker logs --tail 40 "$container" 2>&1
      exit 0
      ;;
  esac
  read -r -t 0.3 _
  [ $? -gt 128 ] || exit 0 # its time-out; anything else is the end of the input
done
