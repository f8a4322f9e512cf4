# Gives the work back to the workers that compose had started before the first deploy.
remove_containers "label=com.docker.compose.project=$1-workers"
# shellcheck disable=SC2119 # all of them
give_back
