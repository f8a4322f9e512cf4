# Prints what a person wants to know of a host before something goes wrong, a fact a line, fields apart by tabs. Only reads.
folder=$(readlink -m -- "$1") before=$2
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
fact time "$(date +%s)"
fact version system "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\).*/\1/p' /etc/os-release 2>/dev/null)"
fact version docker "$(timeout 5 docker version --format '{{.Server.Version}}' 2>/dev/null)"
if command -v nginx >/dev/null; then
  nginx=$(nginx -v 2>&1)
  fact version nginx "${nginx##*nginx/}"
fi
# What starts with the machine. Where systemd does not run, nobody knows.
if [ -d /run/systemd/system ]; then
  for unit in docker nginx; do fact starts "$unit" "$(systemctl is-enabled "$unit" 2>/dev/null)"; done
  for unit in certbot.timer snap.certbot.renew.timer acme.timer; do
    [ "$(systemctl is-enabled "$unit" 2>/dev/null)" != enabled ] || fact renewal "$unit"
  done
elif [ -e /etc/cron.d/certbot ]; then
  # Debian's job does nothing where systemd's timer does it.
  fact renewal /etc/cron.d/certbot
fi
# Of a setting that stands several times, sshd takes the first. What comes after a `Match` is for some only.
for setting in MaxSessions MaxStartups; do
  value=$(cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null | sed -n "/^[[:space:]]*Match[[:space:]]/Iq; s/^[[:space:]]*${setting}[[:space:]]\{1,\}//Ip" | head -n 1)
  [ -z "$value" ] || fact sshd "$setting" "$value"
done
# Containers of this environment: what starts them again, and how much of their log is kept. Fields may be empty, and bash takes
# blanks between them for one.
format='{{.Name}}{{"\x1f"}}{{.HostConfig.RestartPolicy.Name}}{{"\x1f"}}{{.HostConfig.LogConfig.Type}}{{"\x1f"}}{{index .HostConfig.LogConfig.Config "max-size"}}{{"\x1f"}}{{.State.Status}}'
if ids=$(timeout 5 docker ps -aq --filter "label=$label_folder=$folder" 2>/dev/null) &&
  { [ -z "$ids" ] || containers=$(xargs <<<"$ids" timeout 5 docker inspect --format "$format" 2>/dev/null); }; then
  fact containers known
  [ -z "${containers-}" ] || while IFS=$'\x1f' read -r name policy driver size status; do
    fact container "${name#/}" "$policy" "$driver" "$size" "$status"
  done <<<"$containers"
fi
# Who shares the host.
timeout 5 docker ps -a --format "{{.Label \"$label_project\"}}{{\"\x1f\"}}{{.Label \"$label_folder\"}}{{\"\x1f\"}}{{.Label \"com.docker.compose.project\"}}{{\"\x1f\"}}{{.Label \"com.docker.compose.project.working_dir\"}}" 2>/dev/null |
  sort -u | head -n 200 | while IFS=$'\x1f' read -r own of compose place; do
  if [ -n "$of" ]; then
    [ "$of" = "$folder" ] || fact environment "$own" "$of"
  elif [ -n "$compose" ]; then
    fact project "$compose" "$place"
  fi
done
# The release that a rollback would go back to: what of its files is not as it was shipped.
if [ -n "$before" ]; then
  kept=$folder/meta/$before
  if [ ! -r "$kept/sums" ] || [ ! -d "$folder/releases/$before" ]; then
    fact rollback gone
  elif cd "$folder/releases/$before"; then
    # A name with line ends becomes several lines, on both sides.
    lines() { tr '\0' '\n' | LC_ALL=C sort; }
    sums=$(set -o pipefail && sed -z 's|^.\{66\}||' "$kept/sums" | timeout 20 xargs -0 -r sha256sum -z -- 2>/dev/null | lines)
    # What timeout(1) ends with when it had to end something.
    [ $? != 124 ] || sums=late
    changed=$(LC_ALL=C comm -23 <(lines <"$kept/sums") - <<<"$sums" | cut -c67- | head -n 5)
    if [ "$sums" = late ]; then fact rollback late; elif [ -z "$changed" ]; then fact rollback whole; else fact rollback changed "$changed"; fi
  fi
fi
printf 'end\n'
