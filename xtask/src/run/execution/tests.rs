//! Plans that are run on this machine, by the real shell. Their steps need no docker.

use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::io::host::{Claim, Host};
use crate::rules::config::SwitchMode;
use crate::rules::host::observed::Observed;
use crate::rules::release::Slot;
use crate::rules::report::Outcome;
use crate::rules::script::{self, Priority, Script};
use crate::rules::shared_constants::{FLAG_FILE, RECORD_FILE};
use crate::testing::fixtures::{config_of_this_machine, release};

/// An environment in an empty folder, with the lock of a deploy.
fn session(root: &Path) -> Session {
    let config = config_of_this_machine(root);
    let claim = Claim { holder: "a test", wait_seconds: 0, priority: Priority::Full };
    let (host, first) = Host::connect(&config, Some(&claim), Script::nothing()).unwrap();
    host.wait(first).unwrap();
    let observed = Observed { compose: Some("docker compose".to_owned()), ..Observed::default() };
    Session { config, observed, host, locked: true }
}

/// From the blue slot to the green one.
fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        release: release(2),
        from: Some(Slot::Blue),
        from_release: Some(release(1)),
        from_workers: None,
        to: Slot::Green,
        steps,
    }
}

fn run(session: &Session, plan: &Plan) -> (Report, Result<()>) {
    let caller = Caller { name: "a test".to_owned(), started_at: SystemTime::UNIX_EPOCH };
    Execution::of_stored(session, &session.config, &caller, "switch").execute(plan)
}

/// The lines of the record, read back.
fn record(root: &Path) -> Vec<Report> {
    let text = std::fs::read_to_string(root.join("host").join(RECORD_FILE)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn switch() -> Step {
    Step::Switch { switching: SwitchMode::Instant, to: Slot::Green }
}

#[test]
fn every_step_is_done_in_order_and_the_run_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let kept = folder.path().join(format!("host/meta/{}", release(2)));
    std::fs::create_dir_all(&kept).unwrap();
    let (report, outcome) =
        run(&session, &plan(vec![Step::AlignUpstream { live: Slot::Blue }, switch(), Step::MarkKnownGood]));
    outcome.unwrap();
    let upstream = std::fs::read_to_string(&session.config.environment.nginx.upstream_file).unwrap();
    assert_eq!(upstream, script::upstream_of(&session.config).reload(Slot::Blue));
    assert!(folder.path().join("host").join(FLAG_FILE).exists(), "the traffic did not move");
    assert!(kept.join("served").exists(), "the release was not marked");
    assert_eq!(report.outcome, Outcome::of(&Ok(()), str::to_owned));
    let stages: Vec<&str> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(
        stages,
        [
            "Make the upstream file say what nginx obeys: blue",
            "Switch traffic to slot green (instant mode)",
            "Mark the release as known good"
        ]
    );
    assert_eq!(record(folder.path()), [report]);
}

#[test]
fn what_failed_is_undone_and_what_comes_after_it_never_begins() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let upstream_file = &session.config.environment.nginx.upstream_file;
    // Sent together, so that the third is on the host when the second fails.
    let steps = vec![switch(), Step::Check, Step::AlignUpstream { live: Slot::Green }];
    let (report, outcome) = run(&session, &plan(steps));
    let told = format!("{:#}", outcome.unwrap_err());
    assert!(told.contains("stage 2 of 3") && told.contains("is not on this host"), "{told}");
    assert!(!Path::new(upstream_file).exists(), "the third step was begun");
    assert!(!folder.path().join("host").join(FLAG_FILE).exists(), "the traffic did not go back");
    assert_eq!(report.undone[0], "Switch traffic to slot blue (instant mode)");
    assert_eq!(report.stages.len(), 2);
    assert_eq!(record(folder.path()), [report]);
}

#[test]
fn a_run_that_had_nothing_to_do_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (report, outcome) = run(&session, &plan(Vec::new()));
    outcome.unwrap();
    assert!(report.stages.is_empty() && report.receipt.is_none());
    assert!(!folder.path().join("host").join(RECORD_FILE).exists());
}
