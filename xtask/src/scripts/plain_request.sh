# Asks a port of this machine for a path under a name, and prints the answer; nothing where there is none.
ask() { { exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$3" >&3 && timeout 5 cat <&3; } 2>/dev/null || true; }
