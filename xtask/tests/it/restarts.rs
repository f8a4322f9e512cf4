//! `restart`, `stop` and `start`: what serves, once more.

use crate::support::load::{BOTH, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::team::Team;

/// Requests a second by each kind of client.
const RATE: u32 = 40;

#[test]
fn a_release_that_is_restarted_takes_the_other_slot_and_nobody_notices() {
    let project = Project::new("instant");
    project.xtask(&["restart"]).must_end_with(4).must_say(&["no release serves"]);
    project.deploy();
    project.new_version("to be restarted");
    let deployed = project.deploy();
    let (before, workers) = (project.containers(false), project.worker_calls().0);
    let load = Load::start(&project.address(), &BOTH, RATE);
    let restarted = project.xtask(&["restart", "--json"]).must_end_with(0).json();
    assert_none_failed("a restart", &load.finish(), &BOTH);
    assert_eq!((&restarted["serves"], &restarted["from_release"]), (&deployed["release"], &deployed["release"]));
    assert_ne!(restarted["slot"], deployed["slot"]);
    let stages = restarted["stages"].to_string();
    for none in ["Build", "Ship", "Hook before boot"] {
        assert!(!stages.contains(none), "{stages}");
    }
    assert_eq!(project.containers(false).len(), before.len(), "{:?}", project.containers(true));
    assert!(project.worker_calls().0 >= workers && project.worker_calls().1 == 0);
    // The way back is the version before, not the same one.
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0).json();
    assert_eq!(back["serves"], deployed["from_release"]);
    project.status();
}

#[test]
fn an_app_that_is_stopped_stays_so_until_it_is_started_or_deployed() {
    let project = Project::new("instant");
    project.deploy();
    project.new_version("to be stopped");
    let release = project.deploy()["release"].clone();
    project.redis(&["set", "kept", "yes"]);
    project.xtask(&["start"]).must_end_with(4).must_say(&["serves; `restart` begins it anew"]);
    let stopped = project.xtask(&["stop", "--json"]).must_end_with(0).json();
    assert_eq!(stopped["serves"], serde_json::Value::Null, "{stopped:#}");
    assert_eq!(project.containers(false).len(), 1, "the accessory alone: {:?}", project.containers(false));
    // Also after the machine has started anew.
    for container in project.containers(true).into_iter().filter(|name| !name.contains("redis")) {
        let policy = project.docker(&["inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", &container]);
        assert_eq!(policy.trim(), "no", "{container}");
    }
    assert_eq!(get(&project.address(), "/health").unwrap().status, 502);
    for command in ["stop", "restart"] {
        project
            .xtask(&[command])
            .must_end_with(4)
            .must_say(&["no release serves; `start` boots the one that served last"]);
    }
    let status = project.xtask(&["status"]).must_end_with(20);
    assert!(status.stdout.contains("exited"), "{status}");

    let started = project.xtask(&["start", "--json"]).must_end_with(0).json();
    assert_eq!(started["serves"], release);
    assert_eq!(project.redis(&["get", "kept"]).trim(), "yes");
    assert_eq!(project.containers(false).len(), 3, "{:?}", project.containers(false));
    project.status();

    project.xtask(&["stop"]).must_end_with(0);
    project.new_version("deployed after a stop");
    project.deploy();
    project.status();
}
