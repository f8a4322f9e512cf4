//! Two web services in one project: they move together, and each reaches the other of its own release.

use crate::support::load::{Client, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::team::Team;
use crate::support::two_webs::{FRONT, FRONT_PAGE, add_front, front_release, two_web_services};

const COMPOSE: &str = "backend/docker-compose.yml";
const RATE: u32 = 40;
const BOTH: [Client; 2] = [Client::NewConnection, Client::KeepAlive];

fn project(mode: &str) -> Project {
    two_web_services(mode, "")
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
    move_together("instant");
}

pub fn move_together(mode: &str) {
    let project = project(mode);
    let checked = project.xtask(&["check"]).must_end_with(0);
    assert!(checked.stdout.contains("front") && !checked.stdout.contains("front   accessory"), "{checked}");
    let first = project.deploy()["release"].as_str().unwrap().to_owned();
    assert_eq!(release_that_answers(&project, "front", "api"), first);
    let load = Load::start(&project.address(), &BOTH, RATE);
    let front = Load::of(FRONT_PAGE, &project.address(), &BOTH, RATE);
    assert_eq!(front_release(&project.address()), first);
    project.new_version("the second");
    let second = project.deploy();
    assert_eq!(second["receipt"]["failed"], 0, "{second:#}");
    assert_eq!(second["release"], front_release(&project.address()).as_str());
    let second = second["release"].as_str().unwrap().to_owned();
    assert_eq!(release_that_answers(&project, "front", "api"), second);
    assert_eq!(release_that_answers(&project, "api", "front"), second);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(release_that_answers(&project, "front", "api"), first);
    assert_eq!(front_release(&project.address()), first);
    // nginx closes kept connections at a reload.
    let clients = if mode == "instant" { &BOTH[..] } else { &[Client::NewConnection] };
    assert_none_failed("the first of two web services", &load.finish(), clients);
    assert_none_failed("the second of two web services", &front.finish(), clients);
    assert_eq!(project.status()["problems"], serde_json::json!([]));
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

/// The first one was healthy, and has ended by the time the second one is.
#[test]
fn one_that_ends_while_another_is_waited_for_is_noticed_before_the_switch() {
    let project = project("instant");
    let first = project.deploy();
    let slow = "    depends_on: [api]\n    command: [sh, -c, 'sleep 12; exec gunicorn app.main:app']\n";
    project.rewrite(COMPOSE, "    depends_on: [api]\n", slow);
    project.rewrite(
        COMPOSE,
        "  api:\n    build: .\n",
        "  api:\n    build: .\n    command: [timeout, '7', gunicorn, app.main:app]\n",
    );
    project.commit("one that ends");
    let load = Load::start(&project.address(), &BOTH, RATE);
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(16).must_say(&["`api`"]);
    assert_none_failed("one of two that ends", &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
}

/// A further one is watched through nginx after the switch, as the first one is.
#[test]
fn one_that_turns_bad_after_the_switch_takes_all_back() {
    let project = project("instant");
    let first = project.deploy();
    let service = "backend/app/routes/service.py";
    let bad = "    if os.environ.get(\"TURNS_BAD\") and time.monotonic() - STARTED > 8:\n        raise RuntimeError(\"bad by now\")\n    return Health(";
    project.rewrite(service, "    return Health(", bad);
    project.rewrite(service, "import asyncio\n", "import asyncio\nimport os\nimport time\n");
    project.rewrite(service, "router = APIRouter()\n", "router = APIRouter()\nSTARTED = time.monotonic()\n");
    project.rewrite(COMPOSE, "ROOT_PATH: /front", "ROOT_PATH: /front, TURNS_BAD: \"yes\"");
    project.rewrite("deploy.toml", "bake = 1", "bake = 20");
    project.commit("one that turns bad");
    let load = Load::start(&project.address(), &BOTH, RATE);
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(18).must_say(&["nginx, asked for `front`", "500"]);
    assert_none_failed("one of two that turns bad", &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
}

/// A web service that comes, a path that changes, a web service that goes: each version has its own, until the switch and from it on.
#[test]
fn the_site_s_paths_change_with_the_switch_and_not_sooner() {
    paths_change("instant");
}

pub fn paths_change(mode: &str) {
    let project = Project::new(mode);
    project.deploy();
    let address = project.address();
    let statuses = || ["/front/health", "/shop/health"].map(|path| get(&address, path).unwrap().status);
    let load = Load::start(&address, &[Client::NewConnection], RATE);
    add_front(&project, "");
    project.deploy();
    assert_eq!(statuses(), [200, 404]);

    // A version that fails takes nothing from the one that serves.
    let fails = |what: &str| {
        let front = Load::of(FRONT_PAGE, &address, &[Client::NewConnection], RATE);
        project.change("backend/migrate.py", "def main() -> int:\n", "def main() -> int:\n    raise SystemExit(1)\n");
        project.xtask(&["deploy", "--skip-tests"]).must_end_with(14);
        assert_none_failed(what, &front.finish(), &[Client::NewConnection]);
        assert_eq!(statuses(), [200, 404]);
        project.forget_last_commit();
    };
    project.rewrite("deploy.toml", "path = \"/front/\"", "path = \"/shop/\"");
    project.change(COMPOSE, "ROOT_PATH: /front", "ROOT_PATH: /shop");
    fails("a front that is to move");
    project.deploy();
    assert_eq!(statuses(), [404, 200]);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(statuses(), [200, 404]);

    let toml = std::fs::read_to_string(project.root().join("deploy.toml")).unwrap();
    let (before, front) = toml.split_once("[web.front]").unwrap();
    project.write("deploy.toml", &format!("{before}[test]{}", front.split_once("[test]").unwrap().1));
    project.rewrite(COMPOSE, &FRONT.replace("/front}", "/shop}"), "");
    project.commit("without a front");
    fails("a front that is to go");
    project.deploy();
    assert_eq!(statuses(), [404, 404]);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(statuses(), [200, 404]);
    assert_none_failed("the first web service", &load.finish(), &[Client::NewConnection]);
    assert_eq!(project.status()["problems"], serde_json::json!([]));
}
