//! A deploy that does not come to its end, or is not alone.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::load::{BOTH, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::team::Team;

/// Requests a second by each kind of client.
const RATE: u32 = 40;

/// Where other tools lose requests; `make reliability` kills at every place there is.
#[test]
fn a_killed_deploy_loses_no_request_and_the_next_one_needs_no_help() {
    let project = Project::new("instant");
    project.deploy();
    for (stage, same_commit) in [("Waiting for health check", false), ("Stop slot", true)] {
        project.new_version(&format!("killed at {stage}"));
        let load = Load::start(&project.address(), &BOTH, RATE);
        project.deploy_up_to(stage).kill();
        let status = project.status_after_a_kill();
        if !same_commit {
            project.new_version("after the kill");
        }
        let report = project.deploy();
        assert_none_failed(&format!("killed at {stage:?}, then deployed again"), &load.finish(), &BOTH);
        assert_eq!(report["receipt"]["failed"], 0, "{report:#}");
        assert_eq!(project.status()["live_release"], report["release"], "after {status:#}");
        assert_eq!(project.containers(false).len(), 3, "{:?}", project.containers(true));
    }
    let releases = std::fs::read_dir(project.server("releases")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = releases.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "half releases are left: {left:?}");
}

#[test]
fn a_cancelled_deploy_undoes_what_it_did() {
    let project = Project::new("instant");
    let served = project.deploy()["release"].clone();
    let containers = project.containers(true);
    project.change("backend/Dockerfile", "CMD [\"gunicorn\", \"app.main:app\"]", "CMD [\"sleep\", \"600\"]");
    let load = Load::start(&project.address(), &BOTH, RATE);
    let deploy = project.deploy_up_to("Waiting for health check");
    std::thread::sleep(Duration::from_millis(500));
    let cancelled = Instant::now();
    deploy.signal("-TERM");
    let run = deploy.end();
    let took = cancelled.elapsed();
    assert_none_failed("a cancelled deploy", &load.finish(), &BOTH);
    let run = run.must_end_with(130).must_say(&["undo: Remove the failed version"]);
    assert!(took < Duration::from_secs(10), "after {took:?}: {run}");
    assert_eq!(project.status()["live_release"], served);
    assert_eq!(project.containers(true), containers);
    project.forget_last_commit();

    // After the switch, the traffic goes back.
    project.rewrite("deploy.toml", "bake = 1", "bake = 30");
    project.new_version("cancelled while it is watched");
    let load = Load::start(&project.address(), &BOTH, RATE);
    let deploy = project.deploy_up_to("Watch the new version");
    deploy.signal("-TERM");
    let run = deploy.end();
    assert_none_failed("a deploy cancelled after its switch", &load.finish(), &BOTH);
    run.must_end_with(130).must_say(&["undo: Switch traffic to slot"]);
    assert_eq!(project.status()["live_release"], served);
    assert_eq!(project.containers(true), containers);
}

/// Too late for anything to be undone, and still what serves must be told and written down.
#[test]
fn a_deploy_that_is_cancelled_while_it_prunes_is_recorded() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "keep = 3", "keep = 2");
    for number in 0..2 {
        project.new_version(&format!("to be pruned {number}"));
        project.deploy();
    }
    for milliseconds in [0, 60] {
        project.new_version(&format!("cancelled after {milliseconds} ms"));
        let deploy = project.deploy_up_to("Prune old releases");
        std::thread::sleep(Duration::from_millis(milliseconds));
        deploy.signal("-TERM");
        let run = deploy.end();
        assert!(matches!(run.code, Some(0 | 130)), "{run}");
        // Not all is well where the record says that another release serves.
        let status = project.status();
        let serves = format!("serves   release {} in slot", status["live_release"].as_str().unwrap());
        assert!(run.stdout.contains(&serves), "it does not say that {serves}: {run}");
    }
}

#[test]
fn of_two_deploys_at_once_one_waits_or_is_told_who_is_at_work() {
    let project = Project::new("instant");
    project.deploy();
    project.new_version("two at once");
    let first = project.deploy_up_to("Build the images");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(5).must_say(&[
        "held by",
        "since",
        "deploy of",
        "--lock-wait",
    ]);
    let second = project.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "120"]).must_end_with(0);
    first.end().must_end_with(0);
    assert_eq!(project.status()["live_release"], second.json()["release"]);
}

/// Compose makes the new container under a name of its own before it takes the old one away. Where it is ended in between, or
/// docker comes to it only then, both are there.
#[test]
fn a_worker_that_was_only_half_replaced_is_in_nobodys_way() {
    let project = Project::new("instant");
    project.deploy();
    for same_commit in [true, false] {
        let worker = format!("{}-workers-worker-1", project.name);
        let of = |format: &str| project.docker(&["inspect", "--format", format, &worker]);
        let labels = of("{{range $name, $value := .Config.Labels}}{{println $name \"=\" $value}}{{end}}");
        let labels: Vec<String> = labels.lines().map(|line| line.replacen(" = ", "=", 1)).collect();
        let (half_made, image) = (format!("{:.12}_{worker}", of("{{.Id}}")), of("{{.Config.Image}}"));
        let mut words = vec!["create", "--name", &half_made];
        words.extend(labels.iter().filter(|label| !label.is_empty()).flat_map(|label| ["--label", label]));
        words.push(&image);
        project.docker(&words);
        if !same_commit {
            project.new_version("its workers replace both");
        }
        project.deploy();
        let running = project.containers(false);
        assert_eq!(running.iter().filter(|name| name.contains("-workers")).count(), 1, "{running:?}");
        assert!(!project.containers(true).contains(&half_made), "{:?}", project.containers(true));
    }
}

/// A command that is cancelled ends the script that runs; the next deploy does not come across what that was at.
#[test]
fn a_script_that_is_stopped_while_it_writes_a_file_leaves_no_half_of_it() {
    const CONSTANTS: &str = include_str!("../../src/scripts/shared_constants.sh");
    const PRELUDE: &str = include_str!("../../src/scripts/prelude.sh");
    for (name, text, header) in [
        ("store", include_str!("../../src/scripts/store.sh"), "file 1000000\n"),
        ("private nginx", include_str!("../../src/scripts/private_nginx.sh"), "nginx.conf 1000000\n"),
        ("switch by reload", include_str!("../../src/scripts/switch_reload.sh"), ""),
        ("write the upstream file", include_str!("../../src/scripts/write_upstream.sh"), ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for place in ["meta/blue", "nginx"] {
            std::fs::create_dir_all(root.join(place)).unwrap();
        }
        let argument =
            if name == "store" { "blue".to_owned() } else { root.join("upstream.conf").display().to_string() };
        let text = format!("{CONSTANTS}{PRELUDE}{text}");
        let words = ["-c", &text, name, root.to_str().unwrap(), &argument, "true"];
        let mut bash = Command::new("bash");
        // A group of its own, as the shell gives it, so that what it waits for ends with it.
        let mut child = bash.args(words).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        write!(input, "{header}a part").unwrap();
        let half_written = || {
            let found = Command::new("find").arg(root).args(["-name", "*.new"]).output().unwrap();
            String::from_utf8(found.stdout).unwrap()
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while half_written().is_empty() {
            assert!(Instant::now() < deadline, "{name} writes nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        let group = format!("-{}", child.id());
        assert!(Command::new("kill").args(["-TERM", "--", &group]).status().unwrap().success());
        child.wait().unwrap();
        assert_eq!(half_written(), "", "{name}");
    }
}

/// The copy of a release goes beside the lock, and may outlive the run that holds it.
#[test]
fn an_archive_that_arrives_after_its_run_is_not_kept_and_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let releases = folder.path().join("releases");
    std::fs::create_dir(&releases).unwrap();
    let (lock, archive) = (folder.path().join("deploy.lock"), releases.join(".incoming-some.tar.gz"));
    let start = || {
        let text = concat!(
            include_str!("../../src/scripts/shared_constants.sh"),
            include_str!("../../src/scripts/prelude.sh"),
            include_str!("../../src/scripts/receive.sh")
        );
        let words = ["-c", text, "receive", folder.path().to_str().unwrap(), "some", "5"];
        let mut bash = Command::new("bash");
        bash.args(words).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let end = |mut child: std::process::Child, sent: &[u8]| {
        child.stdin.take().unwrap().write_all(sent).unwrap();
        child.wait_with_output().unwrap()
    };
    let holder = std::fs::File::create(&lock).unwrap();

    holder.lock().unwrap();
    assert!(end(start(), b"whole").status.success());
    assert_eq!(std::fs::read(&archive).unwrap(), b"whole");

    holder.unlock().unwrap();
    let late = end(start(), b"whole");
    assert!(!late.status.success() && String::from_utf8_lossy(&late.stderr).contains("is over"), "{late:?}");
    assert!(!archive.exists(), "it was kept");

    // The connection of a dead run may end long after the lock is free, while another run ships the same release.
    let dead = start();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !archive.exists() {
        assert!(Instant::now() < deadline, "it takes nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(&archive).unwrap();
    holder.lock().unwrap();
    std::fs::write(&archive, "of another run").unwrap();
    assert!(!end(dead, b"hal").status.success());
    assert_eq!(std::fs::read(&archive).unwrap(), b"of another run");
}
