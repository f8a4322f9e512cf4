# Prints of every image of this host its id and its layers, a line each.
set -u -o pipefail
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
# 123: one has gone meanwhile. Layers that are not listed are sent.
docker image ls -aq --no-trunc | sort -u | sed -n 1,2000p | xargs -r docker image inspect --format '{{.Id}} {{json .RootFS.Layers}}' || [ $? = 123 ]
