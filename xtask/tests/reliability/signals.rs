//! Ctrl-C, and the SIGTERM of a cancelled CI job, at every stage: undone in order, told, over within 10 s.

use std::time::{Duration, Instant};

use super::cut::{Cut, Cutter, begun, stages};
use super::target::{Remote, Target};
use crate::support::load::{BOTH, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::secrets::only_releases_hold_secrets;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

const RATE: u32 = 20;
const LIMIT: Duration = Duration::from_secs(10);

fn cancelled_at_every_stage(place: &Target) {
    for number in 0..4 {
        place.new_version(&format!("before the signals {number}"));
        place.deploy();
    }
    place.new_version("not cancelled");
    let cuts = Cutter::new().places(place, &["deploy", "--skip-tests"]);
    let names = cuts.into_iter().filter_map(|cut| if let Cut::Stage(name) = cut { Some(name) } else { None });
    let (mut cases, mut requests, mut slowest) = (0, 0, Duration::ZERO);
    for (number, name) in names.enumerate() {
        let what = format!("{}, cancelled at {name:?}", place.name());
        let before = place.answers();
        place.new_version(&what);
        let load = Load::start(&place.address(), &BOTH, RATE);
        let mut deploy = place.start(place.command(&["deploy", "--skip-tests"]));
        deploy.wait_for(&name, |log| begun(log, &name));
        // Not always at the very beginning of the stage.
        std::thread::sleep(Duration::from_millis(70 * (number as u64 % 4)));
        deploy.signal(if number % 2 == 0 { "-INT" } else { "-TERM" });
        let sent = Instant::now();
        let run = deploy.end();
        let took = sent.elapsed();
        let figures = load.finish();
        assert!(matches!(run.code, Some(0 | 130)) && took < LIMIT, "{what}: after {took:?} {run}");
        assert_none_failed(&what, &figures, &BOTH);

        let status = place.status();
        assert_eq!(status["live_release"], place.answers(), "{what}: {status:#}\n{run}");
        let serves = format!("serves   release {} in slot", status["live_release"].as_str().unwrap());
        assert!(run.stdout.contains(&serves), "{what}: it does not say that {serves}: {run}");
        let marked = stages(&run.stderr).any(|stage| stage == "Mark the release as known good");
        assert!(run.code == Some(0) || marked || status["live_release"] == before, "{what}: not undone\n{run}");
        let mut left = place.leftovers();
        // Who cancels does not wait for the last requests of the old version, and none of them is cut off.
        if run.stderr.contains("what served before may still run") {
            left.retain(|line| line != "2 running slot");
        }
        if run.stderr.contains("the next deploy of a new release removes the rest") {
            left.retain(|line| !line.starts_with("./releases/.pruned-"));
        }
        assert!(left.is_empty(), "{what}: this is left: {left:#?}\n{run}");
        (cases, slowest) = (cases + 1, slowest.max(took));
        requests += figures.values().map(|figures| figures.sent).sum::<u64>();
        place.deploy();
    }
    println!(
        "signals, {}: {cases} cases, {requests} requests, 0 failed; the slowest undoing took {:.1} s",
        place.name(),
        slowest.as_secs_f64()
    );
}

/// Who is in a hurry asks twice.
fn a_second_signal_ends_at_once(place: &Target) {
    place.new_version("in a hurry");
    let deploy = place.deploy_up_to("Waiting for health check");
    deploy.signal("-INT");
    std::thread::sleep(Duration::from_millis(30));
    let begun = Instant::now();
    deploy.signal("-INT");
    let run = deploy.end().must_end_with(130);
    let took = begun.elapsed();
    println!("{}: a second signal ended it after {} ms", place.name(), took.as_millis());
    assert!(took < Duration::from_millis(500), "after {took:?}: {run}");
    place.deploy();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn a_local_deploy_may_be_cancelled_at_every_stage() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "drain = 12", "drain = 5");
    cancelled_at_every_stage(&Target::Local(&project));
    a_second_signal_ends_at_once(&Target::Local(&project));
}

#[test]
fn a_remote_deploy_may_be_cancelled_at_every_stage() {
    let server = Server::start(Compose::V2);
    let site = Site::new(&server, "instant");
    let remote = Remote { server, site };
    cancelled_at_every_stage(&Target::Remote(&remote));
    a_second_signal_ends_at_once(&Target::Remote(&remote));
    only_releases_hold_secrets(&remote.server);
}
