# Replaces the workers by those of a release: each is stopped with its grace period, then started anew. Workers that
# the release no longer has go.
release=$1 project=$2 slot=$3
read -r -a compose <<<"$4"
cd "$folder/releases/$release" || fail "release $release is not on this host"
COMPOSE_ANSI=never "${compose[@]}" -p "$project-workers" -f ".compose.workers-$slot.json" up -d --no-build --remove-orphans
sleep 0.5
failed=$(docker ps -a --filter "label=com.docker.compose.project=$project-workers" --format '{{.State}} {{.Names}}' | grep -E '^(restarting|exited|dead|created) ' || true)
[ -z "$failed" ] || {
  for name in $(printf '%s\n' "$failed" | cut -d' ' -f2); do docker logs --tail 20 "$name" >&2 || true; done
  fail "these workers do not run:" "$failed"
}
