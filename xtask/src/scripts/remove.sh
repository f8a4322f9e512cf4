# Removes everything of a slot that does not serve: a failed version must not run on, nor restart for ever.
project=$1 slot=$2
# Looks again: docker may still be making the container of a command that has been ended already.
for pause in 0.3 0.3 0; do
  remove_containers "label=com.docker.compose.project=$project-$slot" "label=deploy.project=$project"
  remove_containers "label=com.docker.compose.project=$project-workers" status=created
  sleep "$pause"
done
