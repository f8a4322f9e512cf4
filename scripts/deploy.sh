#!/usr/bin/env bash
# The old entry point, kept for people and jobs that call it: the same as `cargo xtask deploy`.
#
# It used to run on the server, in the copied code, with no arguments. Now the tool runs where the repository is (a
# checkout, or CI) and reaches the server over SSH. DEPLOY_ENV, or `--env`, says where to; without them it is `prod`, as
# it always was. Arguments are those of `cargo xtask deploy`, and so is the exit code.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:$HOME/.cargo/bin"
if ! command -v cargo >/dev/null || ! git rev-parse --git-dir >/dev/null 2>&1; then
  echo "deploy.sh: a deploy starts in a git checkout on a machine with cargo, not in the code on the server." >&2
  echo "Push to main, or run there: cargo xtask deploy --env prod" >&2
  exit 4
fi
case " $* " in
  *" --env "* | *" --env="*) exec cargo xtask deploy "$@" ;;
  *) exec cargo xtask deploy --env "${DEPLOY_ENV:-prod}" "$@" ;;
esac
