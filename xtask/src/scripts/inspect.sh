# Prints what this host is and does, a fact a line, fields apart by tabs. Changes nothing.
set -u -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
folder=$1 project=$2 upstream_file=$3 site_file=$4 live_port=$5 blue_port=$6 green_port=$7 private_pid=$8 compose=$9

one_line() { [ -r "$1" ] && head -c 65536 <"$1" | tr '\n\t' '\r '; }
# shellcheck disable=SC2016 # for the bash that reads it
listening() { timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$1" 2>/dev/null; }

# nginx itself says which slot it obeys.
# shellcheck disable=SC2016 # for the bash that reads it
live=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' \
  "$live_port" 2>/dev/null | tr -d '\r' | sed '1,/^$/d' | head -c 64 | head -n 1)
printf 'live\t%s\n' "$live"
printf 'upstream\t%s\n' "$(one_line "$upstream_file")"
printf 'site\t%s\n' "$(one_line "$site_file")"
[ -e "$folder/live/green" ] && printf 'flag\tgreen\n'

if [ -n "$private_pid" ]; then
  nginx_pid=$(cat "$private_pid" 2>/dev/null) &&
    grep -qsaF "nginx: master process nginx -p ${private_pid%nginx.pid} " "/proc/$nginx_pid/cmdline" && printf 'nginx\trunning\n'
else
  grep -qsx nginx /proc/[0-9]*/comm && printf 'nginx\trunning\n'
  # Found out now rather than at the switch: whether this user may test and reload nginx, and whether nginx would reload.
  problem=$({ sudo -n nginx -t && sudo -n -l nginx -s reload; } 2>&1) ||
    printf 'nginx-problem\t%s\n' "$(printf '%s' "$problem" | tr '\n\t' '  ')"
fi

if [ -z "$compose" ]; then
  if docker compose version >/dev/null 2>&1; then compose='docker compose'
  elif command -v docker-compose >/dev/null 2>&1; then compose='docker-compose'
  fi
fi
printf 'compose\t%s\n' "$compose"

if problem=$(docker version --format '{{.Server.Version}}' 2>&1); then
  printf 'docker\t%s\n' "$problem"
  containers=$(docker ps -aq --no-trunc)
  # shellcheck disable=SC2086 # a list of ids
  [ -n "$containers" ] && docker inspect --format \
    'container{{"\t"}}{{.Id}}{{"\t"}}{{.Name}}{{"\t"}}{{.State.Status}}{{"\t"}}{{if .State.Health}}{{.State.Health.Status}}{{end}}{{"\t"}}{{.RestartCount}}{{"\t"}}{{.State.StartedAt}}{{"\t"}}{{json .Config.Labels}}{{"\t"}}{{json .HostConfig.PortBindings}}{{"\t"}}{{json .Mounts}}' \
    $containers 2>/dev/null
  docker image ls --filter "reference=$project-*" --format 'image{{"\t"}}{{.Repository}}:{{.Tag}}'
else
  printf 'docker-problem\t%s\n' "$(printf '%s' "$problem" | tr '\n\t' '  ')"
fi

for release in "$folder"/releases/[0-9]*/; do
  [ -d "$release" ] || continue
  env_sum=$(sha256sum 2>/dev/null <"$release.env" | cut -d' ' -f1)
  printf 'release\t%s\t%s\t%s\n' "$(basename "$release")" "$env_sum" "$(stat -c %Y "$release.served" 2>/dev/null)"
done
for port in "$blue_port" "$green_port"; do
  listening "$port" && printf 'listening\t%s\n' "$port"
done
existing=$folder
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
printf 'disk-free\t%s\n' "$(df -B1 --output=avail "$existing" | tail -n 1 | tr -d ' ')"
printf 'last-record\t%s\n' "$(tail -n 1 "$folder/deploys.jsonl" 2>/dev/null)"
printf 'end\n'
