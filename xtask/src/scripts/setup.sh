# shellcheck disable=SC2154 # the settings stand before it
say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}
[ "$(id -u)" = 0 ] || fail "run this as root"
id "$user" >/dev/null 2>&1 || fail "there is no user $user on this server; make one: adduser --disabled-password $user"
command -v nginx >/dev/null || fail "nginx is not installed: apt-get install nginx"
[ "$mode" = instant ] || command -v visudo >/dev/null || fail "sudo is not installed, and reload mode needs it: apt-get install sudo"
# Nginx answers with the name of the environment whose slots these are.
owner=$(sed -nE 's/^[[:space:]]*return 200 "([^" ]+) .*/\1/p' "$upstream_file" 2>/dev/null | head -n 1) || true
[ -z "$owner" ] || [ "$owner" = "$name" ] ||
  fail "$upstream_file is of the environment $owner on this server; without \`upstream\`, \`upstream_file\` and \`site_file\` (\`nginx\` in deploy.toml) this one gets files named after $name"
# Two environments that obey one switch would take each other's site down.
real=$(readlink -m -- "$folder")
if [ -L "$upstream_file" ]; then
  of=$(readlink -m -- "$upstream_file")
  case $of in */"$live_upstream_file") of=${of%/"$live_upstream_file"} ;; *) of='' ;; esac
else
  of=$(sed -nE "s|.*if \\(-f (/.*)/$flag_file\\).*|\\1|p" "$upstream_file" 2>/dev/null | head -n 1) || true
fi
[ -z "$of" ] || [ "$(readlink -m -- "$of")" = "$real" ] ||
  fail "$upstream_file is of the environment in $of, and this one is in $folder: the name $name is taken. Give this environment a name of its own (\`name\` in [environments.…] of deploy.toml). If it is the same one and its folder was moved, move it back; if the other one is gone, remove its files of nginx ($upstream_file, $include_file, $site_file)"
others=$({
  grep -lsF -e "-f $real/$flag_file" -e "-f $folder/$flag_file" /etc/nginx/conf.d/*.conf /etc/nginx/snippets/*-switch.conf
  find /etc/nginx \( -lname "$real/$live_upstream_file" -o -lname "$folder/$live_upstream_file" \)
} | sort -u | grep -vxF -e "$upstream_file" -e "$include_file" | tr '\n' ' ') || true
[ -z "$others" ] || fail "the folder $folder is of another environment on this server, whose switch is in ${others% }; give this one a folder of its own (\`folder\` in deploy.toml)"
above=$(dirname "$real")
while [ "$above" != / ]; do
  [ ! -d "$above/releases" ] || [ ! -d "$above/live" ] || fail "the folder $folder lies in $above, which is of another environment on this server; give this one a folder beside it (\`folder\` in deploy.toml)"
  above=$(dirname "$above")
done
# What lies in the folder is the user's to change, so nothing is written or followed there as root.
as_user() { runuser -u "$user" -- "$@"; }

# The folder of releases, the switch and the record. nginx must be able to look into it, others not into releases.
if [ -L "$folder" ] && [ "$(stat -c %U "$folder")" != root ]; then fail "$folder is a link that root did not make, so it may lead anywhere; make the folder itself"; fi
folder=$(readlink -m -- "$folder")
above=$(dirname "$folder")
while [ ! -d "$above" ]; do above=$(dirname "$above"); done
# Where somebody else can change what is above it, nothing is made or given away as root.
[ "$(stat -c %U "$above")" = root ] || as_user mkdir -p "$folder"
[ -d "$folder" ] || install -d -m 0755 -o "$user" -g "$(id -gn "$user")" "$folder"
for part in "$folder" "$folder"/{releases,live,meta,shared,leftovers}; do
  # Docker makes what a container is to mount, as root. A link is left as it is.
  if [ "$(stat -c %U "$above")" = root ] && [ -d "$part" ] && [ ! -L "$part" ] && [ "$(stat -c %U "$part")" = root ]; then chown -h "$user:" "$part"; fi
done
for part in "$folder"/{releases,live,meta,shared,leftovers}; do
  [ ! -d "$part" ] || [ -L "$part" ] || [ "$(stat -c %U "$part")" = "$user" ] ||
    fail "$part belongs to $(stat -c %U "$part"), and $user has to make files there: chown $user: $part"
done
[ "$(stat -c %U "$folder")" = "$user" ] || fail "$folder belongs to $(stat -c %U "$folder"), and $user has to make files there: chown $user: $folder"
as_user mkdir -p "$folder/releases" "$folder/live" "$folder/meta"
as_user chmod 0755 "$folder/live"
as_user chmod 0700 "$folder/releases" "$folder/meta"
# While a deploy is at work, which slot is live may change.
# shellcheck disable=SC2016 # for the sh that reads it
as_user sh -c 'umask 077 && : >>"$1"' sh "$folder/$lock_file"
if [ -f "$folder/$lock_file" ] && [ ! -L "$folder/$lock_file" ]; then
  exec 8<"$folder/$lock_file"
  flock -w 600 8 || fail "a deploy is at work in $folder; run this again when it has ended"
fi
rootless=/run/user/$(id -u "$user")/docker.sock
# The group docker is as good as root, which is what a rootless engine is there to avoid.
if [ -S "$rootless" ]; then
  export DOCKER_HOST=unix://$rootless
elif getent group docker >/dev/null; then
  usermod -aG docker "$user"
else
  say "warning: there is no group docker yet; once docker is installed: usermod -aG docker $user"
fi
worker=$(nginx -T 2>/dev/null | awk '$1 == "user" { gsub(";", "", $2); user = $2 } END { print user }') || worker=
runuser -u "${worker:-www-data}" -- test -x "$folder/live" ||
  fail "nginx works as ${worker:-www-data}, which cannot look into $folder/live: the folders above it must be open to others (chmod o+x)"

# Ports: those that this environment has already, else those that nobody has and no file of nginx names.
port_in() { sed -nE "/$1/{:a;/}/!{N;ba};s/.*(server|listen)[[:space:]]+127\.0\.0\.1:([0-9]+);.*/\2/p;q}" "$upstream_file" 2>/dev/null || true; }
listens() {
  local hex
  printf -v hex ':%04X ' "$1"
  grep -qsE "${hex}[0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6
}
is_taken() {
  listens "$1" ||
    grep -RqsE "^[^#]*[:[:space:]]$1\b" --exclude="$(basename "$upstream_file")" /etc/nginx/conf.d /etc/nginx/sites-enabled
}
was_blue=$(port_in "upstream ${upstream}_blue ") was_green=$(port_in "upstream ${upstream}_green ") was_live=$(port_in "^server ")
# Two that are one are no ports of ours: somebody has changed the file.
[ "$was_blue" != "$was_green" ] || was_blue='' was_green=''
if [ "$slots_given" = no ] && [ -n "$was_blue" ] && [ -n "$was_green" ]; then
  blue=$was_blue green=$was_green
elif [ "$slots_given" = no ]; then
  # A backend that is taken over may be on one of them already.
  of_before() {
    local project service
    for project in "$name" "$name-blue" "$name-green"; do
      for service in "$web" "$web-blue" "$web-green"; do
        docker ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$service" --filter "publish=$1" 2>/dev/null
      done
    done
  }
  # Whether the first web service can have this one.
  is_free() { [[ " $live_port ${more_given//[:-]/ } " != *" $1 "* ]] && { ! is_taken "$1" || [ -n "$(of_before "$1")" ]; }; }
  until is_free "$blue"; do blue=$((blue + 1)); done
  green=$((blue + 1))
  # Not a second port of the one that is taken over.
  until is_free "$green" && { ! is_taken "$green" || [ "$(of_before "$green")" != "$(of_before "$blue")" ]; }; do green=$((green + 1)); done
  [ "$green" -lt 9000 ] || fail "there are no two ports between 8000 and 9000 that are free; give some (\`slots\` in deploy.toml)"
else
  if grep -RqsE "^[^#]*server[[:space:]]+127\.0\.0\.1:($blue|$green);" --exclude="$(basename "$upstream_file")" /etc/nginx/conf.d /etc/nginx/sites-enabled; then
    fail "the ports $blue and $green (\`slots\` in deploy.toml) are used by another site on this server; choose others, or remove them from deploy.toml so that free ones are chosen"
  fi
fi
[ "$live_given" = yes ] || live_port=${was_live:-$live_port}

# Which slot nginx obeys now, and on which port that serves: nginx itself says it, else its file.
serving=$(port_in "upstream ${upstream}[[:space:]]")
case $(ask "${was_live:-$live_port}" / "$live_host" | tail -n 1) in
  "$name blue") live=blue ;;
  "$name green") live=green ;;
  *)
    live=blue
    if [ "$serving" = "${was_green:-$green}" ] || { [ -z "$serving" ] && [ -e "$folder/$flag_file" ]; }; then live=green; fi
    ;;
esac
[ "$live" = green ] && live_slot_port=$green was=$was_green || live_slot_port=$blue was=$was_blue
serving=${serving:-$was}

# A set-up moves no traffic: what serves now is where nginx will lead.
site_answers() {
  [ -e "$site_file" ] || return
  if [ "$site_scheme" = http ]; then
    [[ "$(ask "$site_port" "$site_path" "$site_host" | head -n 1)" == HTTP/*\ 2* ]]
  else
    command -v curl >/dev/null || fail "curl is not installed, and without it $site_scheme://$site_host cannot be asked, here nor by a deploy: apt-get install curl"
    [[ "$(curl -sko /dev/null -m 5 -w '%{http_code}' --resolve "$site_host:$site_port:127.0.0.1" "https://$site_host:$site_port$site_path" 2>/dev/null)" == 2* ]]
  fi
}
if [ -n "$serving" ] && [ "$serving" != "$live_slot_port" ] && listens "$serving"; then
  fail "$name serves on port $serving now, and nginx would lead to port $live_slot_port of slot $live. The port of the live slot cannot be changed: set it to $serving (\`slots\` in deploy.toml). You can change the other slot's port; after the next deploy that slot is live"
elif ! listens "$live_slot_port" && site_answers; then
  fail "the site $site_scheme://$site_host answers now, and nginx would lead to port $live_slot_port of slot $live, where nobody listens. Set that slot's port to the one that serves now (\`slots\` in deploy.toml). If another site of this nginx gave the answer, reload nginx first (nginx -s reload)"
fi
# Further web services: a pair of ports for each, in the same way. Those that another has, or is given, are none for it.
marks=(-e "s/@BLUE@/$blue/g; s/@GREEN@/$green/g; s/@LIVE@/$live_port/g; s/@SLOT@/$live/g; s/@PORT@/$live_slot_port/g")
told="ports $blue and $green" number=0 ours=" $blue $green $live_port " reserved=" ${more_given//[:-]/ } "
read -r -a more_given <<<"$more_given"
read -r -a more_services <<<"$more_services"
read -r -a more_ports <<<"$more_ports"
for of in $more_upstreams; do reserved+="$(port_in "upstream ${of}_blue ") $(port_in "upstream ${of}_green ") "; done
# Where compose has started it, or this tool as an accessory: the port on which it serves now.
serves_on() {
  local id
  id=$(docker ps -q --filter "label=com.docker.compose.project=$name" --filter "label=com.docker.compose.service=$1" 2>/dev/null | head -n 1)
  [ -z "$id" ] || docker port "$id" "$2/tcp" 2>/dev/null | sed -n '1s/.*://p'
}
for of in $more_upstreams; do
  given=${more_given[number]} service=${more_services[number]} port=${more_ports[number]} number=$((number + 1))
  was_blue=$(port_in "upstream ${of}_blue ") was_green=$(port_in "upstream ${of}_green ")
  before=$(serves_on "$service" "$port") || before=''
  if [ "$given" != - ]; then
    first=${given%:*} second=${given#*:}
    if grep -RqsE "^[^#]*server[[:space:]]+127\.0\.0\.1:($first|$second);" --exclude="$(basename "$upstream_file")" /etc/nginx/conf.d /etc/nginx/sites-enabled; then
      fail "the ports $first and $second (\`slots\` in [web.$service] of deploy.toml) are used by another site on this server; choose others, or remove them so that free ones are chosen"
    fi
  elif [ -n "$was_blue" ] && [ -n "$was_green" ] && [ "$was_blue" != "$was_green" ]; then
    first=$was_blue second=$was_green
  else
    is_free() { [[ "$ours$reserved" != *" $1 "* ]] && [ "$1" != "$before" ] && ! is_taken "$1"; }
    first=$((green + 1))
    until is_free "$first"; do first=$((first + 1)); done
    second=$((first + 1))
    until is_free "$second"; do second=$((second + 1)); done
    [ "$second" -lt 9000 ] || fail "there are no two ports below 9000 that are free for $service; give some (\`slots\` in [web.$service] of deploy.toml)"
    # What serves now is taken over where it is.
    if [ -n "$before" ] && [ "$live" = green ]; then second=$before; elif [ -n "$before" ]; then first=$before; fi
  fi
  if [ "$live" = green ]; then now=$second was=$was_green; else now=$first was=$was_blue; fi
  if [[ $ours == *" $first "* ]] || [[ $ours == *" $second "* ]]; then
    fail "$service would have the ports $first and $second, and another web service, or nginx's answer, has one of them: give each its own (\`slots\` in deploy.toml)"
  fi
  ours+="$first $second "
  if [ -n "$was" ] && [ "$was" != "$now" ] && listens "$was"; then
    fail "$service serves on port $was now, and nginx would lead to port $now. The port of the live slot cannot be changed: set it to $was (\`slots\` in [web.$service] of deploy.toml)"
  fi
  if [ -n "$before" ] && [ "$before" != "$now" ] && ! listens "$now"; then
    fail "$service serves on port $before now, and nginx would lead to port $now, where nobody listens. Set the port of slot $live to $before (\`slots\` in [web.$service] of deploy.toml)"
  fi
  listens "$now" || say "warning: nobody listens on port $now, to which nginx will lead for $service: until the next deploy has ended, it does not answer there"
  marks+=(-e "s/@BLUE$number@/$first/g; s/@GREEN$number@/$second/g; s/@PORT$number@/$now/g")
  told+=", of $service $first and $second"
done
with_ports() { sed "${marks[@]}"; }

# nginx: the slots, the switch, and the site where there is none. Where nginx refuses the result, what was there comes back.
if [ -e "$site_file" ] && ! grep -qF "$needed" "$site_file"; then
  fail "$site_file is there and is left alone, but its server block lacks what $mode mode needs: $needed_lines; add it, do not reload yet, and run this again"
fi
if [ -e "$site_file" ] && grep -qE "^[^#]*include[[:space:]]+($upstream_file|conf\.d/$(basename "$upstream_file"));" "$site_file"; then
  fail "$site_file includes $upstream_file, which nginx reads by itself already (conf.d/*.conf): twice is \"duplicate upstream\". Remove that line, and run this again"
fi
if [ "$mode" = reload ] && [ -e "$site_file" ] && grep -qF "proxy_pass http://\$$upstream" "$site_file"; then
  fail "$site_file still has \`proxy_pass http://\$$upstream\`, which is the instant mode: nginx is in one of the two. Let it be http://$upstream, and run this again"
fi
mkdir -p "$(dirname "$site_file")" "$(dirname "$upstream_file")" "$(dirname "$include_file")"
saved=$(mktemp -d)
for file in "$upstream_file" "$include_file" "$static_file" "$site_file"; do
  # From the root: cp (coreutils 9.1) looks for the folders above an absolute path from where it was started.
  if [ -e "$file" ] || [ -L "$file" ]; then (cd / && cp -a --parents ".$file" "$saved"); fi
done
[ ! -f "$folder/$live_upstream_file" ] || as_user cat "$folder/$live_upstream_file" >"$saved/upstream.conf"
# shellcheck disable=SC2016 # for the sh that reads it
write_as_user() { as_user sh -c 'umask 022 && cat >"$1.new" && mv -T "$1.new" "$1"' sh "$1"; }
restore() {
  rm -f "$upstream_file" "$include_file" "$static_file" "$site_file"
  (cd "$saved" && find . -mindepth 2 ! -type d -print0 | while IFS= read -r -d '' file; do cp -a "$file" "/$file"; done)
  [ ! -f "$saved/upstream.conf" ] || write_as_user "$folder/$live_upstream_file" <"$saved/upstream.conf"
  if nginx -t 2>/dev/null; then nginx -s reload 2>/dev/null || true; fi
  fail "$* nginx's files are as they were before."
}
# Where the requests are counted: for all sites, by the names of this one, or where the site has a log of its own, which takes the place of what is
# said for all, in its own block.
with_log() {
  local has_log='' name line_for_all line_in_site default_log=''
  if [ -e "$site_file" ]; then
    # Whether each block that has the switch has a log of its own.
    has_log=$(awk -v include="${include_file##*/}" '
      { sub(/#.*/, "") }
      depth == 0 && /server/ { with_switch = with_own = 0 }
      depth == 1 && /^[[:space:]]*access_log[[:space:]]/ { with_own = 1 }
      index($0, include) { with_switch = 1 }
      {
        before = depth
        depth += gsub(/{/, "{") - gsub(/}/, "}")
        if (before > 0 && depth == 0 && with_switch) { if (with_own) own++; else none++ }
      }
      END { if (own && !none) print "yes" }' "$site_file")
  fi
  of_http() { awk '{ sub(/#.*/, ""); if (depth == 1 && /^[[:space:]]*access_log[[:space:]]/) print $2; depth += gsub(/{/, "{") - gsub(/}/, "}") }' /etc/nginx/nginx.conf 2>/dev/null; }
  case $(of_http) in
    *off\;*) has_log=yes ;;
    # Where nothing is said of logs, nginx has one by itself, for as long as nothing is said.
    '') default_log="access_log $(nginx -V 2>&1 | sed -n 's/.*--http-log-path=\([^ ]*\).*/\1/p') combined; " ;;
  esac
  [ "$default_log" != 'access_log  combined; ' ] || default_log=''
  line_in_site="access_log $request_log ${upstream}_requests if=\$${variables}_counted;"
  line_for_all=''
  if [ -z "$has_log" ]; then
    line_in_site=''
    line_for_all="map \$server_name \$${variables}_log { default ''; "
    for name in $(if [ -e "$site_file" ]; then sed -nE 's/^[[:space:]]*server_name[[:space:]]+([^;[:space:]]+).*/\1/p' "$site_file"; else echo "$site_host"; fi | grep -E '^[A-Za-z0-9.*_-]+$' | sort -u); do
      # As a pattern it may be of any length.
      name=${name//./\\.}
      line_for_all+="\"~^${name//\*/\\*}\$\" \$${variables}_counted; "
    done
    line_for_all+="} ${default_log}access_log $request_log ${upstream}_requests if=\$${variables}_log;"
  fi
  while IFS= read -r line; do
    case $line in
      "$log_for_all") printf '%s\n' "$line_for_all" ;;
      "$log_in_site") printf '%s\n' "$line_in_site" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}
if [ "$mode" = instant ]; then
  # nginx, which opens it as root, gives it to its own user when it opens its logs anew; who deploys reads it by the group.
  if [ ! -f "$request_log" ] || [ -L "$request_log" ]; then rm -f "$request_log" && : >"$request_log"; fi
  chown "${worker:-www-data}:$(id -gn "$user")" "$request_log"
  chmod 0660 "$request_log"
fi
if [ "$mode" = reload ]; then
  upstream_text | with_ports | write_as_user "$folder/$live_upstream_file"
  ln -sfn "$folder/$live_upstream_file" "$upstream_file"
else
  if [ "$live" = green ]; then as_user touch "$folder/$flag_file"; else as_user rm -f "$folder/$flag_file"; fi
  rm -f "$upstream_file"
  upstream_text | with_ports | with_log >"$upstream_file"
  include_text | with_log >"$include_file"
fi
if [ -n "$static_paths" ]; then
  static_text >"$static_file"
elif [ -e "$static_file" ]; then
  # The site may include it still.
  : >"$static_file"
fi
# Where the kernel has no IPv6, nginx would not start with it.
with_ipv6() { if [ -e /proc/net/if_inet6 ]; then sed "s/^    listen 80;\$/&\n$listen_ipv6/"; else cat; fi; }
[ -e "$site_file" ] || site_text | with_ipv6 >"$site_file"
problem=$(nginx -t 2>&1) || restore "nginx refuses this: $problem"
# Of this nginx only warns, and lets one of the two have all requests.
names=$(sed -nE 's/^[[:space:]]*server_name[[:space:]]+([^;]*);.*/\1/p' "$site_file" | tr -s '[:space:]' '\n')
twice=$(sed -nE 's/.*conflicting server name "([^"]+)".*/\1/p' <<<"$problem" | sort -u | grep -xF -e "$live_host" -e "$names" | tr '\n' ' ') || true
[ -z "$twice" ] || restore "another site of this nginx has the name ${twice% } too, and only one of them would be asked; find it with \`nginx -T\`, or give this one another \`url\`."

# The deploying user may test and reload nginx, nothing else.
if command -v visudo >/dev/null; then
  rules=$(mktemp)
  # What is set for a command comes after what is set for all, in whichever file that stands.
  nginx=$(command -v nginx)
  printf 'Defaults!%s !requiretty\n%s ALL=(root) NOPASSWD: %s -t, %s -s reload\n' "$nginx" "$user" "$nginx" "$nginx" >"$rules"
  visudo -cqf "$rules" || restore "sudo refuses the rules for $user."
  install -m 0440 -o root -g root "$rules" "$sudo_file"
  rm -f "$rules"
fi

# Whether it is so: what is said next was tried.
nginx -T 2>/dev/null | grep -E "^# configuration file ($site_file|$(readlink -f "$site_file")):" >/dev/null ||
  restore "nginx does not read $site_file: let its nginx.conf include that folder (include /etc/nginx/sites-enabled/*;)."
nginx -s reload 2>/dev/null || { command -v systemctl >/dev/null && systemctl start nginx; } || nginx 8<&- || restore "nginx does not start."
answer=''
for _ in $(seq 50); do
  answer=$(ask "$live_port" / "$live_host" | tail -n 1)
  [ "$answer" != "$name $live" ] || break
  sleep 0.1
done
[ "$answer" = "$name $live" ] || restore "nginx, asked on port $live_port which slot of $name it obeys, says \"$answer\" and not \"$name $live\"."
if [ "$mode" = reload ]; then
  problem=$(as_user sudo -n nginx -t 2>&1) || fail "$user cannot run \`sudo nginx -t\`: $problem"
fi
rm -rf "$saved"
[ -z "$static_paths" ] || grep -qsE "^[^#]*include[[:space:]]+$static_file;" "$site_file" ||
  say "warning: let the server block of $site_file have the line \`include $static_file;\`, so that nginx serves $static_paths; a deploy waits for it"
say "slots of $name: $told; nginx answers on $live_port"
echo 'this server is ready'
