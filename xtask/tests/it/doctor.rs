//! `doctor`, on a server that serves and on one that has its faults.

use serde_json::Value;

use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::site::Site;
use crate::support::team::Team;

/// The findings with this mark: what each is about, and what it says.
fn marked<'a>(diagnosis: &'a Value, mark: &str) -> Vec<(&'a str, &'a str)> {
    let findings = diagnosis["findings"].as_array().unwrap().iter().filter(|finding| finding["mark"] == mark);
    findings.map(|finding| (finding["about"].as_str().unwrap(), finding["text"].as_str().unwrap())).collect()
}

fn diagnosed(site: &Site, code: i32) -> Value {
    site.xtask(&["doctor", "--json"]).must_end_with(code).json()
}

#[test]
fn what_is_well_and_what_is_not_is_told_in_two_questions() {
    on_a_server(Compose::V2, |server, site| {
        site.new_version("before the doctor");
        site.deploy();
        let well = diagnosed(site, 0);
        assert!(marked(&well, "bad").is_empty(), "{well:#}");
        let good: Vec<&str> = marked(&well, "good").into_iter().map(|(about, _)| about).collect();
        for about in ["tools here", ".env", "compose files", "server", "clock", "site", "shares", "room", "rollback"] {
            assert!(good.contains(&about), "{about}: {well:#}");
        }
        assert!(well["round_trips"].as_u64().unwrap() <= 3, "{well:#}");
        println!("doctor: {} s, {} round trips", well["seconds"], well["round_trips"]);

        // What serves is untouched, and so is the record.
        let before = site.status();
        let previous = server.root("cd /app/gifty-backend/meta && ls -t */served | sed -n 2p");
        let previous = previous.trim().trim_end_matches("/served");
        server.root(&format!("echo '# changed' >>/app/gifty-backend/releases/{previous}/app/main.py"));
        server.root("printf 'MaxSessions 1\n' >/etc/ssh/sshd_config.d/few.conf");
        server.root("printf 'server { listen 8099; location / { proxy_pass http://127.0.0.1:8000; } }\n' >/etc/nginx/conf.d/past.conf");
        let ill = diagnosed(site, 20);
        let bad: Vec<&str> = marked(&ill, "bad").into_iter().map(|(about, _)| about).collect();
        for about in ["rollback", "sshd", "ready"] {
            assert!(bad.contains(&about), "{about}: {ill:#}");
        }
        let said = site.xtask(&["doctor"]).must_end_with(20).to_string();
        for part in ["\u{2717} sshd", "why: a deploy uses up to 4 sessions", "do:  set `MaxSessions", "app/main.py"] {
            assert!(said.contains(part), "{part}\n{said}");
        }
        server.root(&format!("sed -i '$d' /app/gifty-backend/releases/{previous}/app/main.py"));
        server.root("rm /etc/ssh/sshd_config.d/few.conf /etc/nginx/conf.d/past.conf");
        assert_eq!(site.status()["slots"], before["slots"]);
        assert!(marked(&diagnosed(site, 0), "bad").is_empty());
    });
}
