//! Two web services in one project: they move together, and each reaches the other of its own release.

use crate::support::load::{Address, Client, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";
const RATE: u32 = 40;
const BOTH: [Client; 2] = [Client::NewConnection, Client::KeepAlive];

/// A second web service of the same code, and where nginx has it.
fn project(mode: &str) -> Project {
    let project = Project::new(mode);
    let front = "  front:\n    build: .\n    volumes:\n      - .:/app\n    env_file: .env\n    depends_on: [api]\n\n  worker:\n";
    project.rewrite(COMPOSE, "  worker:\n", front);
    project.rewrite("deploy.toml", "[test]\n", "[web.front]\nport = 8000\npath = \"/front/\"\n[test]\n");
    project.commit("two web services");
    project
}

/// What a container of the live slot of one service is told by the other one.
fn release_that_answers(project: &Project, from: &str, to: &str) -> String {
    let containers = project.containers(false);
    let slot = project.status()["live_slot"].as_str().unwrap().to_owned();
    let from = containers.iter().find(|name| name.contains(&format!("{from}-{slot}"))).unwrap();
    let script = format!(
        "import json,urllib.request; print(json.load(urllib.request.urlopen('http://{to}:8000/health'))['release'])"
    );
    project.docker(&["exec", from, "python", "-c", &script])
}

#[test]
fn both_move_together_under_load_and_go_back_together() {
    for mode in ["instant", "reload"] {
        let project = project(mode);
        let checked = project.xtask(&["check"]).must_end_with(0);
        assert!(checked.stdout.contains("front") && !checked.stdout.contains("front   accessory"), "{checked}");
        let first = project.deploy()["release"].as_str().unwrap().to_owned();
        assert_eq!(release_that_answers(&project, "front", "api"), first);
        let load = Load::start(&project.address(), &BOTH, RATE);
        project.new_version("the second");
        let second = project.deploy();
        assert_eq!(second["receipt"]["failed"], 0, "{second:#}");
        let second = second["release"].as_str().unwrap().to_owned();
        assert_eq!(release_that_answers(&project, "front", "api"), second);
        assert_eq!(release_that_answers(&project, "api", "front"), second);
        project.xtask(&["rollback"]).must_end_with(0);
        assert_eq!(release_that_answers(&project, "front", "api"), first);
        if mode == "instant" {
            assert_none_failed("two web services", &load.finish(), &BOTH);
        }
        let front: Address = project.address();
        assert!(get(&front, "/front/health").is_ok());
        assert_eq!(project.status()["problems"], serde_json::json!([]));
    }
}

/// If one does not become healthy, both stay.
#[test]
fn where_one_fails_all_stay() {
    let project = project("instant");
    let first = project.deploy();
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 6");
    project.rewrite(COMPOSE, "    depends_on: [api]\n", "    depends_on: [api]\n    command: [sleep, '600']\n");
    project.commit("one that does not answer");
    let load = Load::start(&project.address(), &BOTH, RATE);
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(16).must_say(&["`front`"]);
    assert_none_failed("one of two that fails", &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
    let free = format!("{}-{}-", project.name, project.free_slot().0);
    let left: Vec<String> = project.containers(false).into_iter().filter(|name| name.starts_with(&free)).collect();
    assert_eq!(left, [""; 0], "something of the failed version runs on");
}
