#!/usr/bin/env bash
# The recipe that teams post: one compose project, the other port, wait for health, rewrite the upstream, reload nginx.
#
#   naive.sh up|deploy|down FOLDER PORT    FOLDER: for an nginx of its own, which listens on PORT. Runs in the app's folder.
set -euo pipefail
what=$1 folder=$2 port=$3
export COMPOSE_PROJECT_NAME=bench-naive RELEASE_ID=${BENCH_VERSION:-none}
ports=(18400 18401)
nginx=(nginx -p "$folder/" -c "$folder/nginx.conf")

upstream() { printf 'upstream backend { server 127.0.0.1:%s; }\n' "$1" >"$folder/upstream.conf"; }

healthy() {
  for _ in $(seq 600); do
    if curl -fsS -o /dev/null "http://127.0.0.1:$1/health" 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "port $1 does not become healthy" >&2
  exit 1
}

# The app names its release, so that a measurement sees when the traffic has moved.
set_release() { sed -i '/^RELEASE_ID=/d' .env && echo "RELEASE_ID=$RELEASE_ID" >>.env; }

case $what in
  up)
    mkdir -p "$folder/temp"
    cat >"$folder/nginx.conf" <<NGINX
worker_processes 2;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path $folder/temp; proxy_temp_path $folder/temp; fastcgi_temp_path $folder/temp;
  uwsgi_temp_path $folder/temp; scgi_temp_path $folder/temp;
  include $folder/upstream.conf;
  map \$http_upgrade \$connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:$port;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection \$connection_upgrade;
    }
  }
}
NGINX
    set_release
    APP_PORT=${ports[0]} docker compose up -d --build
    upstream "${ports[0]}"
    healthy "${ports[0]}"
    "${nginx[@]}"
    ;;
  deploy)
    if grep -q "${ports[0]}" "$folder/upstream.conf"; then next=${ports[1]}; else next=${ports[0]}; fi
    set_release
    APP_PORT=$next docker compose up -d --build api
    healthy "$next"
    upstream "$next"
    "${nginx[@]}" -s reload
    ;;
  down)
    kill "$(cat "$folder/nginx.pid")" || true
    docker compose down --volumes --rmi local
    ;;
esac
