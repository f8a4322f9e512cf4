//! An nginx that is not as it should be, and one that serves TLS only.

use crate::support::server::{Compose, Server};
use crate::support::shared_server::on_a_server;
use crate::support::team::Team;

/// The slot, release and containers that serve, and the file that says so.
fn serving(server: &Server) -> String {
    let containers = "docker ps -q --no-trunc --filter label=deploy.project=gifty | sort";
    server.root(&format!("cat /app/gifty-backend/live/upstream.conf\n{containers}\nexec 3<>/dev/tcp/127.0.0.1/8002; printf 'GET / HTTP/1.0\\r\\nHost: gifty.deploy\\r\\n\\r\\n' >&3; tail -n 1 <&3"))
}

/// Without the two rules of sudo, a deploy ends before it has touched anything, and says which rules.
#[test]
fn a_missing_sudo_rule_is_found_first() {
    on_a_server(Compose::V2, |server, site| {
        let before = serving(server);
        let rules = "/etc/sudoers.d/gifty-deploy";
        server.root(&format!("mv {rules} /opt/rules"));
        let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        refused.must_say(&["nothing was touched", "sudo nginx -t", "sudo nginx -s reload", "cargo xtask setup"]);
        // The test alone is not enough.
        server.root(&format!("sed 's/, .*//' /opt/rules >{rules}; chmod 0440 {rules}"));
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(4).must_say(&["sudo nginx -s reload"]);
        server.root(&format!("mv -f /opt/rules {rules}"));
        assert_eq!(serving(server), before);
        site.status();
    });
}

/// Where processes of others are hidden, nginx runs all the same; and one in a container is not the host's.
#[test]
fn nginx_is_known_by_its_own_file() {
    on_a_server(Compose::V2, |server, site| {
        server.root("mount -o remount,hidepid=2 /proc");
        let hidden = server.try_deploy_user("pgrep -x nginx");
        assert!(!hidden.status.success(), "processes of others are not hidden");
        site.status();
        server.root("mount -o remount,hidepid=0 /proc");

        let stop = "nginx -s stop; for _ in {1..100}; do pgrep -x nginx >/dev/null || break; sleep 0.05; done; ! pgrep -x nginx";
        server.root(&format!(
        "{stop}\ncp /etc/nginx/nginx.conf /opt/nginx.conf\nsed -i 's|^pid .*|pid /run/elsewhere.pid;|' /etc/nginx/nginx.conf\n\
         grep -q elsewhere /etc/nginx/nginx.conf\nnginx"
    ));
        site.status();
        server.root(&format!("{stop}\ncp /opt/nginx.conf /etc/nginx/nginx.conf"));

        server.root(
        "image=$(docker ps --format '{{.Image}}' | grep -m 1 gifty-api)\n\
         docker run -d --init --name of-a-container --entrypoint sh \"$image\" -c 'cd \"$(mktemp -d)\" && cp /bin/sleep nginx && exec ./nginx 600'\n\
         for _ in {1..100}; do pgrep -x nginx && exit 0; sleep 0.05; done; exit 1",
    );
        let told = site.xtask(&["status"]).must_end_with(20);
        assert!(told.stdout.contains("nginx does not run"), "{told}");
        site.xtask(&["deploy", "--skip-tests"])
            .must_end_with(4)
            .must_say(&["nginx does not run", "nothing was touched"]);
        server.root("docker rm -f of-a-container; nginx");
        site.status();
    });
}

/// Another site's mistake, made before a deploy or while one runs: the live slot serves on, and the upstream file is as
/// it was, so that nobody else's reload moves the traffic later.
#[test]
fn a_configuration_that_nginx_refuses_moves_nothing() {
    on_a_server(Compose::V2, |server, site| {
        let before = serving(server);
        let spoil = "echo 'nonsense on;' >/etc/nginx/conf.d/of-another-site.conf";
        let mend = "rm /etc/nginx/conf.d/of-another-site.conf";

        server.root(spoil);
        site.xtask(&["deploy", "--skip-tests"])
            .must_end_with(4)
            .must_say(&["nothing was touched", "unknown directive"]);
        site.xtask(&["status"]).must_end_with(20);
        server.root(mend);

        site.new_version("of which nginx will know nothing");
        let deploy = site.deploy_up_to("Hook before boot");
        server.root(spoil);
        let refused = deploy.end().must_end_with(17);
        let refused = refused.must_say(&["unknown directive", "the previous upstream file is back"]);
        assert!(!refused.stderr.contains("could not undo"), "{refused}");
        server.root(mend);
        assert_eq!(serving(server), before);
        site.status();
    });
}

/// The site listens on 443 only, on a name that resolves nowhere, with a certificate that nobody signed; another site is
/// the default one there.
#[test]
fn a_site_with_tls_only_is_verified_by_its_name() {
    on_a_server(Compose::V1, |server, site| {
        server.root(
        "cd /etc/nginx\n\
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop.invalid \
           -keyout tls.key -out tls.crt 2>/dev/null\n\
         cp -a sites-enabled/gifty /opt/site\n\
         sed -i 's/listen 80;/listen 443 ssl; ssl_certificate tls.crt; ssl_certificate_key tls.key;/; \
           s/server_name .*/server_name shop.invalid;/' sites-enabled/gifty\n\
         echo 'server { listen 443 ssl default_server; ssl_certificate tls.crt; ssl_certificate_key tls.key; return 404; }' \
           >conf.d/default.conf\n\
         nginx -t 2>/dev/null\n\
         nginx -s reload\n\
         for _ in {1..100}; do (exec 3<>/dev/tcp/127.0.0.1/80) 2>/dev/null || exit 0; sleep 0.05; done; exit 1",
    );
        site.configure("http://api.example", "https://shop.invalid");
        site.new_version("behind TLS");
        let report = site.deploy();
        let requests = report["receipt"]["requests"].as_u64().unwrap();
        assert!(requests > 20, "{report}");
        assert_eq!(report["receipt"]["failed"], 0, "{report}");
        println!("TLS only: {requests} requests by name, 0 failed");
        let status = site.status();
        assert_eq!(status["live_release"], report["release"]);
        // The receipt is of that site: the default one gives 404 by any other name.
        site.configure("https://shop.invalid", "https://other.invalid");
        site.xtask(&["status"]).must_end_with(20);

        site.configure("https://other.invalid", "http://api.example");
        server.root("mv /opt/site /etc/nginx/sites-enabled/gifty; rm /etc/nginx/conf.d/default.conf; nginx -s reload");
    });
}
