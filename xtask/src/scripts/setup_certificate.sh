# Has certbot get a certificate for the site, and write it into its file. Runs as root.
set -eu -o pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
host=$1 email=$2
if ! command -v certbot >/dev/null; then
  echo "apt-get install certbot python3-certbot-nginx"
  apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install certbot python3-certbot-nginx >/dev/null </dev/null
fi
echo "certbot, for $host"
certbot --nginx --non-interactive --agree-tos --redirect -m "$email" -d "$host" </dev/null
