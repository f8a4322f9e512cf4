# Part of `inspect.sh`: which ports the slots and the switch have, and who answers there. Its functions use those of that file.

# The ports of this host on which somebody listens, in hex. The kernel names listening sockets before all others (tcp_seq_start in
# net/ipv4/tcp_ipv4.c), which a busy server has by ten thousands: reading them too would take longer than all else here.
find_taken() {
  local table address state
  taken=' '
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r _ address _ state _; do
      case $state in
        0A) taken+="${address##*:} " ;;
        st) ;; # the head of the table
        *) break ;;
      esac
    done <"$table"
  done
}
# Whether somebody listens on a port of this host.
is_taken() {
  local hex
  printf -v hex '%04X' "$1"
  [[ $taken == *" $hex "* ]]
}
port_in() {
  [[ $upstream_text =~ $1 ]] && [ "${BASH_REMATCH[1]}" -le 65535 ] && port=${BASH_REMATCH[1]}
}
# Which ports are the slots', nginx's file says, and on which nginx itself answers.
find_ports() {
  beginning "$upstream_file"
  upstream_text=$text
  space='[[:space:]]*' digits='([0-9]{1,5})'
  filed=
  if port_in "upstream[[:space:]]+${upstream}_blue$space\\{${space}server[[:space:]]+127\\.0\\.0\\.1:$digits$space;"; then
    filed_blue=$port
    if port_in "upstream[[:space:]]+${upstream}_green$space\\{${space}server[[:space:]]+127\\.0\\.0\\.1:$digits$space;"; then
      filed_green=$port
      # Where two of them are one, somebody has changed the file.
      if port_in "listen[[:space:]]+127\\.0\\.0\\.1:$digits$space;" && [ "$filed_blue" != "$filed_green" ] &&
        [ "$port" != "$filed_blue" ] && [ "$port" != "$filed_green" ]; then
        filed="$filed_blue $filed_green $port"
      fi
    fi
  fi
  if [ -n "$filed" ]; then read -r blue_port green_port live_port <<<"$filed"; fi
  # Of further web services the file has pairs too: of all that it knows, also where they are configured no more.
  declare -gA pairs=()
  rest=$upstream_text
  looks=0
  while [ $looks -lt 50 ] && [[ $rest =~ upstream[[:space:]]+([A-Za-z0-9_]{1,200})_blue[[:space:]{] ]]; do
    of=${BASH_REMATCH[1]} rest=${rest#*"${BASH_REMATCH[0]}"} looks=$((looks + 1))
    [ "$of" != "$upstream" ] || continue
    pair=''
    for slot in blue green; do
      port_in "upstream[[:space:]]+${of}_$slot$space\\{${space}server[[:space:]]+127\\.0\\.0\\.1:$digits$space;" && pair+=" $port"
    done
    [[ $pair != ' '*' '* ]] || pairs[$of]=${pair# }
  done
  # Where the tool's own nginx is to be made, ports that nobody has.
  find_taken
  read -r -a wanted <<<"$more_upstreams"
  if [ -n "$private_pid" ] && { [ -z "$filed" ] || [ ${#wanted[@]} -gt 0 ]; }; then
    free=()
    for ((port = 8000; port < 9000 && ${#free[@]} < 3 + 2 * ${#wanted[@]}; port++)); do
      case " $site_port $ports_given $filed ${pairs[*]-} " in *" $port "*) ;; *) is_taken "$port" || free+=("$port") ;; esac
    done
    if [ -z "$filed" ]; then
      [ "$slots_given" = yes ] || { blue_port=${free[0]} green_port=${free[1]} free=("${free[@]:2}"); }
      [ "$live_given" = yes ] || { live_port=${free[0]} free=("${free[@]:1}"); }
      filed="$blue_port $green_port $live_port"
    fi
    for of in ${wanted[@]+"${wanted[@]}"}; do
      [ -z "${pairs[$of]-}" ] || continue
      pairs[$of]="${free[0]} ${free[1]}" free=("${free[@]:2}")
    done
  fi
  [ -z "$filed" ] || printf 'ports\t%s\n' "$filed"
  further=''
  for of in "${!pairs[@]}"; do
    further+=" ${pairs[$of]}"
    printf 'further\t%s %s\n' "$of" "${pairs[$of]}"
  done
}

# GET $2 of port $1 of this host under the name $3 with the header lines $4, its answer without carriage returns into `answer`. Fails where nobody listens.
get() {
  answer=''
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n%s\r\n' "$2" "$3" "${4-}" >&3
  IFS= read -r -t 2 -N 65536 -u 3 answer
  answer=${answer//$'\r'/}
}
# Docker's proxy takes connections also where nobody listens in the container, and then closes them.
connects() {
  local byte=''
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  IFS= read -r -t 0.3 -N 1 -u 3 byte
  [ $? -gt 128 ] || [ -n "$byte" ]
}

# Who listens on the slots' ports, and what is answered there to a health check that is answered soon. nginx itself says
# which slot it obeys, after the head of its answer.
slot() {
  # One whose queue is full is not heard of otherwise.
  if is_taken "$1"; then printf 'listening\t%s\n' "$1"; fi
  if [ "$health_kind" = connect ]; then
    connects "$1" || return
    printf 'listening\t%s\nconnectable\t%s\n' "$1" "$1"
    return
  fi
  get "$1" "$health_path" "$slot_host" "$slot_headers" || return
  as_field "$answer"
  printf 'listening\t%s\nanswer\t%s\t%s\n' "$1" "$1" "$text"
}
live() {
  local known=$'\nX-Deploy-Routes: ([a-z ]{1,100})\n'
  get "$live_port" / "$project.deploy" || return
  # By what else nginx can be led.
  [[ ! $answer =~ $known ]] || printf 'routes\t%s\n' "${BASH_REMATCH[1]}"
  case $answer in *$'\n\n'*) answer=${answer#*$'\n\n'} ;; *) answer='' ;; esac
  as_field "${answer:0:200}"
  printf 'live\t%s\n' "${text%%$'\r'*}"
}
# The site, asked as its users ask it.
site() {
  local header sent=()
  if [ "$site_scheme" = http ]; then
    get "$site_port" "$site_base$health_path" "$site_host" "$site_headers" || return
  else
    while IFS= read -r header; do
      header=${header%$'\r'}
      [ -z "$header" ] || sent+=(--header "$header")
    done <<<"$site_headers"
    answer=$(curl --silent --insecure --http1.0 --include --noproxy '*' --connect-to "::127.0.0.1:$site_port" --max-time 2 \
      ${sent[@]+"${sent[@]}"} -- "https://$site_host$site_base$health_path" | head -c 65536)
    # 23: of a longer one the beginning is enough.
    case $? in 0 | 23) ;; *) return ;; esac
    answer=${answer//$'\r'/}
  fi
  as_field "$answer"
  printf 'site-answer\t%s\n' "$text"
}
# One whose queue is full neither accepts nor refuses.
ports() {
  local jobs watchdog never port
  for port in $further; do if is_taken "$port"; then printf 'listening\t%s\n' "$port"; fi; done
  trap '' PIPE
  exec {never}<> <(:)
  slot "$blue_port" &
  jobs=$!
  slot "$green_port" &
  jobs+=" $!"
  live &
  jobs+=" $!"
  site &
  jobs+=" $!"
  {
    read -r -t 3 -u "$never" _
    # shellcheck disable=SC2086 # a list of numbers
    kill $jobs
  } >/dev/null 9>&- &
  watchdog=$!
  # shellcheck disable=SC2086 # a list of numbers
  wait $jobs
  kill "$watchdog"
}
