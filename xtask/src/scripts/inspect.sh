# Prints what this host is and does, a fact a line, fields apart by tabs. Changes nothing.
set -u -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
folder=$1 project=$2 upstream_file=$3 site_file=$4 live_port=$5 blue_port=$6 green_port=$7 private_pid=$8 compose=$9
health_path=${10} repository=${11}

# Docker is asked two things at once, and they are read further down: each start of its client takes a while. The last line
# says how asking for the containers has ended.
containers() {
  local containers
  # A container without a health check has no `Health` at all, and `.State.Health` would fail for it (docker 28). The last
  # two fields are not part of the report: the number of its first process, and a path below docker's own folder.
  # shellcheck disable=SC2086 # a list of ids
  containers=$(timeout 10 docker ps -aq --no-trunc) &&
    { [ -z "$containers" ] || timeout 10 docker inspect --format \
      'container{{"\t"}}{{.Id}}{{"\t"}}{{.Name}}{{"\t"}}{{.State.Status}}{{"\t"}}{{with index .State "Health"}}{{.Status}}{{end}}{{"\t"}}{{.RestartCount}}{{"\t"}}{{.State.StartedAt}}{{"\t"}}{{json .Config.Labels}}{{"\t"}}{{json .HostConfig.PortBindings}}{{"\t"}}{{json .Mounts}}{{"\t"}}{{.State.Pid}}{{"\t"}}{{.ResolvConfPath}}' \
      $containers || [ $? = 1 ]; } # 1: one of them has gone meanwhile
  printf '%s\n' "$?"
}
# The web service's images, asked for by the releases there are: docker takes twice as long to list all it has.
images() {
  local releases
  cd "$folder/releases" || return
  releases=([0-9]*)
  timeout 10 docker image inspect --format 'image{{"\t"}}{{.Size}}{{"\t"}}{{json .RepoTags}}' "${releases[@]/#/$repository:}"
}
exec {containers}< <(containers 2>/dev/null)
exec {images}< <(images 2>/dev/null)

# GET $2 of port $1 of this host, its answer without carriage returns into `answer`. Fails where nobody listens.
get() {
  answer=''
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&3
  IFS= read -r -t 1 -N 65536 -u 3 answer
  answer=${answer//$'\r'/}
}

# Who listens on the slots' ports, and what is answered there to a health check that is answered soon. nginx itself says
# which slot it obeys, after the head of its answer.
slot() {
  get "$1" "$health_path" || return
  answer=${answer//$'\n'/$'\r'}
  printf 'listening\t%s\nanswer\t%s\t%s\n' "$1" "$1" "${answer//$'\t'/ }"
}
ports() {
  trap '' PIPE
  slot "$blue_port" &
  slot "$green_port" &
  if get "$live_port" /; then
    case $answer in *$'\n\n'*) answer=${answer#*$'\n\n'} ;; *) answer='' ;; esac
    printf 'live\t%s\n' "${answer//[^a-z]/}"
  fi
  wait
}
exec {ports}< <(ports 2>/dev/null)

# A file as a field: $1 and the beginning of what is in $2. Programs are few here and below, because each costs as much as
# all that bash does itself.
file() {
  local text=''
  { IFS= read -r -N 65536 text <"$2"; } 2>/dev/null
  text=${text//$'\n'/$'\r'}
  printf '%s\t%s\n' "$1" "${text//$'\t'/ }"
}

file upstream "$upstream_file"
file site "$site_file"
[ -e "$folder/live/green" ] && printf 'flag\tgreen\n'
# What the site includes: the switch of the instant mode is there.
while IFS= read -r line; do
  [[ $line =~ ^[[:space:]]*include[[:space:]]+([^\;*[:space:]]+)\; ]] || continue
  included=${BASH_REMATCH[1]}
  case $included in /*) ;; *) included=/etc/nginx/$included ;; esac
  file included "$included"
done 2>/dev/null <"$site_file"
# Who turns on the cache of file lookups for all sites, or for this one.
read -r -a words < <(grep -sHoE '^[^#]*open_file_cache[[:space:]]+(max|inactive)=[^;]*' \
  /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf "$site_file")
printf 'file-cache\t%s\n' "${words[*]-}"

# Where this user cannot write. What is not there yet will be made in the folder above.
for place in "$folder" "$folder/releases" "$folder/live"; do
  while [ ! -e "$place" ]; do place=$(dirname "$place"); done
  [ -w "$place" ] || printf 'unwritable\t%s\n' "$place"
done
if [ -z "$private_pid" ] && place=$(readlink -f -- "$upstream_file") && [ ! -w "${place%/*}/" ]; then
  printf 'unwritable-upstream\t%s\n' "${place%/*}"
fi
user='\u' # as in a prompt
printf 'user\t%s\n' "${user@P}"
command -v curl >/dev/null && printf 'curl\tthere\n'

if [ -n "$private_pid" ]; then
  { read -r nginx_pid <"$private_pid" && IFS= read -r -d '' title <"/proc/$nginx_pid/cmdline"; } 2>/dev/null
  case ${title-} in "nginx: master process nginx -p ${private_pid%nginx.pid} "*) printf 'nginx\trunning\n' ;; esac
else
  grep -qsx nginx /proc/[0-9]*/comm && printf 'nginx\trunning\n'
  # Found out now rather than at the switch: whether this user may test and reload nginx, and whether nginx would reload.
  problem=$({ sudo -n nginx -t && sudo -n -l nginx -s reload; } 2>&1) ||
    printf 'nginx-problem\t%s\n' "$(printf '%s' "$problem" | tr '\n\t' '  ')"
fi

# Of a container's memory, what no other can have: without the cache of files. Read from the kernel, because `docker stats`
# takes two seconds. Version 2 of cgroups calls it `anon`, version 1 `total_rss` (kernel: cgroup-v2.rst, v1/memory.rst).
memory_of() {
  local hierarchy controllers group place name bytes
  while IFS=: read -r hierarchy controllers group; do
    case $hierarchy:$controllers in
      0:) place=/sys/fs/cgroup$group ;;
      *:memory) place=/sys/fs/cgroup/memory$group ;;
      *) continue ;;
    esac
    [ -r "$place/memory.stat" ] || continue
    while read -r name bytes; do
      case $name in anon | total_rss) printf 'memory\t%s\t%s\n' "$2" "$bytes" ;; esac
    done <"$place/memory.stat"
  done <"/proc/$1/cgroup"
} 2>/dev/null

# `docker compose version` would take longer than all else here; it is asked only where no plugin is in its usual places.
compose_of_this_host() {
  local place
  for place in "${DOCKER_CONFIG:-$HOME/.docker}" /usr/{local/,}{lib,libexec}/docker; do
    if [ -x "$place/cli-plugins/docker-compose" ]; then
      echo 'docker compose'
      return
    fi
  done
  if command -v docker-compose >/dev/null; then
    echo docker-compose
  elif docker compose version >/dev/null 2>&1; then
    echo 'docker compose'
  fi
}

# One program for all of them: releases add up.
declare -A env_sums=() served=()
if cd "$folder/releases" 2>/dev/null; then
  while read -r sum path; do env_sums[${path%/.env}]=$sum; done < <(sha256sum -- [0-9]*/.env 2>/dev/null)
  while read -r time path; do served[${path%/.served}]=$time; done < <(stat -c '%Y %n' -- [0-9]*/.served 2>/dev/null)
  for release in [0-9]*/; do
    [ ! -d "$release" ] || printf 'release\t%s\t%s\t%s\n' "${release%/}" "${env_sums[${release%/}]-}" "${served[${release%/}]-}"
  done
fi
printf 'last-record\t%s\n' "$(tail -n 1 "$folder/deploys.jsonl" 2>/dev/null)"

docker_root=''
mapfile -t -u "$containers" lines
code=${lines[-1]-1}
if [ "$code" = 0 ]; then
  printf 'docker\trunning\n'
  printf 'compose\t%s\n' "${compose:-$(compose_of_this_host)}"
  for line in "${lines[@]::${#lines[@]}-1}"; do
    path=${line##*$'\t'}
    [ -z "$path" ] || docker_root=${path%/containers/*} # one that never ran has none
    line=${line%$'\t'*}
    printf '%s\n' "${line%$'\t'*}"
    case $line in *$'\trunning\t'*'"com.docker.compose.project":"'"$project"[\"-]*)
      id=${line#*$'\t'}
      memory_of "${line##*$'\t'}" "${id%%$'\t'*}"
      ;;
    esac
  done
  [ -n "$docker_root" ] || docker_root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  mapfile -u "$images"
  printf '%s' "${MAPFILE[@]}"
else
  # `docker ps` does not always say why, `docker version` does.
  case $code in
    124) problem='no answer within 10 s' ;;
    *) problem=$(timeout 10 docker version --format '{{.Server.Version}}' 2>&1) ;;
  esac
  printf 'docker-problem\t%s\n' "$(printf '%s' "$problem" | tr '\n\t' '  ')"
fi

existing=$folder/releases
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
{
  read -r _ # the heading
  read -r bytes place && printf 'disk-free\t%s\t%s\n' "$bytes" "$place"
  read -r bytes place && printf 'docker-disk-free\t%s\t%s\n' "$bytes" "$place"
} < <(df -B1 --output=avail,target "$existing" ${docker_root:+"$docker_root"} 2>/dev/null)
mapfile -u "$ports"
printf '%s' "${MAPFILE[@]}"
while read -r name kilobytes _; do
  case $name in MemAvailable: | SwapFree:) printf 'memory-free\t%s\n' "$((kilobytes * 1024))" ;; esac
done </proc/meminfo
printf 'end\n'
