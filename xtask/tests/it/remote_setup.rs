//! `setup` on servers as they are: it says "ready" only where it has tried, and changes nothing else.

use crate::support::server::{Compose, Server, said};
use crate::support::site::Site;
use crate::support::team::Team;

const SITE: &str = "/etc/nginx/sites-enabled/gifty";

/// Runs the script of `setup` on the server, after some lines of a person's own.
fn set_up(server: &Server, site: &Site, mode: &str, before: &str) -> Result<(), String> {
    let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
    let output = server.try_root(&format!("{before}\n{script}"));
    let text = said(&output);
    assert_eq!(output.status.success(), text.contains("this server is ready"), "{text}");
    if output.status.success() { Ok(()) } else { Err(text) }
}

/// What of nginx and of the folder a set-up could have changed.
fn state(server: &Server) -> String {
    server.root("find /etc/nginx -type f -o -type l | sort | xargs ls -ld --time-style=+; find /etc/nginx -type f | sort | xargs cat | sha256sum")
}

fn refused(server: &Server, site: &Site, mode: &str, parts: &[&str]) {
    let before = state(server);
    let told = set_up(server, site, mode, "").unwrap_err();
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(state(server), before, "a set-up that was refused changed something: {told}");
}

#[test]
fn a_server_is_ready_only_where_that_was_tried() {
    let server = Server::start(Compose::V2);
    let site = Site::not_set_up(&server);
    // nginx does not read the folder of sites.
    server.root("cp /etc/nginx/nginx.conf /opt/nginx.conf; sed -i '/sites-enabled/d' /etc/nginx/nginx.conf");
    refused(&server, &site, "instant", &["nginx does not read", "include /etc/nginx/sites-enabled/*"]);
    server.root("cp /opt/nginx.conf /etc/nginx/nginx.conf");
    // As the old guide had it.
    server.root(&format!("printf 'include /etc/nginx/conf.d/gifty_upstream.conf;\\nserver {{ listen 80; server_name api.example; location / {{ proxy_pass http://gifty_backend; }} }}\\n' >{SITE}"));
    refused(&server, &site, "reload", &["which nginx reads by itself already", "Remove that line"]);
    a_backend_of_another_name_serves_on(&server, &site);
    server.root(&format!("rm {SITE}"));
    refused_for_a_name_that_is_not_there(&server, &site);

    // A login that makes files nobody else may read, and a sudo that wants a terminal.
    server.root("echo 'Defaults requiretty' >/etc/sudoers.d/terminal; chmod 0440 /etc/sudoers.d/terminal");
    set_up(&server, &site, "reload", "umask 077").unwrap();
    let first = site.deploy();
    assert_eq!(first["receipt"]["failed"], 0, "{first}");
    site.new_version("the second");
    site.deploy();
    site.status();
    a_link_of_the_user_is_not_followed(&server, &site);

    a_set_up_waits_for_a_deploy(&server, &site);
    the_port_of_what_serves_stays(&server, &site, "reload");

    // From one way of switching to the other and back, while it serves.
    let live = site.status()["live_slot"].clone();
    server.root(&format!("cp {SITE} /opt/site; sed -i 's|proxy_pass http://gifty_backend;|proxy_pass http://$gifty_backend;|; s|client_max_body_size.*|&\\n    include /etc/nginx/snippets/gifty-switch.conf;|' {SITE}"));
    set_up(&server, &site, "instant", "umask 077").unwrap();
    let status = site.status();
    assert_eq!((&status["mode"], &status["live_slot"]), (&"instant".into(), &live), "{status:#}");
    site.new_version("by a flag");
    site.deploy();
    the_port_of_what_serves_stays(&server, &site, "instant");
    let live = site.status()["live_slot"].clone();
    refused(&server, &site, "reload", &["lacks what reload mode needs"]);
    server.root(&format!("cp /opt/site {SITE}"));
    set_up(&server, &site, "reload", "").unwrap();
    let status = site.status();
    assert_eq!((&status["mode"], &status["live_slot"]), (&"reload".into(), &live), "{status:#}");
    site.new_version("by a reload again");
    site.deploy();
    what_is_anothers_stays_so(&server);
    // nginx in another place, as one that was built by hand.
    server.root("mv /usr/sbin/nginx /usr/local/sbin/nginx");
    set_up(&server, &site, "reload", "").unwrap();
    site.new_version("by an nginx elsewhere");
    site.deploy();
    site.status();
}

fn refused_for_a_name_that_is_not_there(server: &Server, site: &Site) {
    let script = site.xtask(&["setup", "--user", "nobody-here"]).must_end_with(0).stdout;
    let output = server.try_root(&script);
    assert!(said(&output).contains("there is no user nobody-here"), "{}", said(&output));
}

/// An API that no compose project of this name started, behind an upstream that a person wrote.
fn a_backend_of_another_name_serves_on(server: &Server, site: &Site) {
    let upstream = "/etc/nginx/conf.d/gifty_upstream.conf";
    server.root(&format!(
        "setsid perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:8000\", Listen => 5) or die; sleep 600' \
         </dev/null >/dev/null 2>&1 & echo $! >/opt/api\n\
         for _ in {{1..50}}; do (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null && break; sleep 0.1; done\n\
         printf 'upstream gifty_backend {{ server 127.0.0.1:8000; }}\\n' >{upstream}\n\
         printf 'server {{ listen 80; server_name api.example; location / {{ proxy_pass http://gifty_backend; }} }}\\n' >{SITE}"
    ));
    let told = ["gifty serves on port 8000 now", "set it to 8000 (`slots` in deploy.toml)"];
    refused(server, site, "reload", &told);
    server.root(&format!("kill $(cat /opt/api); rm {upstream}"));
}

/// `slots` in deploy.toml, or the file of nginx, is changed while a slot serves.
fn the_port_of_what_serves_stays(server: &Server, site: &Site, mode: &str) {
    let toml = std::fs::read_to_string(site.root().join("deploy.toml")).unwrap();
    let status = site.status();
    let slots = status["slots"].as_array().unwrap();
    let [live, free] = [true, false].map(|live| slots.iter().find(|slot| slot["live"] == live).unwrap());
    let name = |slot: &serde_json::Value| slot["slot"].as_str().unwrap().to_owned();
    let given = |port: &str| format!("{toml}\n[slots]\n{} = {port}\n{} = 8111\n", name(live), name(free));
    site.write("deploy.toml", &given("8110"));
    let port = live["port"].to_string();
    refused(server, site, mode, &[&format!("serves on port {port} now"), &format!("set it to {port} (`slots`")]);
    site.xtask(&["deploy", "--skip-tests"]).must_end_with(4).must_say(&["nothing was touched"]);

    site.write("deploy.toml", &given(&port));
    set_up(server, site, mode, "").unwrap();
    site.new_version("on another port");
    assert_eq!(site.deploy()["slot"], name(free));
    site.write("deploy.toml", &toml);
    set_up(server, site, mode, "").unwrap();
    let status = site.status();
    assert!(status["slots"].to_string().contains("8111"), "a set-up has forgotten the ports: {status:#}");

    let file = server.root("readlink -f /etc/nginx/conf.d/gifty_upstream.conf");
    let file = file.trim();
    for other in ["9", "1\\1"] {
        server.root(&format!(
            "cp -a {file} /opt/upstream\nsed -i 's/127.0.0.1:\\(8[0-9]*\\);/127.0.0.1:{other};/' {file}"
        ));
        let told = site.xtask(&["status"]).must_end_with(20);
        assert!(told.stdout.contains("serves on port 8111") || told.stdout.contains("nginx was asked"), "{told}");
        refused(server, site, mode, &["answers now, and nginx would lead to port", "where nobody listens"]);
        server.root(&format!("cp -a /opt/upstream {file}"));
        site.status();
    }
}

/// Which slot is live may change while a deploy is at work.
fn a_set_up_waits_for_a_deploy(server: &Server, site: &Site) {
    site.new_version("during a set-up");
    let deploy = site.deploy_up_to("Build the images");
    set_up(server, site, "reload", "").unwrap();
    let log = deploy.log();
    assert!(log.contains("Stop slot") || log.contains("Prune"), "the set-up did not wait: {log}");
    deploy.end().must_end_with(0);
    site.status();
}

/// Another environment's files and its site's name stay its own.
fn what_is_anothers_stays_so(server: &Server) {
    let toml = |url: &str, nginx: &str| {
        format!(
            "[project]\nname = \"shop\"\napp = \"backend\"\nweb = \"api\"\nworkers = [\"worker\"]\n[environments.prod]\nssh = true\n\
             folder = \"/srv/shop\"\nurl = \"http://{url}\"\nnginx = {nginx}\n"
        )
    };
    for mode in ["instant", "reload"] {
        let shop = Site::new_project(server, &toml("api.example", "{}"));
        refused(server, &shop, mode, &["another site of this nginx has the name api.example too"]);
        let copied = "{ upstream_file = \"/etc/nginx/conf.d/gifty_upstream.conf\" }";
        shop.write("deploy.toml", &toml("shop.example", copied));
        refused(server, &shop, mode, &["gifty_upstream.conf is of the environment gifty", "files named after shop"]);
        // The name, the folder, or a folder inside, of the one that is there.
        let of = |name: &str, folder: &str| {
            toml("shop.example", "{}").replace("\"shop\"", &format!("\"{name}\"")).replace("/srv/shop", folder)
        };
        shop.write("deploy.toml", &of("gifty", "/srv/shop"));
        refused(server, &shop, mode, &["of the environment in /app/gifty-backend", "the name gifty is taken"]);
        shop.write("deploy.toml", &of("shop", "/app/gifty-backend"));
        refused(server, &shop, mode, &["the folder /app/gifty-backend is of another environment"]);
        shop.write("deploy.toml", &of("shop", "/app/gifty-backend/inside"));
        refused(server, &shop, mode, &["lies in /app/gifty-backend"]);
    }
}

/// Root writes nothing through what the deploying user can change.
fn a_link_of_the_user_is_not_followed(server: &Server, site: &Site) {
    let shadow = "stat -c '%U %a %s' /etc/shadow; sha256sum </etc/shadow";
    let before = server.root(shadow);
    let upstream = server.root("cat /app/gifty-backend/live/upstream.conf");
    for place in ["live/upstream.conf.new", "live/green", "live/upstream.conf"] {
        server.root(&format!("cd /app/gifty-backend; runuser -u deploy -- ln -sfn /etc/shadow {place}"));
        let _whatever = set_up(server, site, "reload", "");
        assert_eq!(server.root(shadow), before, "{place} led root to a file of the host");
        server.root(&format!("cd /app/gifty-backend; rm -f {place}"));
        server.root(&format!("cat >/app/gifty-backend/live/upstream.conf <<'FILE'\n{upstream}FILE\nchown deploy: /app/gifty-backend/live/upstream.conf"));
    }
    set_up(server, site, "reload", "").unwrap();
    site.status();
}
