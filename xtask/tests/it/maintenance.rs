//! `maintenance on` and `off`: the site is closed without a reload, and only for those who are not let in.

use std::process::Command;

use crate::support::load::{Address, BOTH, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::team::Team;

/// What curl gives for a request to the site: the answer with its head.
fn curl(address: &Address, words: &[&str], path: &str) -> String {
    let host = format!("Host: {}", address.host);
    let url = format!("http://127.0.0.1:{}{path}", address.port);
    let output = Command::new("curl").args(["-sS", "-i", "-H", &host]).args(words).arg(url).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_site_that_is_closed_says_so_to_all_but_health_checks_and_opens_again() {
    let project = Project::new("instant");
    project.deploy();
    let address = project.address();
    let maintenance = |words: &[&str]| project.xtask(&[&["maintenance"], words].concat());
    maintenance(&["on", "--message", "Back at <six>.", "--until", "90m"]).must_end_with(0);
    for (words, path) in [
        (&[][..], "/api/v1/interests"),
        (&["-X", "POST", "-d", "a=b"], "/api/v1/interests"),
        (&["-I"], "/"),
        (&[], "/no/such/path?x=1"),
    ] {
        let answer = curl(&address, words, path);
        assert_eq!(status_of(&answer), 503, "{answer}");
        assert!(
            answer.contains("Retry-After: ")
                && answer.contains(" GMT\r\n")
                && answer.contains("Cache-Control: no-store"),
            "{answer}"
        );
        assert!(words == ["-I"] || answer.contains("Back at &lt;six&gt;."), "{answer}");
    }
    assert_eq!(status_of(&curl(&address, &[], "/health")), 200);
    // Its own places are nobody's.
    let site = std::fs::read_to_string(project.server("nginx/site.conf")).unwrap();
    let own: Vec<&str> =
        site.lines().filter_map(|line| line.trim().strip_prefix("location = ")?.strip_suffix(" {")).collect();
    assert_eq!(own.len(), 2, "{site}");
    for path in own {
        assert_eq!(get(&address, path).unwrap().status, 404, "{path}");
    }
    let status = project.status();
    assert!(status["maintenance"]["until"].as_str().unwrap().ends_with(" GMT"), "{status:#}");

    // A deploy goes on, and opens nothing.
    project.new_version("while the site is closed");
    let deployed = project.deploy();
    assert_eq!(deployed["receipt"]["failed"], 0, "{deployed:#}");
    assert_eq!(get(&address, "/api/v1/interests").unwrap().status, 503);
    project.xtask(&["rollback"]).must_end_with(0);
    maintenance(&["off"]).must_end_with(0);
    assert_eq!(
        (get(&address, "/api/v1/interests").unwrap().status, &project.status()["maintenance"]),
        (200, &serde_json::Value::Null)
    );
    let load = Load::start(&address, &BOTH, 40);
    maintenance(&["off"]).must_end_with(0);
    assert_none_failed("a site that is open again", &load.finish(), &BOTH);
}

#[test]
fn a_site_that_is_closed_is_open_for_those_who_are_let_in() {
    let project = Project::new("instant");
    project.deploy();
    let address = project.address();
    let maintenance = |words: &[&str]| project.xtask(&[&["maintenance"], words].concat());
    maintenance(&["on", "--until", "90m"]).must_end_with(0);
    // Done again, it takes the place of what was.
    let page = project.root().join("page.html");
    std::fs::write(&page, "<p>a page of our own</p>").unwrap();
    maintenance(&["on", "--page", page.to_str().unwrap()]).must_end_with(0);
    let answer = curl(&address, &[], "/api/v1/interests");
    assert!(answer.contains("a page of our own") && !answer.contains("Retry-After"), "{answer}");
    for (network, status) in [
        ("127.0.0.1", 200),
        ("10.0.0.0/8", 503),
        ("127.0.0.0/9", 200),
        ("::1", 503),
        ("127.0.1.0/24", 503),
        ("127.0.0.0/31", 200),
    ] {
        maintenance(&["on", "--allow", "192.0.2.1", "--allow", network]).must_end_with(0);
        assert_eq!(get(&address, "/api/v1/interests").unwrap().status, status, "{network}");
    }
    let told = project.xtask(&["status"]).must_end_with(0);
    assert!(
        told.stdout.contains("open for 127.0.0.0, 127.0.0.1, 192.0.2.1; `maintenance off` opens the site"),
        "{told}"
    );

    maintenance(&["off"]).must_end_with(0);
    for (words, code, says) in [
        (&["on", "--until", "yesterday"][..], 2, "a time that is still to come"),
        (&["on", "--until", "2020-01-01T00:00:00Z"], 2, "a time that is still to come"),
        (&["on", "--allow", "../on"], 2, "neither an address nor a network"),
        (&["on", "--allow", "2001:db8::/32"], 2, "single addresses"),
        (&["on", "--page", "no-such-file"], 1, "no-such-file"),
    ] {
        maintenance(words).must_end_with(code).must_say(&[says]);
    }
    assert_eq!(get(&address, "/api/v1/interests").unwrap().status, 200);
}

#[test]
fn in_reload_mode_a_site_is_not_closed() {
    let project = Project::new("reload");
    project.deploy();
    project.xtask(&["maintenance", "on"]).must_end_with(4).must_say(&["in reload mode", "--mode instant"]);
    project.xtask(&["maintenance", "off"]).must_end_with(0);
    assert_eq!(get(&project.address(), "/api/v1/interests").unwrap().status, 200);
}

/// A server that was set up by an earlier version works as before, and learns more by being set up again.
#[test]
fn an_older_set_up_works_as_before_and_says_what_it_lacks() {
    on_a_server(Compose::V1, |server, site| {
        let ask = "curl -s -o /dev/null -w '%{http_code}' -H 'Host: api.example' http://127.0.0.1/api/v1/interests";
        server.root(
            "sed -i '/X-Deploy-Routes/d; /_requests/d; /^map /,/^}/d; /^split_clients /,/^}/d' /etc/nginx/conf.d/gifty_upstream.conf\n\
             flag=$(sed -n 's/^if (-f \\(.*\\)) { set $gifty_backend_slot green; }$/\\1/p' /etc/nginx/snippets/gifty-switch.conf | head -n 1)\n\
             printf 'open_file_cache off;\\nset $gifty_backend gifty_backend_blue;\\nif (-f %s) { set $gifty_backend gifty_backend_green; }\\n\
             proxy_request_buffering off;\\nproxy_http_version 1.1;\\n' \"$flag\" >/etc/nginx/snippets/gifty-switch.conf\n\
             nginx -t -q && nginx -s reload",
        );
        site.new_version("on a server of before");
        site.deploy();
        site.xtask(&["maintenance", "on"]).must_end_with(4).must_say(&["`cargo xtask setup --env prod` once more"]);
        site.new_version("to be held");
        let held = site.xtask(&["deploy", "--hold", "--skip-tests"]).must_end_with(0);
        assert!(
            held.stdout.contains("`cargo xtask setup --env prod` once more")
                && held.stdout.contains("tunnel   ssh -N -L"),
            "{held}"
        );
        site.xtask(&["abort"]).must_end_with(0);

        let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        site.xtask(&["maintenance", "on"]).must_end_with(0);
        assert_eq!(server.root(ask).trim(), "503");
        server.root("nginx -s stop; sleep 1; nginx");
        assert_eq!(server.root(ask).trim(), "503", "after nginx was started again");
        site.xtask(&["maintenance", "off"]).must_end_with(0);
        assert_eq!(server.root(ask).trim(), "200");

        // The tunnel works as it is printed, for who has a key.
        let held = site.xtask(&["deploy", "--hold", "--skip-tests", "--json"]).must_end_with(0).json();
        let (tunnel, address) =
            (held["preview"]["tunnel"].as_str().unwrap(), held["preview"]["address"].as_str().unwrap());
        let options = format!(
            "-i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            server.key_file().display()
        );
        let tunnel = tunnel.replacen("ssh ", &format!("exec ssh {options} "), 1);
        let mut tunnel = Command::new("bash").args(["-c", &tunnel]).spawn().unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let release = (0..50).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            get(&Address { port, host: "api.example".to_owned() }, "/health").ok()
        });
        tunnel.kill().unwrap();
        tunnel.wait().unwrap();
        assert!(release.unwrap().body.contains(held["release"].as_str().unwrap()));
        let header = held["preview"]["header"].as_str().unwrap();
        let answer = server.root(&format!("curl -s -H 'Host: api.example' -H '{header}' http://127.0.0.1/health"));
        assert!(answer.contains(held["release"].as_str().unwrap()), "{answer}");
        site.xtask(&["promote"]).must_end_with(0);

        // The server's own requests are of a client too, and are led to the version that has nearly all.
        site.new_version("with nearly all clients");
        site.xtask(&["deploy", "--hold", "--skip-tests"]).must_end_with(0);
        site.xtask(&["canary", "set", "99%"]).must_end_with(0);
        site.status();
        site.new_version("deployed all the same");
        site.deploy();
    });
}
