//! Static files of a release on servers that have an nginx of their own, and in the mode that reloads.

use crate::static_files::{STATIC, a_page_finds_its_files, asks_the_app, of_a_page, of_a_release_without, style};
use crate::support::load::Address;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

#[test]
fn a_page_that_was_loaded_before_a_reload_finds_its_files() {
    of_a_page("reload");
}

#[test]
fn a_release_without_static_files_answers_itself_after_a_reload() {
    of_a_release_without("reload");
}

#[test]
fn a_server_s_own_nginx_serves_them_once_it_was_set_up_for_it() {
    for (compose, mode) in [(Compose::V2, "instant"), (Compose::V1, "reload")] {
        let server = Server::start(compose);
        let site = Site::new(&server, mode);
        site.deploy();
        // A server from before: the deploy is refused until nginx knows.
        site.configure("[traffic]\n", &format!("{STATIC}[traffic]\n"));
        style(&site, 0);
        let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        refused.must_say(&["nginx does not serve /assets", "include /etc/nginx/snippets/gifty-static.conf;"]);
        let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        server.root("sed -i 's|location / {|include /etc/nginx/snippets/gifty-static.conf; location / {|' /etc/nginx/sites-enabled/gifty; nginx -s reload");
        let address = Address { port: server.http_port(), host: "api.example".to_owned() };
        // What serves until the next deploy has none: it is asked as before.
        asks_the_app(&address, "/assets/css/app.1.css");
        a_page_finds_its_files(&site, &address);
        site.status();
    }
}
