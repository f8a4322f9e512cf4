//! The network between both machines is cut without a word, at every stage: told within 30 s, and within 60 s the lock is
//! free and nothing of the run changes anything any more.

use std::time::{Duration, Instant};

use super::cut::{Cut, Cutter, begun};
use super::target::{Remote, Target};
use crate::support::load::{BOTH, Load, assert_none_failed};
use crate::support::secrets::only_releases_hold_secrets;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

const RATE: u32 = 30;
const TOLD: Duration = Duration::from_secs(30);
const FREE: Duration = Duration::from_secs(60);

/// Everything a command of a deploy could change.
const STATE: &str = "cd /app/gifty-backend; docker ps -a --no-trunc --format '{{.ID}} {{.State}}' | sort; docker image ls -q | sort; \
    ls -A live releases; cat deploys.jsonl | wc -l; ls -A meta/*/served";

fn drop_packets(server: &Server, action: &str) {
    server.root(&format!(
        "for rule in 'INPUT --dport' 'OUTPUT --sport'; do set -- $rule; iptables {action} $1 -p tcp $2 22 -j DROP; done"
    ));
}

#[test]
fn a_network_that_is_cut_at_any_stage_loses_nothing() {
    let server = Server::start(Compose::V2);
    let site = Site::new(&server, "instant");
    let remote = Remote { server, site };
    let place = Target::Remote(&remote);
    for number in 0..4 {
        place.new_version(&format!("before the cuts {number}"));
        place.deploy();
    }
    place.new_version("not cut off");
    let cuts = Cutter::new().places(&place, &["deploy", "--skip-tests"]);
    let names = cuts.into_iter().filter_map(|cut| if let Cut::Stage(name) = cut { Some(name) } else { None });
    let (mut cases, mut requests, mut told, mut free) = (0, 0, Duration::ZERO, Duration::ZERO);
    for name in names {
        let what = format!("cut off at {name:?}");
        place.new_version(&what);
        let load = Load::start(&place.address(), &BOTH, RATE);
        let mut deploy = place.start(place.command(&["deploy", "--skip-tests"]));
        deploy.wait_for(&name, |log| begun(log, &name));
        drop_packets(&remote.server, "-I");
        let cut = Instant::now();
        let run = deploy.end();
        let noticed = cut.elapsed();
        let run = run.must_end_with(6).must_say(&["was lost"]);
        assert!(noticed < TOLD, "{what}: after {noticed:?} {run}");
        while !remote.server.try_root("flock -n /app/gifty-backend/deploy.lock true").status.success() {
            assert!(cut.elapsed() < FREE, "{what}: the lock is still held");
            std::thread::sleep(Duration::from_millis(200));
        }
        let freed = cut.elapsed();
        let state = remote.server.root(STATE);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(remote.server.root(STATE), state, "{what}: something changed after the lock was free");
        drop_packets(&remote.server, "-D");
        let report = place.deploy();
        let figures = load.finish();
        assert_none_failed(&what, &figures, &BOTH);
        assert_eq!(report["release"], place.answers(), "{what}");
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{what}");
        requests += figures.values().map(|figures| figures.sent).sum::<u64>();
        (cases, told, free) = (cases + 1, told.max(noticed), free.max(freed));
    }
    only_releases_hold_secrets(&remote.server);
    println!(
        "network cut: {cases} cases, {requests} requests, 0 failed; told after {:.0} s at most, lock free after {:.0} s at most",
        told.as_secs_f64(),
        free.as_secs_f64()
    );
}
