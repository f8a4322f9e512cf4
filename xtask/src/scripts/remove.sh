# Removes everything of a slot that does not serve: a failed version must not run on, nor restart for ever.
project=$1 slot=$2
remove_containers "com.docker.compose.project=$project-$slot" "deploy.project=$project"
