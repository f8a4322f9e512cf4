# Installs what a server needs of its distribution's packages, and has docker start with the machine. Runs as root.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
limits=$1 # the text of docker's settings, or nothing
shift
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
# A set-up that was cut off leaves an apt that goes on, or packages whose programs are there and which nobody has set up.
if command -v dpkg >/dev/null && [ -n "$(dpkg --audit 2>/dev/null)" ]; then
  echo "packages that are half installed: their installation is brought to its end"
  for _ in $(seq 300); do
    grep -qsxE 'apt-get|dpkg' /proc/[0-9]*/comm || break
    sleep 1
  done
  dpkg --configure -a --force-confdef --force-confold >/dev/null </dev/null
fi
answers() { timeout 10 docker info >/dev/null 2>&1; }
if [ -n "$limits" ] && [ ! -e /etc/docker/daemon.json ]; then
  mkdir -p /etc/docker
  printf '%s' "$limits" >/etc/docker/daemon.json
  # An engine that runs reads it at its next start.
  restart() { if [ -d /run/systemd/system ]; then systemctl restart docker; else service docker restart; fi >/dev/null 2>&1; }
  if answers && running=$(docker ps -q) && [ -z "$running" ]; then
    echo "restarting docker, which runs no container"
    restart || {
      rm -f /etc/docker/daemon.json
      restart || true
      fail "docker did not start with a limit for logs in /etc/docker/daemon.json, so that file was taken away again. Set \`log-opts\` where docker has its settings on this server, in a file of that name too, and run this again"
    }
  elif answers; then
    echo "docker limits logs once it is started again, which stops what runs for a moment: systemctl restart docker. A container has its limit from when it was made"
  fi
fi
if [ $# -gt 0 ]; then
  echo "apt-get update"
  # Another run of apt may be at work: a new server updates itself.
  apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update >/dev/null
  echo "apt-get install $*"
  # A setting that somebody has left there stays.
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    --no-install-recommends install "$@" >/dev/null </dev/null
fi
if ! answers; then
  echo "starting docker"
  if [ -d /run/systemd/system ]; then
    systemctl enable --now docker >/dev/null 2>&1 || true
  else
    service docker start >/dev/null 2>&1 || true
  fi
  for _ in $(seq 60); do
    ! answers || break
    sleep 0.5
  done
  answers || fail "docker does not answer: $(docker info 2>&1 | tail -n 3)"
fi
if [ -d /run/systemd/system ]; then systemctl enable nginx >/dev/null 2>&1 || true; fi
