//! Each command alone, and what it says to bad input.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::project::Project;
use crate::support::team::Team;

const COMMANDS: [&str; 13] = [
    "init", "doctor", "check", "test", "package", "ship", "build", "switch", "health", "deploy", "rollback", "status",
    "setup",
];

#[test]
fn every_command_has_help_with_an_example() {
    let project = Project::new("instant");
    for command in COMMANDS {
        let help = project.xtask(&[command, "--help"]).must_end_with(0).stdout;
        assert!(help.contains(&format!("Example: cargo xtask {command}")) && help.contains("--env"), "{help}");
    }
    project.xtask(&["deplyo"]).must_end_with(2).must_say(&["deploy"]);
    project.xtask(&["switch", "red"]).must_end_with(2).must_say(&["`blue` or `green`"]);
    project.xtask(&["rollback", "--to", "latest; id"]).must_end_with(2).must_say(&["is not a release id"]);
    project.xtask(&["status", "--env", "staging"]).must_end_with(3).must_say(&["`staging`", "there are: local"]);
    project.xtask(&["setup"]).must_end_with(2).must_say(&["nothing to set up"]);
    project.rewrite("deploy.toml", "app = \"backend\"", "app = \"backend/ap\"");
    project.xtask(&["package"]).must_end_with(11).must_say(&["app = \"backend/ap\"", "no folder of commit"]);
    project.rewrite("deploy.toml", "app = \"backend/ap\"", "app = \"backend\"");
    project.rewrite("deploy.toml", "keep = 3", "keep = 3\nkeeep = 3");
    project.xtask(&["status"]).must_end_with(3).must_say(&["deploy.toml:7:1: ", "keeep"]);
}

#[test]
fn a_package_is_the_committed_tree_and_the_same_each_time() {
    let project = Project::new("instant");
    let package = |arguments: &[&str]| {
        let words = [&["package", "--json"], arguments].concat();
        project.xtask(&words).must_end_with(0).json()
    };
    let first = package(&["--output", "one"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = package(&["--output", "two"]);
    assert_eq!((&first["sha256"], &first["release"]), (&second["sha256"], &second["release"]));
    let bytes = |package: &Value| std::fs::read(package["archive"].as_str().unwrap()).unwrap();
    assert!(bytes(&first) == bytes(&second), "the archives differ");
    let manifest: Value = serde_json::from_slice(&std::fs::read(first["manifest"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((&manifest["branch"], &manifest["dirty"]), (&"main".into(), &false.into()));
    let sum = std::process::Command::new("sha256sum").arg(project.root().join("backend/worker.py")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(manifest["files"]["worker.py"], sum.split(' ').next().unwrap(), "{manifest:#}");

    project.write("backend/new file.py", "print('not committed')\n");
    project.xtask(&["package"]).must_end_with(11).must_say(&["not as committed", "new file.py", "--dirty"]);
    project.xtask(&["deploy"]).must_end_with(11);
    let dirty = package(&["--dirty", "--output", "three"]);
    assert!(dirty["release"].as_str().unwrap().ends_with("-dirty"), "{dirty}");
    let manifest = std::fs::read_to_string(dirty["manifest"].as_str().unwrap()).unwrap();
    assert!(manifest.contains("new file.py"), "{manifest}");
}

#[test]
fn the_tests_alone_say_what_ran_and_what_did_not() {
    let project = Project::new("instant");
    let all = project.xtask(&["test", "--json"]).must_end_with(0).json();
    assert!(all["passed"].as_u64().unwrap() > 50 && all["failed"] == 0, "{all:#}");
    assert_eq!(all["groups_skipped"], serde_json::json!(["integrations"]));
    assert!(all["warnings"].to_string().contains("notifications"), "{all:#}");
    let one = project.xtask(&["test", "--group", "routes", "--json", "--", "-k", "gift"]).must_end_with(0).json();
    assert!(one["passed"].as_u64().unwrap() < all["passed"].as_u64().unwrap(), "{one:#}");
    project.write("tests_config.yaml", "test_groups:\n  routes: maybe\n");
    project.xtask(&["test"]).must_end_with(3).must_say(&["tests_config.yaml:2:11", "neither true nor false"]);
}

#[test]
fn ship_build_health_switch_and_status_work_alone() {
    let project = Project::with_compose_of_this_machine("instant");
    project.xtask(&["status"]).must_end_with(20).must_say(&["there are problems"]);
    project.xtask(&["build"]).must_end_with(4).must_say(&["ship"]);
    let shipped = project.xtask(&["ship", "--json"]).must_end_with(0).json();
    assert!(shipped["shipped_bytes"].as_u64() > Some(0), "{shipped:#}");
    assert_eq!(project.xtask(&["ship", "--json"]).must_end_with(0).json()["shipped_bytes"], 0);
    project.xtask(&["build", "--json"]).must_end_with(0);
    let tags = project.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(tags.contains(&format!("{}-api:{}", project.name, shipped["release"].as_str().unwrap())), "{tags}");
    project.xtask(&["health"]).must_end_with(16).must_say(&["runs no release"]);

    let report = project.deploy();
    assert_eq!(report["release"], shipped["release"], "what was shipped is what is deployed");
    let live = report["slot"].as_str().unwrap().to_owned();
    assert_eq!(project.xtask(&["health", "--json"]).must_end_with(0).json()["slot"], live.as_str());
    project.xtask(&["switch"]).must_end_with(4).must_say(&["runs no release"]);

    // Killed after its switch, a deploy leaves both slots running.
    project.new_version("the other one");
    project.deploy_up_to("Watch the new version").kill();
    let slot = |words: &[&str]| project.xtask(words).must_end_with(0).json()["slot"].clone();
    assert_ne!(project.status_after_a_kill()["live_slot"], live.as_str());
    assert_eq!(slot(&["switch", "--json"]), live.as_str());
    assert_ne!(slot(&["switch", "--json"]), live.as_str());
    let idle = project.containers(false).into_iter().find(|name| name.contains(&live)).unwrap();
    project.docker(&["stop", "-t", "1", &idle]);
    project.status();
    project.xtask(&["switch", &live]).must_end_with(4);
    a_dry_run_shows_the_plan_and_changes_nothing(&project);
}

/// The plan shown is the plan that runs, and showing it changes nothing.
fn a_dry_run_shows_the_plan_and_changes_nothing(project: &Project) {
    project.new_version("to be planned");
    let state = || {
        let files = std::process::Command::new("find")
            .arg(project.server(""))
            .args(["-printf", "%p %T@ %s\n"])
            .output()
            .unwrap();
        let files: BTreeSet<String> = String::from_utf8(files.stdout).unwrap().lines().map(str::to_owned).collect();
        (
            files,
            project.containers(true),
            project.docker(&["image", "ls", "-q", "--filter", &format!("reference={}-*", project.name)]),
        )
    };
    let before = state();
    let plan = project.xtask(&["deploy", "--dry-run"]).must_end_with(0).stdout;
    let json = project.xtask(&["deploy", "--dry-run", "--json"]).must_end_with(0).json();
    assert_eq!(state(), before, "the dry run changed something");
    assert!(plan.contains("Run the tests") && plan.contains("Switch traffic to slot"), "{plan}");
    let report = project.deploy();
    let names = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|step| step.as_str().unwrap_or_default().to_owned())
            .collect::<Vec<String>>()
    };
    let ran: Vec<Value> = report["stages"].as_array().unwrap().iter().map(|stage| stage["name"].clone()).collect();
    assert_eq!(names(&json["steps"])[1..], names(&Value::Array(ran))[..], "the plan shown is not the plan that ran");
}
