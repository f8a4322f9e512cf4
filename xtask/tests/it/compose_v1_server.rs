//! A server with docker-compose v1.29 whose nginx looks for a flag file: the stories that need no more than this, one
//! after the other on one server.

use crate::support::secrets::only_releases_hold_secrets;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::{remote_access, remote_connection, remote_deploy, remote_nginx, remote_secrets};

#[test]
fn compose_v1_and_a_flag() {
    let mut server = Server::start(Compose::V1);
    let mut site = Site::new(&server, "instant");
    remote_access::the_user_may_do_two_things_as_root(&server);
    remote_access::an_unknown_host_key_is_shown_and_kept(&server, &site);
    remote_deploy::the_first_deploy_needs_no_preparation(&server, &site);
    remote_deploy::deploy_and_rollback_under_load(&server, &site, remote_deploy::Clients::AlsoKeepAlive);
    remote_secrets::the_watch_sees_what_is_shown();
    remote_secrets::a_deploy_shows_no_secret(&server, &site);
    remote_secrets::a_killed_deploy_leaves_no_session(&server, &site);
    remote_access::a_cut_network_frees_the_lock(&server, &site);
    remote_connection::a_login_changes_nothing(&server, &site);
    remote_connection::a_login_shell_of_another_language_changes_nothing(&server, &site);
    remote_connection::a_killed_shell_is_noticed(&server, &site);
    remote_connection::a_host_that_takes_no_more_is_noticed(&server, &site);
    remote_connection::a_server_that_does_not_take_what_is_needed_is_named(&server, &site);
    remote_connection::a_persons_ssh_settings_lead_to_the_host_and_no_further(&server, &mut site);
    remote_connection::odd_folders_and_keys_are_taken_or_named(&server, &mut site);
    remote_nginx::a_site_with_tls_only_is_verified_by_its_name(&server, &site);
    only_releases_hold_secrets(&server);
    remote_deploy::the_live_slot_survives_a_power_cut(&mut server, site);
}
