# Prints what this host is and does, a fact a line, fields apart by tabs. Changes nothing. What is read may be anything, so
# each field is cut, and holds neither a tab nor a line end.
set -u -o pipefail
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
folder=$(readlink -m -- "$1") project=$2 upstream_file=$3 site_file=$4 live_port=$5 blue_port=$6 green_port=$7 private_pid=$8 compose=$9
health_path=${10} upstream=${11} site_scheme=${12} site_host=${13} site_port=${14} ports_given=${15} site_base=${16}
slot_host=${17} slot_headers=${18} site_headers=${19} health_kind=${20} more_upstreams=${21}
slots_given=${22} live_given=${23}
printf 'folder\t%s\n' "$folder"

# Docker is asked two things at once, and they are read further down: each start of its client takes a while. The last line
# says how asking for the containers has ended.
containers() {
  local containers label labels=''
  for label in "$label_project" "$label_folder" "$label_slot" "$label_release" "$label_definition" com.docker.compose.project \
    com.docker.compose.service com.docker.compose.oneoff com.docker.compose.project.working_dir; do
    labels+="${labels:+,}{{with \$.Config.Labels}}{{with index . \"$label\"}}{{json (printf \"%.1000s\" .)}}{{else}}\"\"{{end}}{{else}}\"\"{{end}}"
  done
  # A container without a health check has no `Health` at all, and `.State.Health` would fail for it (docker 28). The last
  # two fields are not part of the report: the number of its first process, and a path below docker's own folder.
  # shellcheck disable=SC2086 # a list of ids
  containers=$(timeout 10 docker ps -aq --no-trunc) &&
    { [ -z "$containers" ] || timeout 10 docker inspect --format \
      'container{{"\t"}}{{.Id}}{{"\t"}}{{.Name}}{{"\t"}}{{.State.Status}}{{"\t"}}{{with index .State "Health"}}{{.Status}}{{end}}{{"\t"}}{{.RestartCount}}{{"\t"}}{{.State.StartedAt}}{{"\t"}}['"$labels"']{{"\t"}}{{json .HostConfig.PortBindings}}{{"\t"}}{{json .Mounts}}{{"\t"}}{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}{{"\t"}}{{.State.Pid}}{{"\t"}}{{.ResolvConfPath}}' \
      $containers || [ $? = 1 ]; } # 1: one of them has gone meanwhile
  printf '%s\n' "$?"
}
# The images of the releases there are, asked for by their names: docker takes twice as long to list all it has.
images() {
  local release names=() built
  cd "$folder/meta" || return
  for release in [0-9]*; do
    { mapfile -t built <"$release/images"; } 2>/dev/null || continue
    names+=(${built[@]+"${built[@]/%/:$release}"})
  done
  [ ${#names[@]} -eq 0 ] || timeout 10 docker image inspect --format 'image{{"\t"}}{{.Size}}{{"\t"}}{{json .RepoTags}}' "${names[@]}"
}
# Before the first deploy: whose volumes are here already. Empty ones beside them would look like lost data.
volumes() {
  local marks=("$folder"/meta/*/served)
  [ ! -e "${marks[0]}" ] || return
  timeout 10 docker volume ls --filter label=com.docker.compose.project \
    --format 'volume{{"\t"}}{{.Label "com.docker.compose.project"}}{{"\t"}}{{.Name}}'
}
exec {containers}< <(containers 2>/dev/null)
exec {images}< <(images 2>/dev/null)
exec {volumes}< <(volumes 2>/dev/null | head -n 500)
exec {engine}< <(timeout 10 docker version 2>&1 | head -c 65536)

# The beginning of a file, into `text`.
beginning() {
  text=''
  { IFS= read -r -N 65536 text <"$1"; } 2>/dev/null
}
# A text as a field, into `text`.
as_field() {
  text=${1:0:65536}
  text=${text//$'\t'/ }
  text=${text//$'\n'/$'\r'}
}

find_ports
exec {ports}< <(ports 2>/dev/null)

# A file as a field. Programs are few here and below, because each costs as much as all that bash does itself.
file() {
  beginning "$2"
  as_field "$text"
  printf '%s\t%s\n' "$1" "$text"
}

file upstream "$upstream_file"
file site "$site_file"
[ -e "$folder/$flag_file" ] && printf 'flag\tgreen\n'
# Which slots are reached by a secret; not by which.
for slot in blue green; do
  routes=("$folder/$routes_folder/$slot-share"-*)
  [ ! -e "${routes[0]}" ] || printf 'share\t%s\t%s\n' "$slot" "${#routes[@]}"
  routes=("$folder/$routes_folder/$slot"-????????????????????????????????)
  [ ! -e "${routes[0]}" ] || printf 'preview\t%s\n' "$slot"
done
# Whether the site is closed: since when, until when, and for whom it is open.
if [ -e "$folder/$maintenance_folder/on" ]; then
  as_field "$(readlink -- "$folder/$maintenance_folder/page")"
  until=${text##*/}
  [[ $until == 'until '* ]] || until=''
  allowed=("$folder/$maintenance_folder"/allow-*)
  [ -e "${allowed[0]}" ] || allowed=()
  as_field "${allowed[*]##*/allow-}"
  printf 'maintenance\t%s\t%s\t%s\n' "$(stat -c %Y -- "$folder/$maintenance_folder/on")" "${until#until }" "$text"
fi
# What the site includes: the switch of the instant mode is there.
while IFS= read -r line; do
  [[ $line =~ ^[[:space:]]*include[[:space:]]+([^\;*[:space:]]+)\; ]] || continue
  included=${BASH_REMATCH[1]}
  case $included in /*) ;; *) included=/etc/nginx/$included ;; esac
  beginning "$included"
  as_field "$text"
  printf 'included\t%s\t%s\n' "${included:0:1000}" "$text"
done 2>/dev/null <"$site_file"
# Who turns on the cache of file lookups for all sites, or for this one.
read -r -a words < <(grep -sHoE '^[^#]*open_file_cache[[:space:]]+(max|inactive)=[^;]*' \
  /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf "$site_file")
as_field "${words[*]-}"
printf 'file-cache\t%s\n' "$text"
# What else of nginx leads to a port of a slot, and would lead nowhere after the switch.
if [ -z "$private_pid" ]; then
  own=$(readlink -f -- "$upstream_file")
  while IFS= read -r line; do
    [ "$(readlink -f -- "${line%%:*}")" != "$own" ] || continue
    as_field "${line:0:300}"
    printf 'bypass\t%s\n' "$text"
  done < <(grep -RsHE "^[^#]*(proxy_pass[[:space:]]+https?://|server[[:space:]]+)(127\.0\.0\.1|localhost|\[::1\]):($blue_port|$green_port${further// /|})\b" \
    /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled /etc/nginx/snippets "$site_file" | sort -u | head -n 20)
fi

# The site of another file that has the address, where this environment's has not: its answers would be taken for our own.
if [ -z "$private_pid" ]; then
  own=$(readlink -f -- "$site_file") of_others=''
  while IFS= read -r line; do
    asked_as=" ${line#*server_name} "
    asked_as=${asked_as//[;$'\t\r']/ }
    [[ $asked_as == *" ${site_host%%:*} "* ]] || continue
    if [ "$(readlink -f -- "${line%%:*}")" = "$own" ]; then
      of_others=''
      break
    fi
    of_others=${line%%:*}
  done < <(grep -sHE '^[^#]*server_name[[:space:]]' "$site_file" /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/* | head -n 500)
  as_field "$of_others"
  [ -z "$text" ] || printf 'site-of\t%s\n' "$text"
fi

# Where this user cannot write. What is not there yet will be made in the folder above.
for place in "$folder" "$folder/releases" "$folder/live" "$folder/meta" "$folder/shared"; do
  while [ ! -e "$place" ]; do place=$(dirname "$place"); done
  [ -w "$place" ] || printf 'unwritable\t%s\n' "$place"
done
if [ -z "$private_pid" ] && place=$(readlink -f -- "$upstream_file") && [ ! -w "${place%/*}/" ]; then
  printf 'unwritable-upstream\t%s\n' "${place%/*}"
fi
emulated=''
for handler in /proc/sys/fs/binfmt_misc/qemu-*; do [ ! -e "$handler" ] || emulated+=" ${handler##*/qemu-}"; done
printf 'machine\t%s%s\n' "$(uname -m)" "${emulated:0:500}"
user='\u' # as in a prompt
printf 'user\t%s\n' "${user@P}"
command -v curl >/dev/null && printf 'curl\tthere\n'

if [ -n "$private_pid" ]; then
  { read -r nginx_pid <"$private_pid" && IFS= read -r -d '' title <"/proc/$nginx_pid/cmdline"; } 2>/dev/null
  case ${title-} in "nginx: master process nginx -p ${private_pid%nginx.pid} "*) printf 'nginx\trunning\n' ;; esac
else
  # A container's nginx is not this host's, and processes of others may be hidden: its own file names the process. Where that
  # file is, its configuration says, or how it was built.
  read -r _ place < <(grep -shE '^[[:space:]]*pid[[:space:]]+/' /etc/nginx/nginx.conf)
  nginx_options=$(nginx -V 2>&1) || nginx_options=''
  nginx_options=${nginx_options#*--pid-path=}
  for place in "${place%%;*}" "${nginx_options%%[[:space:]]*}" /run/nginx.pid; do
    { read -r nginx_pid <"$place"; } 2>/dev/null || continue
    case $nginx_pid in '' | *[!0-9]*) continue ;; esac
    said=$(kill -0 "$nginx_pid" 2>&1) || case $said in *"not permitted"*) ;; *) continue ;; esac
    { read -r title <"/proc/$nginx_pid/comm"; } 2>/dev/null || title=nginx
    [ "$title" != nginx ] || { printf 'nginx\trunning\n' && break; }
  done
  # Found out now rather than at the switch: whether this user may test and reload nginx, and whether nginx would reload.
  # Where a server wants a terminal for sudo, the rules that make an exception for nginx make none for `sudo -l`.
  if ! problem=$(sudo -n nginx -t 2>&1) || { ! problem=$(sudo -n -l nginx -s reload 2>&1) && [[ $problem != *' tty '* ]]; }; then
    as_field "${problem:0:2000}" && printf 'nginx-problem\t%s\n' "${text//$'\r'/ }"
  fi
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
  if compose_plugin; then
    echo 'docker compose'
    return
  fi
  if command -v docker-compose >/dev/null; then
    echo docker-compose
  elif docker compose version >/dev/null 2>&1; then
    echo 'docker compose'
  fi
}

# What the tool keeps for itself of each release, where no container has it mounted. One program for all of them: releases
# add up.
# A file as a field that can be read back, into `text`.
escaped() {
  local LC_ALL=C # by bytes this takes a tenth of the time
  text=''
  { IFS= read -r -N 1048576 text <"$1"; } 2>/dev/null
  text=${text//\\/\\\\}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  text=${text//$'\n'/\\n}
}
declare -A env_sums=() files_sums=() known_good=()
if cd "$folder/meta" 2>/dev/null; then
  while read -r sum path; do env_sums[${path%/env}]=$sum; done < <(sha256sum -- [0-9]*/env 2>/dev/null)
  while read -r sum path; do files_sums[${path%/*}]=$sum; done < <(sha256sum -- [0-9]*/"$secret_files" 2>/dev/null)
  while read -r time path; do known_good[${path%/served}]=$time; done < <(stat -c '%Y %n' -- [0-9]*/served 2>/dev/null)
  for release in [0-9]*/; do
    release=${release%/}
    if [ ! -d "$folder/releases/$release" ] || [ ! -e "$release/$manifest_file" ]; then continue; fi
    escaped "$release/settings.json"
    settings=$text
    escaped "$release/images"
    repositories=$text
    escaped "$release/pulled"
    pulled=$text
    escaped "$release/env"
    env=$text
    escaped "$release/$secret_files"
    printf 'release\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$release" "${env_sums[$release]-}" "${files_sums[$release]-}" \
      "${known_good[$release]-}" "$repositories" "$pulled" "$settings" "$env" "$text"
  done
fi
as_field "$(tail -c 65536 "$folder/$record_file" 2>/dev/null | tail -n 1)"
printf 'last-record\t%s\n' "$text"

# Podman's socket and its command answer as docker's do, and do not do all of it.
IFS= read -r -N 65536 -u "$engine" text
[[ $text != *[Pp]odman* ]] || printf 'engine\tpodman\n'
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
    case $line in *$'\trunning\t'*",\"$project\","* | *$'\trunning\t'*",\"$project-"*)
      id=${line#*$'\t'}
      memory_of "${line##*$'\t'}" "${id%%$'\t'*}"
      ;;
    esac
  done
  [ -n "$docker_root" ] || docker_root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  mapfile -u "$images"
  printf '%s' "${MAPFILE[@]}"
  mapfile -u "$volumes"
  printf '%s' "${MAPFILE[@]}"
else
  # `docker ps` does not always say why, `docker version` does.
  case $code in
    124) problem='no answer within 10 s' ;;
    *) problem=$(timeout 10 docker version --format '{{.Server.Version}}' 2>&1) ;;
  esac
  as_field "${problem:0:2000}"
  printf 'docker-problem\t%s\n' "${text//$'\r'/ }"
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
