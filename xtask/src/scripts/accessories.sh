# Starts the accessories that do not run, touches none that does, and waits until those with a health check are healthy. What
# runs once comes before, and is done where it has succeeded before. Then makes sure of the networks and volumes that slots and
# workers expect: compose makes only those that a started service uses.
release=$1 project=$2 limit=$3
use_compose "$4"
trap 'rm -rf "$registries"' EXIT
use_registries
own_projects=$5
shift 5
cd "$folder/meta/$release" || fail "release $release is not on this host"
# The words up to `--`.
words() {
  list=()
  while [ "$1" != -- ]; do
    list+=("$1")
    shift
  done
}
words "$@"
accessories=(${list[@]+"${list[@]}"})
shift $((${#list[@]} + 1))
words "$@"
once=(${list[@]+"${list[@]}"})
shift $((${#list[@]} + 1))
words "$@"
released=("${list[@]}")
shift $((${#list[@]} + 1))
# Whether a `network` or a `volume` of this name is on this host; `owner` is then the compose project that it was made for. Docker
# is asked once for each, when it is needed.
declare -A names=()
is_there() {
  [ -n "${names[$1]+known}" ] || names[$1]=$(docker "$1" ls --format '{{.Name}} {{.Label "com.docker.compose.project"}}') || fail "docker does not list its ${1}s"
  owner=$(awk -v name="$2" '$1 == name { print $2; found = 1; exit } END { exit !found }' <<<"${names[$1]}")
}
of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=False; }
# Resources come as kind, name, count, and that many options. What others make must be there before anything is started, and what
# they use must not be used by two.
resources=("$@") needed=()
for ((at = 0; at < $#; at += 3 + resources[at + 2])); do
  kind=${resources[at]#*-} name=${resources[at + 1]}
  case ${resources[at]} in
    external-*)
      is_there "$kind" "$name" ||
        fail "the $kind $name is \`external\` in the compose file, so nothing here makes it, and it is not on this host; make it with: docker $kind create $name"
      ;;
    instead-volume)
      old=${resources[at + 3]}
      # Where compose has the same word for both, a new `name` is meant.
      if is_there volume "$name" || [ "$(docker volume inspect --format '{{index .Labels "com.docker.compose.volume"}}' "$old" 2>/dev/null)" = "${resources[at + 6]}" ]; then continue; fi
      fail "the volume $name is not on this host, so it would be new and empty, and ${resources[at + 4]} has had the volume $old at ${resources[at + 5]}: what is in that one would be out of sight. To keep it, give the new one its name in the compose file (\`name: $old\` under \`volumes\`). Where a new one is meant: docker volume create ${resources[at + 7]} $name"
      ;;
    needed-service) needed+=("$name") ;;
    own-container)
      owner=$(docker ps -a --format '{{.Names}}|{{.Label "com.docker.compose.project"}}' | awk -F '|' -v name="$name" '$1 == name { print $2 ? $2 : "none" }')
      if [ -z "$owner" ] || [[ " $own_projects " = *" $owner "* ]]; then continue; fi
      [ "$owner" != none ] || owner='no compose project'
      fail "a container $name, which is the \`container_name\` of a service, is on this host already, of $owner. Where nobody needs it: docker rm -f $name (its data stays). Else give the service another name, or leave \`container_name\` out"
      ;;
    port-*)
      if [ -n "$(of_project -q --filter "label=com.docker.compose.service=$kind")" ] || ! (exec 3<>"/dev/tcp/127.0.0.1/$name") 2>/dev/null; then continue; fi
      owner=$(docker ps --filter "publish=$name" --format '{{.Names}}' | head -n 1)
      fail "the service $kind publishes port $name of this host, which ${owner:+the container }${owner:-another program} has. Containers reach each other without it: leave \`ports\` out, or take the port from a variable of the \`.env\`"
      ;;
    own-*)
      is_there "$kind" "$name" || continue
      if [ -z "$owner" ] || [[ " $own_projects " = *" $owner "* ]]; then continue; fi
      fail "the $kind $name, which the compose file gives this name, is of the compose project $owner, and two would use it at once. Leave \`name\` out, or take it from a variable of the \`.env\`; where they are meant to share it, call it \`external: true\`"
      ;;
  esac
done
up() {
  COMPOSE_IGNORE_ORPHANS=true "${compose[@]}" -p "$project" -f "$base_file" up -d --no-recreate "$@"
  names=()
}
# What a container may write to: folders by where they really are, and volumes.
written_by() {
  local source
  docker inspect --format '{{range .Mounts}}{{if .RW}}{{if eq .Type "volume"}}{{println .Name}}{{else}}{{println .Source}}{{end}}{{end}}{{end}}' "$@" |
    while IFS= read -r source; do
      case $source in '') ;; /*) readlink -m -- "$source" ;; *) printf '%s\n' "$source" ;; esac
    done | sort -u
}
# A service that the compose file has under another name now, or does not start any more, runs on. Two that write into the same data
# would spoil it, so the new ones are made, not started, and looked at first.
left=()
while read -r id name of; do
  [[ " ${accessories[*]-} ${once[*]-} ${released[*]} " == *" $of "* ]] || left+=("$id" "$name" "$of")
done < <(of_project --no-trunc --format '{{.ID}} {{.Names}} {{.Label "com.docker.compose.service"}}')
if [ ${#left[@]} -gt 0 ]; then
  COMPOSE_IGNORE_ORPHANS=true "${compose[@]}" -p "$project" -f "$base_file" up --no-start --no-recreate >/dev/null
  new=$(of_project -a --no-trunc --format '{{.ID}} {{.State}} {{.Label "com.docker.compose.service"}}' | while read -r id state of; do
    if [ "$state" != running ] && [[ " ${accessories[*]-} ${once[*]-} " == *" $of "* ]]; then printf '%s\n' "$id"; fi
  done)
  for ((at = 0; at < ${#left[@]}; at += 3)); do
    # shellcheck disable=SC2086 # a list of ids
    both=$([ -z "$new" ] || comm -12 <(written_by "${left[at]}") <(written_by $new) | head -n 3 | paste -s -d ' ')
    if [ -n "$both" ]; then
      remove_containers "label=com.docker.compose.project=$project" status=created
      fail "the service ${left[at + 2]}, which the compose file does not start any more, still runs (container ${left[at + 1]}) and writes to $both. A service that this deploy starts would write there too and damage the data. When the old one may be down, run: docker rm -f ${left[at + 1]} (its data stays); then deploy again"
    fi
    warn "the service ${left[at + 2]}, which the compose file does not start any more, still runs. Where nobody needs it: docker rm -f ${left[at + 1]} (its data stays)"
  done
fi
# Waits for the end of what runs once, and tells how it ended.
code_of() {
  local waited
  waited=$(mktemp)
  within "$limit" docker wait "$1" >"$waited" || { rm -f "$waited" && fail "the service $service, which others wait for, did not end within $limit s"; }
  code=$(<"$waited")
  rm -f "$waited"
}
# They come as a service and its definition: it is done where that definition has succeeded, and runs anew for another.
for ((at = 0; at < ${#once[@]}; at += 2)); do
  service=${once[at]}
  found() { of_project -aq --no-trunc --filter "label=com.docker.compose.service=$service" | head -n 1; }
  container=$(found)
  if [ -n "$container" ]; then
    code_of "$container"
    # One that was never started has no code of its own.
    ended=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{index .Config.Labels "'"$label_definition"'"}}' "$container")
    if [ "$ended" = "exited 0 ${once[at + 1]}" ]; then
      echo "the service $service has done its work before, and is not run again: it is the same in the compose file"
      continue
    fi
    remove_containers "label=com.docker.compose.project=$project" "label=com.docker.compose.service=$service"
    # What compose made before the first deploy.
    container=$(found)
    [ -z "$container" ] || docker rm "$container" >/dev/null
  fi
  up "$service"
  container=$(found)
  code_of "$container"
  [ "$code" = 0 ] || {
    docker logs --tail 20 "$container" >&2 || true
    fail "the service $service, which must succeed before others start, ended with exit code $code"
  }
done
started=no
running=$(of_project --format '{{.Label "com.docker.compose.service"}}')
for service in ${accessories[@]+"${accessories[@]}"}; do
  if ! grep -qxF -- "$service" <<<"$running"; then
    up "${accessories[@]}"
    started=yes
    break
  fi
done
deadline=$((SECONDS + limit))
while waiting=$(of_project --filter health=starting --format '{{.Names}}') && [ -n "$waiting" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not healthy after $limit s:" "$waiting"
  sleep 0.2
done
# What was started just now has to run; what ran before is left alone, and only named. One that docker starts again has some time:
# it may have come before what it needs. One that docker does not start again may have ended because its work is done.
started_now() {
  of_project -aq --no-trunc | xargs -r docker inspect --format '{{.State.Status}}{{with index .State "Health"}} {{.Status}}{{end}} {{.State.ExitCode}} restarts:{{.RestartCount}} {{.Name}} {{or .HostConfig.RestartPolicy.Name "no"}} {{index .Config.Labels "com.docker.compose.service"}}' |
    while read -r line; do
      # Not one of those that were running, nor one that runs once.
      grep -qxF -- "${line##* }" <<<"$running" || [[ " ${once[*]-} " == *" ${line##* } "* ]] || [[ " ${accessories[*]-} " != *" ${line##* } "* ]] || printf '%s\n' "$line"
    done || true
}
in_words() { sed -E 's|^([a-z]+)( [a-z]+)? (-?[0-9]+) restarts:([0-9]+) /?([^ ]+) [^ ]+ ([^ ]+)$|\6 (container \5): \1\2, exit code \3, \4 restarts|' <<<"$1"; }
# What the first of these has printed last.
last_lines() {
  local name=${1%%$'\n'*}
  name=${name#*/}
  docker logs --tail 20 "${name%% *}" >&2 || true
}
if [ $started = yes ]; then
  # Between two starts a container runs for a moment, so all of them have to be as they were for more than two seconds.
  deadline=$((SECONDS + 20)) since=$SECONDS seen=
  while :; do
    all=$(started_now)
    [ "$all" = "$seen" ] || since=$SECONDS
    seen=$all
    ended=$(grep -E '^(restarting|dead|running unhealthy|exited( [a-z]+)? [1-9])' <<<"$all" || true)
    # One that nobody depends on may have done its work, as well as it could.
    failed=$(while IFS= read -r line; do
      if [[ $line == *' no '* ]] && [[ " ${needed[*]-} " != *" ${line##* } "* ]]; then continue; fi
      [ -z "$line" ] || printf '%s\n' "$line"
    done <<<"$ended")
    if [ -z "$failed" ] && [ $((SECONDS - since)) -ge 3 ]; then break; fi
    [ "$SECONDS" -lt "$deadline" ] || {
      [ -n "$failed" ] || failed=$(grep -v ' restarts:0 ' <<<"$all" || true)
      break
    }
    sleep 0.5
  done
  [ -z "$failed" ] || {
    last_lines "$failed"
    fail "these accessories do not run:"$'\n'"$(in_words "$failed")"$'\n'"What no host is to run belongs in \`off\` ([project] in deploy.toml). Where the compose file or the \`.env\` was corrected since it was made, \`docker rm -f\` it on the host, and deploy again: data in volumes stays"
  }
  if [ -n "$ended" ]; then
    last_lines "$ended"
    warn "these accessories have ended, and docker does not start them again (\`restart\` in the compose file): $(in_words "$ended" | paste -s -d ';')"
  fi
fi
while [ $# -gt 0 ]; do
  kind=$1 name=$2 count=$3
  shift 3
  case $kind in
    network | volume)
      is_there "$kind" "$name" || docker "$kind" create "${@:1:count}" "$name" >/dev/null
      ;;
  esac
  shift "$count"
done
