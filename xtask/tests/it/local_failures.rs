//! Versions that are broken, each in its own way: the old one serves every request, and the message says why.

use crate::support::load::{BOTH, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::team::Team;

/// Requests a second by each kind of client.
const RATE: u32 = 40;

/// A version that must fail: how it is broken, and how that is told.
struct Broken {
    how: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    code: i32,
    says: &'static [&'static str],
}

const HEALTH: &str = "return Health(status=\"ok\", release=settings.release)";
const COMMAND: &str = "CMD [\"gunicorn\", \"app.main:app\"]";

const BROKEN: [Broken; 7] = [
    Broken {
        how: "does not start",
        file: "backend/Dockerfile",
        from: COMMAND,
        to: "CMD [\"/no/such/program\"]",
        code: 15,
        says: &["Boot", "/no/such/program"],
    },
    Broken {
        how: "exits after its start",
        file: "backend/app/main.py",
        from: "from fastapi",
        to: "raise SystemExit('settings are incomplete')\nfrom fastapi",
        code: 16,
        says: &["Waiting for health check", "does not keep running", "settings are incomplete"],
    },
    Broken {
        how: "answers 500",
        file: "backend/app/routes/service.py",
        from: HEALTH,
        to: "raise RuntimeError('the disk is on fire')",
        code: 16,
        says: &["Waiting for health check", "status 500", "the disk is on fire"],
    },
    Broken {
        how: "answers as another release",
        file: "backend/app/routes/service.py",
        from: HEALTH,
        to: "return Health(status=\"ok\", release=\"20200101-000000-0000000\")",
        code: 16,
        says: &["release 20200101-000000-0000000 answered"],
    },
    Broken {
        how: "answers too late",
        file: "backend/app/routes/service.py",
        from: HEALTH,
        to: "await asyncio.sleep(30); return Health(status=\"ok\", release=settings.release)",
        code: 16,
        says: &["did not become healthy within 30 s"],
    },
    Broken {
        how: "cannot be built",
        file: "backend/Dockerfile",
        from: COMMAND,
        to: "RUN echo no space for wheels && exit 7\nCMD [\"gunicorn\"]",
        code: 13,
        says: &["Build the images", "no space for wheels"],
    },
    Broken {
        how: "cannot migrate",
        file: "backend/migrate.py",
        from: "import",
        to: "raise SystemExit('column is not there')\nimport",
        code: 14,
        says: &["Hook before boot", "column is not there"],
    },
];

#[test]
fn a_broken_version_is_told_and_the_old_one_serves_every_request() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 0");
    project.commit("no watching");
    let served = project.deploy()["release"].clone();
    let containers = project.containers(true);
    for broken in &BROKEN {
        project.change(broken.file, broken.from, broken.to);
        let load = Load::start(&project.address(), &BOTH, RATE);
        let run = project.xtask(&["deploy", "--skip-tests", "--json"]);
        assert_none_failed(broken.how, &load.finish(), &BOTH);
        let run = run.must_end_with(broken.code).must_say(broken.says);
        let report = run.json();
        assert_eq!((&report["serves"], &report["outcome"]["exit_code"]), (&served, &broken.code.into()), "{report:#}");
        let status = project.status();
        assert_eq!(status["live_release"], served, "{status:#}");
        assert_eq!(project.containers(true), containers, "{}: something of it is left", broken.how);
        project.forget_last_commit();
    }
    project.new_version("a good one at last");
    assert_ne!(project.deploy()["serves"], served);
}

#[test]
fn a_version_that_ends_soon_after_its_start_gets_no_traffic_from_a_gentle_deploy() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 0\npace = \"gentle\"");
    let served = project.deploy()["release"].clone();
    let leave = "import os, threading\nthreading.Timer(3, lambda: (print('out of licences', flush=True), os.kill(1, 15))).start()\n";
    project.change("backend/app/main.py", "from fastapi", &format!("{leave}from fastapi"));
    let load = Load::start(&project.address(), &BOTH, RATE);
    let run = project.xtask(&["deploy", "--skip-tests", "--json"]);
    assert_none_failed("a version that ends after 3 s", &load.finish(), &BOTH);
    let run = run.must_end_with(16).must_say(&["Let the new version rest", "does not keep running", "out of licences"]);
    assert_eq!(run.json()["serves"], served, "{run}");
    project.forget_last_commit();

    project.new_version("which goes on running");
    let load = Load::start(&project.address(), &BOTH, RATE);
    let deploy = project.deploy();
    assert_none_failed("a gentle deploy", &load.finish(), &BOTH);
    assert_ne!(deploy["serves"], served);
}

#[test]
fn a_version_that_turns_bad_after_the_switch_gives_the_traffic_back_by_itself() {
    let project = Project::with_compose_of_this_machine("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 20");
    let served = project.deploy()["release"].clone();
    let slot = project.status()["live_slot"].clone();
    // Counted from where it can answer: how long that takes is the machine's affair.
    project.rewrite("backend/app/routes/service.py", "import asyncio", "import asyncio, time\nBEGUN = time.time()");
    let leak = "if time.time() - BEGUN > 8: raise RuntimeError('leaked everything')\n    ";
    project.change("backend/app/routes/service.py", HEALTH, &format!("{leak}{HEALTH}"));
    let load = Load::start(&project.address(), &BOTH, RATE);
    let run = project.xtask(&["deploy", "--skip-tests", "--json"]);
    let figures = load.finish();
    let run = run.must_end_with(18).must_say(&["Watch the new version", "after the switch", "leaked everything"]);
    assert_eq!(run.json()["serves"], served, "{run}");
    let status = project.status();
    assert_eq!((&status["live_release"], &status["live_slot"]), (&served, &slot), "{status:#}");
    assert_eq!(project.containers(false).len(), 3, "{:?}", project.containers(true));
    for (kind, figures) in figures {
        println!("until the traffic went back: {kind:?}: {figures}");
        // It did serve, so some answers are its own: those of the moment until three probes in a row have failed.
        assert!((1..120).contains(&figures.failures()) && figures.failed.len() == 1, "{figures}");
        assert!(figures.failed.contains_key("status 500"), "{figures}");
    }
}

#[test]
fn a_version_whose_tests_fail_is_not_even_packaged() {
    let project = Project::new("instant");
    let served = project.deploy()["release"].clone();
    project.change("backend/app/recommendations.py", "def ", "raise_an_error = 1 / 0\n\n\ndef ");
    let run = project.xtask(&["deploy"]).must_end_with(10).must_say(&["Run the tests", "ZeroDivisionError"]);
    assert!(!run.stderr.contains("Package"), "{run}");
    assert_eq!(project.status()["live_release"], served);
}

/// The way back may be closed as well: what serves goes on, and what is told next is still a way back.
#[test]
fn a_rollback_that_fails_changes_nothing_and_says_how_to_go_back() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 15");
    let mount = "    volumes:\n      - .:/app\n";
    project.rewrite("backend/docker-compose.yml", mount, &format!("{mount}      - ./state:/state\n"));
    let checked = format!(
        "import os\n    if os.path.exists(\"/state/broken\"): raise RuntimeError(\"the state is broken\")\n    {HEALTH}"
    );
    project.change("backend/app/routes/service.py", HEALTH, &checked);
    let first = project.deploy()["release"].clone();
    project.change("backend/app/routes/service.py", &checked, HEALTH);
    let second = project.deploy()["release"].clone();
    std::fs::write(project.server("shared/state/broken"), "").unwrap();
    let load = Load::start(&project.address(), &BOTH, RATE);
    let failed = project.xtask(&["rollback"]).must_end_with(16);
    assert_none_failed("a rollback that fails", &load.finish(), &BOTH);
    let failed = failed.must_say(&["the state is broken"]);
    let serves = format!("serves   release {}", second.as_str().unwrap());
    for part in [serves.as_str(), "fix the cause, then: cargo xtask rollback --env local"] {
        assert!(failed.stdout.contains(part), "{part:?} is not in {failed}");
    }
    std::fs::remove_file(project.server("shared/state/broken")).unwrap();
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(project.status()["live_release"], first);
}
