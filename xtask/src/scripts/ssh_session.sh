# Runs inside `ssh-agent`, on the deploying machine. Standard input: the private key ($1 bytes), then nothing until the
# deploying process ends. The key goes to the agent only, never to a disk. When the input closes, for whatever reason,
# ssh ends, and this shell removes the session's folder and the agent, which would see only after 10 s that it is alone.
key_bytes=$1 folder=$2
shift 2
trap 'kill "$SSH_AGENT_PID"; rm -rf "$folder"' EXIT
trap 'exit 143' TERM HUP INT
if ! head -c "$key_bytes" | SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force ssh-add -q - ; then
  echo "ssh-add refused the private key: it must be an unencrypted OpenSSH or PEM key, complete with its first and last line" >&2
  exit 97
fi
"$@"
