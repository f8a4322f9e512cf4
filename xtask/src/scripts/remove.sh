# Removes everything of a slot that does not serve: a failed version must not run on, nor restart for ever.
project=$1 slot_project=$2 workers_project=$3 slot=$4
rm -f "$folder/$static_folder/$slot"
# Looks again: docker may still be making the container of a command that has been ended already.
for pause in 0.3 0.3 0; do
  remove_containers "label=com.docker.compose.project=$slot_project" "label=$label_project=$project"
  remove_containers "label=com.docker.compose.project=$workers_project" status=created
  sleep "$pause"
done
