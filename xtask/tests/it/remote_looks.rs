//! A site is asked before the first step as it will be asked after the switch: what would fail then is told now.

use serde_json::Value;

use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::site::Site;
use crate::support::team::Team;

const SITE: &str = "/etc/nginx/sites-enabled/gifty";

fn serving(site: &Site) -> (Value, Value) {
    let status = site.xtask(&["status", "--json"]).json();
    (status["live_slot"].clone(), status["live_release"].clone())
}

/// Each is a site as people write it; none is touched, and the traffic does not move.
#[test]
fn a_site_that_could_not_be_verified_is_told_first() {
    on_a_server(Compose::V2, |server, site| {
        site.new_version("that can be gone back from");
        site.deploy();
        site.new_version("behind sites of all kinds");
        let before = serving(site);
        server.root(&format!("cp {SITE} /opt/site"));
        let with = |change: &str| {
            server.root(&format!("sed -i {change} {SITE}\nnginx -t 2>/dev/null\nnginx -s reload\nsleep 0.5"))
        };
        let back = || server.root(&format!("cp /opt/site {SITE}\nnginx -s reload\nsleep 0.5"));
        for (change, parts) in [
            (
                "'s/location \\/ {/location \\/ { allow 10.0.0.0\\/8; deny all;/'",
                &["healthy on its own port", "status 403", "let 127.0.0.1 pass"][..],
            ),
            ("'s/location \\/ {/location \\/api\\/ {/'", &["healthy on its own port", "status 404", "`url` in"]),
            (
                "'s/server_name .*/server_name other.example;/; s/listen 80;/listen 81;/'",
                &["http://api.example/health", "nginx -T"],
            ),
        ] {
            with(change);
            for command in [&["deploy", "--skip-tests"][..], &["rollback"]] {
                let refused = site.xtask(command).must_end_with(4);
                refused.must_say(&["nothing was touched"]).must_say(parts);
            }
            site.xtask(&["status"]).must_end_with(20);
            back();
            assert_eq!(serving(site), before, "the traffic moved, or the live version changed");
        }
        // Below a path that nginx takes off, the address is told with the path.
        with(
            "'s/location \\/ {/location \\/api\\/ {/; s/proxy_pass http:\\/\\/gifty_backend;/proxy_pass http:\\/\\/gifty_backend\\/;/'",
        );
        site.configure("url = \"http://api.example\"", "url = \"http://api.example/api\"");
        let report = site.deploy();
        assert_eq!(report["receipt"]["failed"], 0, "{report}");
        site.status();
        site.configure("url = \"http://api.example/api\"", "url = \"http://api.example\"");
        back();

        // By hand, somebody has led another location to a slot's own port.
        with("'s/location \\/ {/location \\/admin { proxy_pass http:\\/\\/127.0.0.1:8000; }\\n    location \\/ {/'");
        let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        refused.must_say(&["past the switch", "location /admin { proxy_pass http://127.0.0.1:8000; }"]);
        back();
        site.status();
    });
}

/// A site that limits requests turns our own away too; that says nothing of the version behind it.
#[test]
fn a_limit_of_the_site_is_no_fault_of_the_version() {
    on_a_server(Compose::V2, |server, site| {
        server.root(&format!(
        "cp {SITE} /opt/site\nsed -i '1i limit_req_zone $binary_remote_addr zone=few:1m rate=2r/s;' {SITE}\n\
         sed -i 's/location \\/ {{/location \\/ {{ limit_req zone=few burst=3 nodelay;/' {SITE}\nnginx -t 2>/dev/null\nnginx -s reload"
    ));
        site.configure("bake = 1", "bake = 4");
        site.new_version("behind a limit");
        let report = site.deploy();
        assert_eq!(report["receipt"]["failed"], 0, "{report}");
        assert!(report["receipt"]["turned_away"].as_u64().unwrap() > 0, "the limit was not met: {report}");
        // Without a limit it would be 20 a second.
        let (sent, seconds) = (report["receipt"]["requests"].as_f64().unwrap(), report["seconds"].as_f64().unwrap());
        assert!(sent < 10.0 * seconds, "the rate did not give way: {sent} requests in {seconds} s");
        site.configure("bake = 4", "bake = 1");
        server.root(&format!("cp /opt/site {SITE}\nnginx -s reload"));
        site.status();
    });
}

/// A worker that does not keep running is seen by the deploy and by `status`.
#[test]
fn a_worker_that_restarts_for_ever_is_seen() {
    on_a_server(Compose::V2, |server, site| {
        let before = serving(site);
        site.change(
            "backend/docker-compose.yml",
            "command: [\"python\", \"worker.py\"]",
            "command: [\"sh\", \"-c\", \"sleep 0.3; exit 3\"]",
        );
        let failed = site.xtask(&["deploy", "--skip-tests"]).must_end_with(18);
        failed.must_say(&["these workers do not keep running"]);
        assert_eq!(serving(site), before);
        site.change(
            "backend/docker-compose.yml",
            "command: [\"sh\", \"-c\", \"sleep 0.3; exit 3\"]",
            "command: [\"python\", \"worker.py\"]",
        );
        site.deploy();
        server.root(
            "docker stop -t 1 $(docker ps -q --filter label=com.docker.compose.project=gifty-workers) >/dev/null",
        );
        let status = site.xtask(&["status"]).must_end_with(20);
        assert!(status.stdout.contains("the worker worker"), "{status}");
        site.deploy();
        site.status();
    });
}
