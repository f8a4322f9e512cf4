//! A release arrives whole or not at all, and once.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::remote_site::Site;
use crate::server::Server;

/// Bytes of a file that takes a while to copy.
const LARGE: u64 = 24 << 20;

/// What lies in the folder of releases, those that are half there included.
fn releases(server: &Server) -> Vec<String> {
    server.root("ls -A /app/gifty-backend/releases").lines().map(str::to_owned).collect()
}

/// Whether a good part of the archive, and not all of it, has left.
fn copies(site: &Site) -> bool {
    let sent = |number: u32| -> Option<u64> {
        let counters = std::fs::read_to_string(format!("/proc/{number}/io")).ok()?;
        counters.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
    };
    let copies = site
        .processes()
        .into_iter()
        .filter(|(_, words)| words.starts_with("ssh\0") && words.contains("Keeps what comes"));
    copies.filter_map(|(number, _)| sent(number)).any(|bytes| bytes > LARGE / 8)
}

pub fn a_release_is_sent_once(server: &Server, site: &Site) {
    site.new_version("to be shipped alone");
    let ship = || site.xtask(&["ship", "--json"]).must_end_with(0).json();
    let first = ship();
    let release = first["release"].as_str().unwrap();
    assert_eq!(first["present"], false);
    let arrived = format!("find /app/gifty-backend/releases/{release} -printf '%p %i %T@\\n' | sort");
    let before = server.root(&arrived);
    let second = ship();
    assert_eq!((second["release"].as_str(), &second["present"]), (Some(release), &true.into()));
    assert_eq!(server.root(&arrived), before, "the release was written again");
    let plan = site.xtask(&["deploy", "--skip-tests", "--dry-run"]).must_end_with(0);
    assert!(!plan.stdout.contains("Ship release"), "{plan}");
}

/// The disk fills up, then the tool is killed while it copies: no release is there, and the next try needs no help.
pub fn a_release_that_did_not_arrive_whole_is_not_there(server: &Server, site: &Site) {
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
    assert!(left.iter().all(|name| name.starts_with(".incoming-")), "a full disk left {left:?}");

    let before = releases(server);
    let mut ship = site.start(&["ship"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !copies(site) {
        assert!(ship.try_wait().unwrap().is_none() && Instant::now() < deadline, "the copy was not seen");
    }
    ship.kill().unwrap();
    ship.wait().unwrap();
    let half: Vec<String> = releases(server).into_iter().filter(|name| !before.contains(name)).collect();
    assert!(half.iter().all(|name| name.starts_with(".incoming-")), "a killed copy left {half:?}");
    println!("a copy killed on its way left {half:?}");

    let shipped = site.xtask(&["ship", "--json", "--lock-wait", "20"]).must_end_with(0).json();
    let now = releases(server);
    assert!(now.contains(&shipped["release"].as_str().unwrap().to_owned()), "{now:?}");
    assert!(now.iter().all(|name| !name.starts_with('.')), "half a release is left: {now:?}");
    std::fs::remove_file(site.root().join("backend/noise")).unwrap();
    site.new_version("without the large file");
}
