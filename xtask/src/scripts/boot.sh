# Starts a release in the free slot, on whose ports, the last arguments, nobody may listen. What an earlier run left in the slot goes first.
release=$1 project=$2 slot=$3
use_compose "$4"
compose_project=$5 file=$6
shift 6
cd "$folder/meta/$release" || fail "release $release is not on this host"
refuse_missing_images "$release"
# Files that nginx serves itself: those of the release are the slot's from here on, and those of releases that no slot has go.
place=$folder/$static_folder
if [ -d "$place/releases/$release" ]; then
  ln -sfn "releases/$release" "$place/.$slot.new"
  mv -T "$place/.$slot.new" "$place/$slot"
else
  rm -f "$place/$slot"
fi
for known in "$place"/releases/[0-9]*; do
  [ -d "$known" ] || continue
  case ${known##*/} in "$release" | "$(basename "$(readlink "$place/blue")")" | "$(basename "$(readlink "$place/green")")") ;; *) rm -rf "$known" ;; esac
done
remove_containers "label=$label_project=$project" "label=$label_slot=$slot" "label=com.docker.compose.project=$compose_project"
for port; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "port $port of slot $slot is taken by a process that is not this project's; find it with: ss -ltnp 'sport = :$port'"
  fi
done
"${compose[@]}" -p "$compose_project" -f "$file" up -d --no-build
