//! A release arrives whole or not at all, and once.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::support::server::{Compose, Server};
use crate::support::shared_server::on_a_server;
use crate::support::site::processes;
use crate::support::team::Team;

/// Bytes of a file that takes a while to copy.
const LARGE: u64 = 24 << 20;

/// What lies in the folder of releases, those that are half there included.
fn releases(server: &Server) -> Vec<String> {
    server.root("ls -A /app/gifty-backend/releases").lines().map(str::to_owned).collect()
}

/// Whether the copy has begun that the process `ship` started.
fn copies(ship: &Child) -> bool {
    let parent = |number: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let copy =
        |(number, words): &(u32, String)| words.contains("copy-the-archive") && parent(*number) == Some(ship.id());
    processes().iter().any(copy)
}

#[test]
fn a_release_is_sent_once() {
    on_a_server(Compose::V2, |server, site| {
        site.new_version("to be shipped alone");
        let ship = || site.xtask(&["ship", "--json"]).must_end_with(0).json();
        let first = ship();
        let release = first["release"].as_str().unwrap();
        assert!(first["shipped_bytes"].as_u64() > Some(0), "{first:#}");
        let arrived = format!("find /app/gifty-backend/releases/{release} -printf '%p %i %T@\\n' | sort");
        let before = server.root(&arrived);
        let second = ship();
        assert_eq!((second["release"].as_str(), &second["shipped_bytes"]), (Some(release), &0.into()));
        assert_eq!(server.root(&arrived), before, "the release was written again");
        let plan = site.xtask(&["deploy", "--skip-tests", "--dry-run"]).must_end_with(0);
        assert!(!plan.stdout.contains("Ship release"), "{plan}");
    });
}

/// Mode, sum and path of every file that was committed.
const LISTED: &str = "find . -type f ! -path ./.env ! -name '*.pyc' -printf '%m ' -exec sha256sum {} \\; | sort -k 3";

/// Of a new version only that is sent which the release that serves has not, and what arrives is the whole.
#[test]
fn only_what_changed_travels() {
    on_a_server(Compose::V2, |server, site| {
        let backend = site.root().join("backend");
        let committed = || {
            let output = Command::new("bash").args(["-c", LISTED]).current_dir(&backend).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let live = site.status()["live_release"].as_str().unwrap().to_owned();
        let shipped = || {
            let run = site.xtask(&["ship", "--json"]).must_end_with(0);
            let release = run.json()["release"].as_str().unwrap().to_owned();
            assert_eq!(
                server.root(&format!("cd /app/gifty-backend/releases/{release}\n{LISTED}")),
                committed(),
                "{run}"
            );
            run
        };
        let pytest = std::fs::read(backend.join("pytest.ini")).unwrap();
        std::fs::remove_file(backend.join("pytest.ini")).unwrap();
        std::fs::set_permissions(backend.join("migrate.py"), std::fs::Permissions::from_mode(0o755)).unwrap();
        site.new_version("with a file less and one that can be run");
        let run = shipped();
        let sent = run.json()["shipped_bytes"].as_u64().unwrap();
        println!("of a version in which two files changed, {sent} bytes were sent");
        assert!(sent < 3_000 && run.stderr.contains("files are on the host already"), "{run}");

        // A container may write into the folder it has mounted.
        std::fs::write(backend.join("pytest.ini"), pytest).unwrap();
        site.new_version("after somebody changed a file on the server");
        server.root(&format!(
            "cd /app/gifty-backend/releases/{live}; echo '# changed' >>worker.py; touch -d @1 worker.py"
        ));
        let run = shipped();
        assert!(run.stderr.contains("no longer as they were shipped"), "{run}");
    });
}

/// The disk fills up, then the tool is killed while it copies: no release is there, and the next try needs no help.
#[test]
fn a_release_that_did_not_arrive_whole_is_not_there() {
    on_a_server(Compose::V2, |server, site| {
        let noise = std::fs::File::open("/dev/urandom").unwrap();
        let mut large = std::fs::File::create(site.root().join("backend/noise")).unwrap();
        std::io::copy(&mut noise.take(LARGE), &mut large).unwrap();
        site.new_version("with a large file");

        let folder = "/app/gifty-backend/releases";
        server.root(&format!("mount -t tmpfs -o size=1m,uid=$(id -u deploy),mode=755 none {folder}"));
        let full = site.xtask(&["ship"]);
        let left = releases(server);
        server.root(&format!("umount {folder}"));
        full.must_end_with(12);
        assert_eq!(left, Vec::<String>::new(), "a full disk left something");

        let before = releases(server);
        let mut ship = site.start(site.command(&["ship"]));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !copies(&ship.child) {
            assert!(ship.child.try_wait().unwrap().is_none() && Instant::now() < deadline, "the copy was not seen");
        }
        std::thread::sleep(Duration::from_millis(40));
        ship.kill();
        // What has arrived goes once the server has noticed; the lock is held until then.
        let deadline = Instant::now() + Duration::from_secs(20);
        while releases(server) != before {
            assert!(Instant::now() < deadline, "a killed copy left {:?} beside {before:?}", releases(server));
            std::thread::sleep(Duration::from_millis(50));
        }

        let shipped = site.xtask(&["ship", "--json", "--lock-wait", "20"]).must_end_with(0).json();
        let now = releases(server);
        assert!(now.contains(&shipped["release"].as_str().unwrap().to_owned()), "{now:?}");
        assert!(now.iter().all(|name| !name.starts_with('.')), "half a release is left: {now:?}");
        std::fs::remove_file(site.root().join("backend/noise")).unwrap();
        site.new_version("without the large file");
    });
}
