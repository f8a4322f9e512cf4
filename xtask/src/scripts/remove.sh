# Removes everything of a slot that does not serve: a failed version must not run on, nor restart for ever.
project=$1 slot=$2
containers=$(docker ps -aq --filter "label=com.docker.compose.project=$project-$slot" --filter "label=deploy.project=$project")
# shellcheck disable=SC2086 # a list of ids
[ -z "$containers" ] || docker rm -f $containers >/dev/null
