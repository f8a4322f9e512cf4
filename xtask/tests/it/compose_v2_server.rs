//! A server with docker compose v2 whose nginx is reloaded, and everything that can be wrong with a server.

use crate::support::secrets::{only_releases_hold_secrets, shows_no_secret};
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::{remote_access, remote_data, remote_deploy, remote_looks, remote_nginx, remote_ship, workflow};

#[test]
fn compose_v2_and_a_reload() {
    let server = Server::start(Compose::V2);
    let mut site = Site::new(&server, "reload");
    remote_deploy::a_backend_that_runs_already_is_taken_over(&server, &site);
    remote_deploy::deploy_and_rollback_under_load(&server, &site, remote_deploy::Clients::OneConnectionPerRequest);
    shows_no_secret(&server, || remote_deploy::a_broken_version_changes_nothing(&server, &site));
    remote_access::what_is_missing_or_wrong_is_told_first(&server, &mut site);
    remote_access::a_changed_host_key_stops_everything(&server, &mut site);
    remote_access::a_key_that_may_only_run_commands_suffices(&server, &site);
    remote_nginx::a_missing_sudo_rule_is_found_first(&server, &site);
    remote_nginx::nginx_is_known_by_its_own_file(&server, &site);
    remote_nginx::a_configuration_that_nginx_refuses_moves_nothing(&server, &site);
    remote_looks::a_site_that_could_not_be_verified_is_told_first(&server, &site);
    remote_looks::a_limit_of_the_site_is_no_fault_of_the_version(&server, &site);
    remote_looks::a_worker_that_restarts_for_ever_is_seen(&server, &site);
    remote_ship::a_release_is_sent_once(&server, &site);
    remote_ship::only_what_changed_travels(&server, &site);
    remote_ship::a_release_that_did_not_arrive_whole_is_not_there(&server, &site);
    remote_data::data_in_a_closed_folder_is_used_where_it_lies(&server, &site);
    remote_data::a_file_that_cannot_be_read_stops_no_pruning(&server, &site);
    remote_deploy::two_machines_take_turns(&server, &site);
    only_releases_hold_secrets(&server);
    workflow::the_run_lines_deploy(&server);
}
