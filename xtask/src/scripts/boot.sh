# Starts a release in the free slot, on whose ports, the last arguments, nobody may listen. What an earlier run left in the slot goes first.
release=$1 project=$2 slot=$3
use_compose "$4"
compose_project=$5 file=$6
shift 6
cd "$folder/meta/$release" || fail "release $release is not on this host"
refuse_missing_images "$release"
remove_containers "label=$label_project=$project" "label=$label_slot=$slot" "label=com.docker.compose.project=$compose_project"
for port; do
  # shellcheck disable=SC2016 # for the bash that reads it
  if timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$port" 2>/dev/null; then
    fail "port $port of slot $slot is taken by a process that is not this project's; find it with: ss -ltnp 'sport = :$port'"
  fi
done
"${compose[@]}" -p "$compose_project" -f "$file" up -d --no-build
