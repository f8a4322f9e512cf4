//! Secrets go to one place: the release's `.env` on the server. They are looked for everywhere else while a deploy runs
//! and after it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::secrets::{
    OFTEN, Watch, file_with, just_now, only_releases_hold_secrets, secrets, sessions, sessions_left,
};
use crate::support::server::{Compose, Server};
use crate::support::shared_server::on_a_server;
use crate::support::site::{SECRET_VALUES, Site, env_file};
use crate::support::team::Team;

/// The watch is worth nothing unless it sees what it is for.
#[test]
fn the_watch_sees_what_is_shown() {
    let secret = format!("shown-on-purpose-{}", std::process::id());
    let folder = tempfile::Builder::new().prefix("xtask-ssh-").tempdir().unwrap();
    let begun = just_now();
    std::fs::write(folder.path().join("left"), &secret).unwrap();
    let watch = Watch::start(std::slice::from_ref(&secret), OFTEN);
    let words = ["-c", "sleep 0.3; exit 0", "shell"];
    let shows = Command::new("sh").args(words).arg(&secret).env("PROD_SSH_KEY", &secret).status().unwrap();
    assert!(shows.success());
    let leaks = watch.finish().leaks;
    for kind in ["words of", "environment of", "file"] {
        assert!(leaks.iter().any(|leak| leak.starts_with(kind)), "{kind}: {leaks:?}");
    }
    let left = file_with(&std::env::temp_dir(), &[secret], begun);
    assert_eq!(left, Some(folder.path().join("left")));
}

/// Deploys a new version while everything that could show a secret is watched.
#[test]
fn a_deploy_shows_no_secret() {
    on_a_server(Compose::V1, |server, site| {
        let secrets = secrets(server);
        site.new_version("for a deploy that is watched");
        let begun = just_now();
        let watch = Watch::start(&secrets, OFTEN);
        let run = site.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
        let seen = watch.finish();
        assert_eq!(seen.leaks, BTreeSet::new(), "secrets were seen");
        // The server is a container of this machine, so its processes were among those looked at.
        for sign in ["ssh-agent", "docker-compose\0", "/app/gifty-backend"] {
            assert!(seen.commands.iter().any(|command| command.contains(sign)), "the watch saw no {sign:?}");
        }
        assert!(seen.session_files > 0, "the watch saw no file of the session");

        let release = run.json()["release"].as_str().unwrap().to_owned();
        for secret in &secrets {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret:?} was printed");
            let encoded = serde_json::to_string(secret).unwrap();
            let record = server.root("cat /app/gifty-backend/deploys.jsonl");
            assert!(
                !record.contains(secret) && !record.contains(encoded.trim_matches('"')),
                "{secret:?} is in the record"
            );
        }
        the_env_file_arrived(server, &release);
        nothing_stays(&secrets, begun, site);
        only_releases_hold_secrets(server);
    });
}

/// Byte for byte; and the container gets what the file says.
fn the_env_file_arrived(server: &Server, release: &str) {
    let (folder, kept) =
        (format!("/app/gifty-backend/releases/{release}"), format!("/app/gifty-backend/meta/{release}"));
    assert_eq!(server.root(&format!("cat {folder}/.env")), env_file());
    let secret_files = server.root(&format!("stat -c '%a %U %n' {kept}/env {kept}/compose.*"));
    assert!(secret_files.lines().count() >= 5, "{secret_files}");
    for file in secret_files.lines() {
        assert!(file.starts_with("600 deploy "), "{file}");
    }
    let script = format!(
        "id=$(docker ps -q --filter label=deploy.release={release} --filter publish=8000-8001)\n\
         docker exec \"$id\" python -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    );
    let environment: Value = serde_json::from_str(&server.root(&script)).unwrap();
    for (name, value) in [
        ("API_TOKEN", SECRET_VALUES[0]),
        ("EMPTY", ""),
        ("SINGLE_QUOTED", SECRET_VALUES[1]),
        ("DOUBLE_QUOTED", SECRET_VALUES[2]),
        ("NO_LINE_END", SECRET_VALUES[3]),
    ] {
        assert_eq!(environment[name], value, "{name} in the container");
    }
}

/// On this machine: no agent, no connection, no folder, and no file with a secret but the key's own.
fn nothing_stays(secrets: &[String], begun: SystemTime, site: &Site) {
    assert_eq!(sessions_left(site), Vec::<String>::new(), "a session is left");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap();
    let places =
        [site.root().to_owned(), std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into(), home.join(".ssh")];
    for place in places {
        let Some(found) = file_with(&place, secrets, begun) else { continue };
        panic!("{} holds a secret", found.display());
    }
}

/// SIGKILL in the middle of a deploy: nothing of the session lives on, and the next deploy needs nobody's help.
#[test]
fn a_killed_deploy_leaves_no_session() {
    on_a_server(Compose::V1, |server, site| {
        for stage in ["Build the images", "Watch the new version"] {
            site.deploy_up_to(stage).kill();
            let begun = Instant::now();
            let gone = || sessions(site).is_empty() && server.root("cat /app/gifty-backend/deploy.lock").is_empty();
            while !gone() {
                assert!(begun.elapsed() < Duration::from_secs(15), "after a kill in {stage:?}: {:?}", sessions(site));
                std::thread::sleep(Duration::from_millis(100));
            }
            println!("killed in {stage:?}: all gone after {:.1} s", begun.elapsed().as_secs_f64());
        }
        site.deploy();
        site.status();
    });
}
