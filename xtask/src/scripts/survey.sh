# Prints what a server is before it is set up, a fact a line, fields apart by tabs. Runs as root, and only reads.
set -u
user=$1 key=$2 line=$3 site_file=$4 folder=$5
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
os() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\).*/\1/p" /etc/os-release 2>/dev/null | head -n 1; }
fact system "$(os ID)" "$(os VERSION_ID)" "$(os PRETTY_NAME)"
for program in apt-get docker nginx curl sudo docker-compose; do
  ! command -v "$program" >/dev/null || fact has "$program"
done
! docker compose version >/dev/null 2>&1 || fact has 'docker compose'
[ ! -e /etc/docker/daemon.json ] || fact has daemon.json
home=$(getent passwd "$user" | cut -d: -f6)
if [ -n "$home" ]; then
  fact has user
  of_key=$(runuser -u "$user" -- timeout 5 grep -sF -- "$key" "$home/.ssh/authorized_keys" | head -c 65536)
  # Lines of other environments let it in too, as long as those are there.
  if grep -qxF -- "$line" <<<"$of_key" || grep -qvE "^($|restrict .* $user_mark:)" <<<"$of_key"; then fact has key; fi
fi
file site "$site_file"
[ ! -d "$folder" ] || fact has folder
# Who listens where users come in: the kernel's table of sockets names the socket, and its process has it open.
holder() {
  local hex inode open
  printf -v hex ':%04X ' "$1"
  inode=$(awk -v port="${hex% }" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [ -n "$inode" ] || return
  open=$(find /proc/[0-9]*/fd -lname "socket:\\[$inode\\]" -print -quit 2>/dev/null)
  fact listens "$1" "$(cat "${open%/fd/*}/comm" 2>/dev/null)"
}
holder 80
holder 443
timeout 10 docker ps --format "{{.Label \"com.docker.compose.project\"}}{{\"\t\"}}{{.Label \"com.docker.compose.service\"}}{{\"\t\"}}{{.Label \"com.docker.compose.project.working_dir\"}}" 2>/dev/null |
  sort -u | head -n 200 | while IFS=$'\t' read -r project service place; do
  [ -z "$project" ] || fact runs "$project" "$service" "$place"
done
fact host-key "$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null)"
printf 'end\n'
