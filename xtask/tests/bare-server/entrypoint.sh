#!/usr/bin/env bash
# Boots the bare server.
set -euo pipefail
mkdir -p /run/sshd /run/lock
ssh-keygen -A >/dev/null
printf '%s\n' "$AUTHORIZED_KEY" >/root/.ssh/authorized_keys
chmod 0600 /root/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e
