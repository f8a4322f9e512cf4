# Runs on the machine that deploys: writes the image $1 of its docker into the file $2, without its first $3 layers.
set -eu -o pipefail
id=$1 file=$2 known=$3
unpacked=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$unpacked"' EXIT
docker save "$id" | tar -x -C "$unpacked"
cd "$unpacked"
mapfile -t layers < <(grep -oE '"Layers":\[[^]]*\]' manifest* | grep -oE '"[^"]+"' | tail -n +2 | tr -d '"')
for layer in "${layers[@]::known}"; do
  # An empty layer may be there several times.
  case " ${layers[*]:known} " in *" $layer "*) ;; *) rm -f -- "./$layer" ;; esac
done
tar -cz . >"$file"
