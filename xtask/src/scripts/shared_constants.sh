# Constants that these scripts share with the program that sends them; each is defined here alone (rules/shared_constants.rs).
# shellcheck disable=SC2034 # not every script needs all of them
label_project=deploy.project label_folder=deploy.folder label_slot=deploy.slot label_release=deploy.release label_definition=deploy.definition label_static=deploy.static
lock_file=deploy.lock record_file=deploys.jsonl manifest_file=manifest.json flag_file=live/green live_upstream_file=live/upstream.conf
base_file=compose.base.json build_file=compose.build.json secret_files=secret-files static_folder=live/static routes_folder=live/routes maintenance_folder=live/maintenance count_file=live/count-
user_mark=cargo-xtask-deploy # of a user that was made for this, as its comment in passwd
warning_mark=deploy-warns:
files_not_as_shipped=75 compose_refuses=76 # exit codes
