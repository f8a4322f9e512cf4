# Asks addresses of this host over HTTP, several at a time, for as long as its standard input is open. Changes nothing.
#
# Standard input: per question a line of fields apart by tabs: NUMBER, `process` and its number; or NUMBER, `connect`, port; or NUMBER,
# `http` or `https`, port, seconds, host, path, the further headers apart by 0x1f.
# Standard output: of each answer, as it came, lines `NUMBER + PIECE` (`\`, line feed and carriage return escaped), then
# `NUMBER = BYTES`, or `NUMBER ~ BYTES` where it goes on after them; or `NUMBER ! REASON`. A line is written at once and is shorter than what a pipe keeps together.
set -u
export PATH="$PATH:/usr/local/bin" LC_ALL=C.UTF-8
limit=65536 # characters; what is judged stands at the beginning
trap '' PIPE # who answers before the whole question has come is heard all the same

no() {
  printf '%s ! %s\n' "$number" "${1//$'\n'/ }"
  exit 0
}

# HTTP/1.0: whoever answers may not cut the answer into chunks, and closes the connection after it (RFC 9112, 6.1 and 9.3).
ask_http() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || no "nothing accepts connections on port $port"
  [ -z "$headers" ] || headers=${headers//$'\x1f'/$'\r\n'}$'\r\n'
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n%sConnection: close\r\n\r\n' "$path" "$host" "$headers" >&3
  IFS= read -r -t "$seconds" -N "$limit" answer <&3
  # bash: greater than 128 is the time-out.
  [ $? -le 128 ] || no "no complete answer within $seconds s"
  [ "${#answer}" -lt "$limit" ] || end='~'
} 2>/dev/null

# curl verifies nothing here, because the site is asked on the loopback, whatever its name resolves to and whoever signed it.
ask_https() {
  local code header sent=()
  while [ -n "$headers" ]; do
    header=${headers%%$'\x1f'*}
    sent+=(--header "$header")
    headers=${headers#"$header"}
    headers=${headers#$'\x1f'}
  done
  command -v curl >/dev/null || no "curl is not on the host, and asks a site over TLS"
  answer=$(
    curl --silent --show-error --insecure --http1.0 --include --noproxy '*' --connect-to "::127.0.0.1:$port" \
      --max-time "$seconds" ${sent[@]+"${sent[@]}"} -- "https://$host$path" 2>&1 | head -c "$limit"
    code=${PIPESTATUS[0]}
    printf x
    exit "$code"
  )
  code=$?
  answer=${answer%x}
  bytes_of "$answer"
  # 23: it could not write all of it.
  if [ "$bytes" -ge "$limit" ]; then end='~' code=0; fi
  [ $code = 0 ] || no "${answer:-curl ended with exit code $code}"
}

bytes_of() {
  local LC_ALL=C
  bytes=${#1}
}

reply() {
  local rest piece
  [ -n "$answer" ] || no "the connection was closed without an answer"
  bytes_of "$answer"
  rest=$answer
  while [ -n "$rest" ]; do
    piece=${rest:0:500}
    rest=${rest:500}
    piece=${piece//\\/\\\\}
    piece=${piece//$'\n'/\\n}
    printf '%s + %s\n' "$number" "${piece//$'\r'/\\r}"
  done
  printf '%s %s %s\n' "$number" "$end" "$bytes"
}

# Whether a process of this host is there: of the same user, so that it may be asked.
ask_process() {
  answer=gone
  ! kill -0 "$port" || answer=there
  printf '%s ! %s\n' "$number" "$answer"
  exit 0
} 2>/dev/null

# Docker's proxy takes connections also where nobody listens in the container, and then closes them.
ask_connect() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || no "nothing accepts connections on port $port"
  IFS= read -r -t 0.3 -N 1 answer <&3
  [ $? -gt 128 ] || [ -n "$answer" ] || no "port $port takes connections and closes them at once"
  printf '%s ! open\n' "$number"
  exit 0
} 2>/dev/null

while IFS=$'\t' read -r number scheme port seconds host path headers; do
  {
    answer='' end='='
    "ask_$scheme"
    reply
  } &
done
# shellcheck disable=SC2046 # a list of ids
kill $(jobs -p) 2>/dev/null
