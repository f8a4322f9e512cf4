//! What happens to a machine between two deploys: each time the next deploy says what is wrong, or puts it right.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::load::{BOTH, Client, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::team::Team;

#[test]
fn a_port_that_somebody_else_has_is_named_and_nothing_is_touched() {
    let project = Project::new("instant");
    let of_the_site = TcpListener::bind(("127.0.0.1", project.address().port)).unwrap();
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&["nginx does not start", "Address already in use", &project.address().port.to_string()]);
    assert_eq!(project.containers(true), Vec::<String>::new());
    drop(of_the_site);

    let served = project.deploy();
    let (_, port) = project.free_slot();
    let of_the_slot = TcpListener::bind(("127.0.0.1", port)).unwrap();
    project.new_version("with no port to listen on");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&["nothing was touched", &format!("port {port} of the free slot"), "ss -ltnp"]);
    assert_eq!(project.status()["live_release"], served["release"]);

    // A container that just ends gives its port back a moment later: that moment is waited for.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(1_500));
            drop(of_the_slot);
        });
        project.deploy();
    });
}

#[test]
fn after_a_restart_of_the_machine_the_next_deploy_needs_no_help() {
    let project = Project::new("instant");
    let served = project.deploy()["release"].clone();
    project.redis(&["set", "kept", "yes"]);

    // nginx is started by no one, docker starts what its restart policy says.
    let pid = std::fs::read_to_string(project.server("nginx/nginx.pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    let running = project.containers(false);
    project.docker(&[vec!["restart", "-t", "5"], running.iter().map(String::as_str).collect()].concat());
    project.docker(&["stop", "-t", "5", &project.redis_container()]);
    let status = project.xtask(&["status", "--json"]).must_end_with(20).json();
    assert!(status["problems"].to_string().contains("nginx does not run"), "{status:#}");

    project.new_version("after the restart");
    let report = project.deploy();
    assert_ne!(report["release"], served);
    assert_eq!(project.status()["live_release"], report["release"]);
    assert_eq!(project.redis(&["get", "kept"]), "yes");

    // Somebody empties the folder, as `git clean -xdf` does, under an nginx and containers that run on.
    std::fs::remove_dir_all(project.root().join(".deploy")).unwrap();
    let report = project.deploy();
    assert_eq!(project.status()["live_release"], report["release"]);
    assert_eq!(project.redis(&["get", "kept"]), "yes");
}

/// `slots` is changed in deploy.toml while a slot serves.
#[test]
fn the_port_of_what_serves_is_not_changed_under_it() {
    for mode in ["instant", "reload"] {
        let project = Project::new(mode);
        let live = project.deploy()["slot"].as_str().unwrap().to_owned();
        let (free, free_port) = project.free_slot();
        let slots = project.status()["slots"].clone();
        let port = slots.as_array().unwrap().iter().find(|slot| slot["live"] == true).unwrap()["port"].clone();
        // Lower than those of any test.
        let set = |slot: &str, from: &str, to: &str| {
            project.rewrite("deploy.toml", &format!("{slot} = {from}"), &format!("{slot} = {to}"))
        };
        let [port, free_port] = [port.to_string(), free_port.to_string()];
        let lower = |port: &str| (port.parse::<u16>().unwrap() - 10_000).to_string();
        let load = Load::start(&project.address(), &[Client::NewConnection], 60);
        set(&live, &port, &lower(&port));
        let refused = project.xtask(&["deploy", "--skip-tests", "--dirty"]).must_end_with(4);
        refused.must_say(&["cannot be changed", &format!("set it to {port}"), "nothing was touched"]);
        set(&live, &lower(&port), &port);
        set(&free, &free_port, &lower(&free_port));
        project.commit("another port of the free slot");
        assert_eq!(project.deploy()["slot"], free.as_str());
        set(&live, &port, &lower(&port));
        project.commit("and of the other one");
        assert_eq!(project.deploy()["slot"], live.as_str());
        assert_none_failed("changed ports", &load.finish(), &[Client::NewConnection]);
        project.status();
    }
}

/// Two clones of one repository on one machine, without a port in deploy.toml.
#[test]
fn of_two_clones_neither_takes_what_is_the_other_s() {
    let (first, second) = (Project::new("instant"), Project::new("instant"));
    let deployed = first.deploy()["release"].clone();
    let text = std::fs::read_to_string(second.root().join("deploy.toml")).unwrap();
    let no_port = |line: &&str| !["[slots]", "blue = ", "green = "].iter().any(|start| line.starts_with(start));
    let text: Vec<&str> = text.lines().filter(no_port).map(|line| line.split(", live_port").next().unwrap()).collect();
    let text = text.join("\n").replace("switch = \"instant\"", "switch = \"instant\" }");
    second.write("deploy.toml", &text.replace(&second.name, &first.name));
    second.commit("as cloned");
    let refused = second.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&[
        &format!("the name {} is taken", first.name),
        first.server("").to_str().unwrap().trim_end_matches('/'),
    ]);

    let load = Load::start(&first.address(), &BOTH, 60);
    second.rewrite("deploy.toml", "[environments.local]", &format!("[environments.local]\nname = \"{}\"", second.name));
    second.commit("with a name of its own");
    second.deploy();
    second.new_version("the second");
    second.deploy();
    second.xtask(&["rollback"]).must_end_with(0);
    assert_none_failed("the other clone", &load.finish(), &BOTH);
    assert_eq!(first.status()["live_release"], deployed);
    let ports = |project: &Project| -> Vec<u64> {
        project.status()["slots"].as_array().unwrap().iter().map(|slot| slot["port"].as_u64().unwrap()).collect()
    };
    assert!(ports(&second).iter().all(|port| (8000..9000).contains(port)), "{:?}", ports(&second));
}

#[test]
fn the_way_of_switching_may_be_changed_between_two_deploys() {
    let project = Project::new("instant");
    let mut slot = project.deploy()["slot"].clone();
    let load = Load::start(&project.address(), &[Client::NewConnection], 60);
    for (from, to) in [("instant", "reload"), ("reload", "instant"), ("instant", "reload")] {
        project.rewrite("deploy.toml", &format!("switch = \"{from}\""), &format!("switch = \"{to}\""));
        project.new_version(to);
        let report = project.deploy();
        assert_ne!(report["slot"], slot, "{report:#}");
        slot = report["slot"].clone();
        let status = project.status();
        assert_eq!((&status["mode"], &status["live_slot"]), (&to.into(), &slot), "{status:#}");
    }
    assert_none_failed("changed ways of switching", &load.finish(), &[Client::NewConnection]);
}

/// What `status` says is what users get, also where somebody has had a hand in it.
#[test]
fn the_status_says_what_does_not_agree() {
    let project = Project::new("instant");
    let served = project.deploy();
    let well = project.xtask(&["status"]).must_end_with(0);
    assert!(well.stdout.contains("all agree") && well.stdout.contains(served["release"].as_str().unwrap()), "{well}");

    let [flag, other] = ["live/green", "live/other"].map(|path| project.server(path));
    let (from, to) = if flag.exists() { (&flag, &other) } else { (&other, &flag) };
    std::fs::write(from, "").unwrap();
    std::fs::rename(from, to).unwrap();
    let moved = project.xtask(&["status"]).must_end_with(20);
    assert!(moved.stdout.contains("is live and nothing runs in it"), "{moved}");
    std::fs::rename(to, from).unwrap();
    let _none = std::fs::remove_file(&other);
    project.status();

    let web = project.containers(false).into_iter().find(|name| name.contains("api")).unwrap();
    project.docker(&["stop", "-t", "5", &web]);
    let stopped = project.xtask(&["status"]).must_end_with(20);
    assert!(stopped.stdout.contains(&format!("its container {web} is exited")), "{stopped}");
    assert!(get(&project.address(), "/health").is_ok_and(|answer| answer.status == 502));
    project.docker(&["start", &web]);
    let begun = Instant::now();
    while project.xtask(&["status"]).code != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", project.xtask(&["status"]));
        std::thread::sleep(Duration::from_millis(200));
    }
}
