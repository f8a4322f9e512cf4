# Watches the container of a slot: once it has ended or was restarted, says how, and its last log lines. Ends with its
# standard input.
set -u
# It is in no hurry, and takes no time from those who serve (`shell.sh`).
chrt -i -p 0 $$ 2>/dev/null || true
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
project=$1 slot=$2 path=$3 compose_project=$4 service=$5
printf -v since '%(%s)T' -1
container=$(docker ps -aq --filter "label=$label_project=$project" --filter "label=$label_slot=$slot" \
  --filter "label=com.docker.compose.project=$compose_project" --filter "label=com.docker.compose.oneoff=False" --filter "label=com.docker.compose.service=$service" | head -n 1)

look() { state=$(docker inspect --format '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}' "$container" 2>&1); }
as_begun() { case $state in 'running 0 '*) ;; *) return 1 ;; esac }

# Docker tells, also of what has happened since this began: asking it again and again would take time from those who serve.
listen() {
  exec {ends}< <(exec docker events --since "$since" --filter "container=$container" --filter event=die --format '{{.Actor.Attributes.exitCode}}' 2>/dev/null)
  events=$!
}
listen
trap 'kill "$events" 2>/dev/null' EXIT
died=''
look
while as_begun; do
  if read -r -t 0 -u "$ends"; then
    # Where docker itself has ended, the look says so, or it is back.
    read -r -u "$ends" died || { exec {ends}<&-; listen; }
    # What it tells of an end may come before what it says of the state.
    for ((looks = 0; looks < 20; looks++)); do
      look
      as_begun || break 2
      sleep 0.05
    done
  fi
  read -r -t 0.1 _
  [ $? -gt 128 ] || exit 0 # its time-out; anything else is the end of the input
done
read -r status restarts exit_code <<<"$state"
# Of one that runs again, docker's own word is that of a process that has not ended.
[ -n "$died" ] || [ "$status" = running ] || died=$exit_code
printf 'ended\tis %s, has been restarted %s times%s\n' "$status" "$restarts" "${died:+, last exit code $died}"
if [ "$(docker inspect --format '{{.HostConfig.LogConfig.Type}}' "$container" 2>/dev/null)" = none ]; then
  echo "(docker keeps no log of it: \`logging\` in the compose file has the driver none)"
else
  # Without the lines of our own health checks.
  docker logs --tail 4000 "$container" 2>&1 | grep -avF -e "GET $path " -e "GET $path\"" | tail -n 40 | cut -c1-100000
fi
