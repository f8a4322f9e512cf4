#!/usr/bin/env bash
# Boots the test server, again and again. /run is empty at each boot, as on any server; what lies elsewhere stays.
set -euo pipefail
mkdir -p /run/sshd /run/lock
ssh-keygen -A >/dev/null
install -m 0600 -o deploy -g deploy <(printf '%s\n' "$AUTHORIZED_KEY") /home/deploy/.ssh/authorized_keys

# Which compose this server has; the other is hidden.
plugin=/usr/libexec/docker/cli-plugins/docker-compose
mkdir -p "$(dirname "$plugin")"
rm -f "$plugin"
chmod 0644 /usr/bin/docker-compose
if [ "$COMPOSE" != v2 ]; then chmod 0755 /usr/bin/docker-compose; fi
if [ "$COMPOSE" != v1 ]; then ln -s /opt/compose/docker-compose "$plugin"; fi

dockerd --storage-driver overlay2 >/var/log/dockerd.log 2>&1 &
dockerd_pid=$!
# A configuration that nginx refuses must not keep anybody out who comes to fix it.
nginx || true
/usr/sbin/sshd -D -e >>/var/log/sshd.log 2>&1 &
trap 'kill "$dockerd_pid"; wait "$dockerd_pid"; exit 0' TERM
wait "$dockerd_pid"
