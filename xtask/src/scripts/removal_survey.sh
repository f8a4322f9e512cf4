# Prints what a server has of an environment, a fact a line, fields apart by tabs. Runs as root, and only reads. What belongs to the
# user who deploys is read as that user.
set -u
name=$1 folder=$(readlink -m -- "$2") user=$3 key=$4 mark=$5 upstream_file=$6 include_file=$7 static_file=$8 site_file=$9 sudo_file=${10} projects=${11}
base=${projects%% *}
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
unset DOCKER_HOST DOCKER_CONTEXT
fact folder "$folder"
file upstream "$upstream_file"
file include "$include_file"
file static "$static_file"
file site "$site_file"
file sudo "$sudo_file"
file limits /etc/docker/daemon.json

# Other environments of this tool: nginx answers with their names, or its files lead into their folders.
grep -rhoE 'return 200 "([^" ]+ )?(blue|green|[$]slot)\\n"' /etc/nginx 2>/dev/null | sed -E 's/^return 200 "(([^" ]+) )?.*/\2/' | sort -u | head -n 100 |
  while IFS= read -r other; do [ "$other" = "$name" ] || fact other "${other:-one of an earlier version of this tool}"; done
find /etc/nginx -lname "*/$live_upstream_file" -printf '%l\n' 2>/dev/null | sort -u | head -n 100 | while IFS= read -r other; do
  other=$(readlink -m -- "${other%"/$live_upstream_file"}")
  [ "$other" = "$folder" ] || fact other "$other"
done

IFS=: read -r _ _ uid _ comment home _ < <(getent passwd "$user")
as_user() { runuser -u "$user" -- env "HOME=$home" ${engine[@]+"${engine[@]}"} timeout 10 "$@"; }
engine=()
if [ -n "${uid-}" ]; then
  [ ! -S "/run/user/$uid/docker.sock" ] || engine=("DOCKER_HOST=unix:///run/user/$uid/docker.sock")
  fact user "$comment" "$home"
  keys=$home/.ssh/authorized_keys
  # shellcheck disable=SC2016 # for awk
  is_ours='$1 == "restrict" && $NF == mark'
  # Lines that `setup` has not written for this environment.
  other_lines() { as_user awk -v mark="$mark" "!($is_ours)" "$keys" 2>/dev/null | head -c 65536; }
  if [ ! -L "$keys" ] && as_user awk -v mark="$mark" "$is_ours { found = 1 } END { exit !found }" "$keys" 2>/dev/null; then fact key; fi
  if [ -n "$key" ] && other_lines | grep -F -- "$key" | grep -qvE "^restrict .* $user_mark:[^ ]+\$"; then fact key-otherwise; fi
  # What is in the home beside what a new user has, this key, and what docker's client writes for itself.
  {
    awk -v home="$home/" 'index($5, home) == 1 { print $5 }' /proc/self/mountinfo
    # Its jobs would end with it.
    for jobs in "/var/spool/cron/crontabs/$user" "/var/spool/cron/$user"; do [ ! -s "$jobs" ] || printf '%s\n' "$jobs"; done
    grep -rlsE "^User=$user\$" /etc/systemd/system
    find "$home" -xdev \( -path "$home/.docker/buildx" -o -path "$home/.docker/.*" \) -prune -o ! -type d -print 2>/dev/null
  } | while IFS= read -r path; do
    below=${path#"$home"/}
    if [ -f "$path" ] && [ ! -L "$path" ]; then
      if [ "$path" = "$keys" ] && [ -z "$(other_lines)" ]; then continue; fi
      if [ -f "/etc/skel/$below" ] && as_user cmp -s "$path" "/etc/skel/$below"; then continue; fi
    fi
    fact in-home "$below"
  done | head -n 20
  # A container's processes may have the same number for their user.
  here=$(readlink /proc/self/ns/pid)
  for process in /proc/[0-9]*; do
    if [ "$(stat -c %u "$process" 2>/dev/null)" = "$uid" ] && [ "$(readlink "$process/ns/pid" 2>/dev/null)" = "$here" ]; then
      fact runs-as "$(cat "$process/comm" 2>/dev/null)"
    fi
  done | sort -u | head -n 20
else
  as_user() { timeout 10 "$@"; }
fi

# What the tool has made of the folder; what is in it besides may be there without it.
for part in releases live meta "$lock_file" "$record_file"; do [ ! -e "$folder/$part" ] || fact has folder; done | head -n 1
[ ! -d "$folder" ] || [ -n "$(find "$folder" -mindepth 1 -print -quit)" ] || fact has folder
# Also those whose removal was not brought to an end.
(cd "$folder/releases" 2>/dev/null && for release in [0-9]* .pruned-[0-9]*; do [ ! -d "$release" ] || printf '%s\n' "${release#.pruned-}"; done
  cd "$folder/meta" 2>/dev/null && for release in [0-9]*; do [ ! -d "$release" ] || printf '%s\n' "$release"; done) | sort -u | head -n 1000 |
  while IFS= read -r release; do fact release "$release"; done
if as_user test -f "$folder/$lock_file" && ! as_user flock -n "$folder/$lock_file" true; then fact has lock; fi

# The engine is that of the user who deploys.
format='{{.ID}}|{{.Label "com.docker.compose.project"}}|{{.Label "'$label_folder'"}}|{{.Label "com.docker.compose.service"}}|{{.State}}|{{.Label "'$label_project'"}}|{{.Label "com.docker.compose.project.working_dir"}}'
if command -v docker >/dev/null; then
  fact has docker-program
  if containers=$(as_user docker ps -a --no-trunc --format "$format" 2>/dev/null) &&
    volumes=$(as_user docker volume ls --filter "label=com.docker.compose.project=$base" --format '{{.Name}}' 2>/dev/null); then
    fact has docker
    of_base=()
    while IFS='|' read -r id project of service state own at; do
      [ -n "$id" ] || continue
      # Earlier versions of this tool did not write whose a container is.
      [ -n "$of" ] || [[ $(readlink -m -- "${at:-/}") != "$folder"/releases/* ]] || of=$folder
      if [[ " $projects " != *" $project "* ]] || [ -z "$project" ]; then
        fact foreign
        [ -z "$of" ] || [ "$of" = "$folder" ] || fact other "${own:-$of}"
      elif [ "$of" = "$folder" ]; then
        case $project in "$base-blue" | "$base-green") service=${service%-"${project##*-}"} ;; esac
        fact container "$service" "$state"
        [ "$project" != "$base" ] || of_base+=("$id")
      else
        fact unmanaged "$service"
      fi
    done < <(head -n 2000 <<<"$containers")
    # A volume without a name may hold data too.
    {
      printf '%s\n' "$volumes"
      [ ${#of_base[@]} = 0 ] || as_user docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "${of_base[@]}" 2>/dev/null
    } | sort -u | head -n 200 | while IFS= read -r volume; do [ -z "$volume" ] || fact volume "$volume"; done
  fi
fi
printf 'end\n'
