# Takes an image of another machine through standard input. Layers that this host has already need not be in it.
id=$1
gzip -dc | docker load -q >/dev/null
docker image inspect "$id" >/dev/null 2>&1 || fail "docker has taken the image, and does not have $id afterwards"
