# Prints what a server has of an environment, a fact a line, fields apart by tabs. Runs as root, and only reads.
# shellcheck disable=SC2154 # constants that stand before this
set -u
name=$1 folder=$(readlink -m -- "$2") user=$3 key=$4 upstream_file=$5 include_file=$6 static_file=$7 site_file=$8 sudo_file=$9 projects=${10}
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
fact folder "$folder"
file upstream "$upstream_file"
file include "$include_file"
file static "$static_file"
file site "$site_file"
file sudo "$sudo_file"
file limits /etc/docker/daemon.json

# Other environments of this tool: nginx answers with their names.
grep -hsoE 'return 200 "[^" ]+ (blue|green|[$]slot)\b' /etc/nginx/conf.d/*.conf | cut -d '"' -f 2 | cut -d ' ' -f 1 | sort -u | head -n 100 |
  while IFS= read -r other; do [ "$other" = "$name" ] || fact other "$other"; done

IFS=: read -r _ _ uid _ comment home _ < <(getent passwd "$user")
if [ -n "${uid-}" ]; then
  fact user "$comment" "$home"
  ! runuser -u "$user" -- grep -qsxF -- "restrict $key" "$home/.ssh/authorized_keys" || fact key
  # What is in the home beside what a new user has, this key, and what docker's client writes for itself.
  find "$home" -xdev \( -type f -o -type l \) 2>/dev/null | head -n 1000 | while IFS= read -r path; do
    below=${path#"$home"/}
    case $below in
      .ssh/authorized_keys) [ "$(grep -vcxF -- "restrict $key" "$path")" != 0 ] || continue ;;
      .docker/buildx/* | .docker/.* | .bash_history | .cache/motd.legal-displayed) continue ;;
      *) ! cmp -s "$path" "/etc/skel/$below" || continue ;;
    esac
    fact in-home "$below"
  done | head -n 20
  for process in /proc/[0-9]*; do
    [ "$(stat -c %u "$process" 2>/dev/null)" != "$uid" ] || fact runs-as "$(cat "$process/comm" 2>/dev/null)"
  done | sort -u | head -n 20
  [ ! -S "/run/user/$uid/docker.sock" ] || export DOCKER_HOST=unix:///run/user/$uid/docker.sock
fi

if [ -d "$folder" ]; then
  fact has folder
  for release in "$folder"/releases/[0-9]*; do [ ! -d "$release" ] || fact release "${release##*/}"; done | head -n 1000
  if [ -n "${uid-}" ] && runuser -u "$user" -- test -f "$folder/$lock_file"; then
    runuser -u "$user" -- flock -n "$folder/$lock_file" true || fact has lock
  fi
fi

timeout 10 docker version >/dev/null 2>&1 && fact has docker
# A volume without a name may hold data too.
timeout 10 docker ps -aq --no-trunc --filter "label=com.docker.compose.project=${projects%% *}" --filter "label=$label_folder=$folder" 2>/dev/null |
  xargs -r timeout 10 docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' | sort -u | head -n 200 |
  while IFS= read -r volume; do [ -z "$volume" ] || fact volume "$volume"; done
for project in $projects; do
  timeout 10 docker ps -a --filter "label=com.docker.compose.project=$project" \
    --format "{{.Label \"$label_folder\"}}|{{.Label \"com.docker.compose.service\"}}|{{.State}}" 2>/dev/null |
    head -n 200 | while IFS='|' read -r of service state; do
    if [ "$of" = "$folder" ]; then fact container "$service" "$state"; else fact unmanaged "$service"; fi
  done
  timeout 10 docker volume ls --filter "label=com.docker.compose.project=$project" --format '{{.Name}}' 2>/dev/null | head -n 200 |
    while IFS= read -r volume; do fact volume "$volume"; done
done
printf 'end\n'
