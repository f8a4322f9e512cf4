//! The crash matrix: SIGKILL at every stage line, before every script and copy, and while it runs; then one plain deploy.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::cut::{Cut, Cutter};
use super::target::{Remote, Target};
use crate::support::load::{Client, Load, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::secrets::only_releases_hold_secrets;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;
use crate::support::two_webs::{FRONT_PAGE, front_release, two_web_services};

/// Requests a second by each kind of client: enough to meet any pause in hundreds of cases, and little enough for the machine
/// to spend its time on deploys. Each deploy sends 20 a second of its own and counts them in its receipt.
const RATE: u32 = 12;
const INSTANT: &[Client] = &[Client::NewConnection, Client::KeepAlive];
/// nginx closes kept connections at a reload.
const RELOAD: &[Client] = &[Client::NewConnection];

#[derive(Default)]
struct Totals {
    cases: usize,
    requests: u64,
    /// A run may be over before its last moments come.
    not_reached: usize,
    deploys: Vec<Duration>,
}

fn matrix(place: &Target, mode: &str, clients: &[Client], arguments: &[&str]) {
    let cutter = Cutter::new();
    // Data that is not in the commit, and a commit that is new.
    let code = "      - .:/app\n    env_file";
    place.rewrite(
        "backend/docker-compose.yml",
        code,
        &code.replace("    env_file", "      - ./uploads:/uploads\n    env_file"),
    );
    // All steps there are: a free slot that was used before, releases that have had their time.
    for number in 0..4 {
        place.new_version(&format!("before the matrix {number}"));
        place.deploy();
    }
    place.new_version("not cut");
    prepare(place, arguments, 1000);
    let mut cuts = cutter.places(place, arguments);
    place.deploy();
    let what = format!(
        "{} {}, {mode} mode",
        place.name(),
        arguments.iter().take_while(|word| **word != "--skip-tests").copied().collect::<Vec<_>>().join(" ")
    );
    println!("{what}: {} places to cut", cuts.len());
    let every = std::env::var("EVERY").map_or(1, |every| every.parse().expect("EVERY is a number"));
    cuts = cuts.into_iter().step_by(every).collect();
    let mut totals = Totals::default();
    let mut before = place.status();
    for cut in &cuts {
        before = case(place, &cutter, arguments, cut, before, clients, &mut totals);
    }
    println!(
        "crash matrix, {what}: {} cases, {} requests, 0 failed; {} of the runs were over before the cut; the slowest deploy after a kill took {:.1} s",
        totals.cases,
        totals.requests,
        totals.not_reached,
        totals.deploys.iter().max().unwrap().as_secs_f64()
    );
    assert!(totals.not_reached * 10 <= totals.cases, "too many runs were over before they could be killed");
}

/// What gives the traffic to a held version, or removes it, needs one; what pushes an env file needs another one.
fn prepare(place: &Target, arguments: &[&str], number: usize) {
    match arguments {
        PROMOTE | ABORT => drop(place.xtask(HOLD).must_end_with(0)),
        ENV_PUSH => place.another_env_file(number),
        _ => {}
    }
}

/// From one status to the next.
fn case(
    place: &Target,
    cutter: &Cutter,
    arguments: &[&str],
    cut: &Cut,
    before: Value,
    clients: &[Client],
    totals: &mut Totals,
) -> Value {
    let what = format!("{}, {} killed {cut}", place.name(), arguments[0]);
    if arguments[0] != "rollback" {
        place.new_version(&what);
    }
    // Before a second version runs beside it.
    place.in_the_app(&format!("sh -c 'echo {} >>/uploads/rows'", totals.cases));
    prepare(place, arguments, totals.cases);
    let before = Before { slots: before["slots"].clone() };
    let load = Load::start(&place.address(), clients, RATE);
    let further = place.further_webs().first().map(|_| Load::of(FRONT_PAGE, &place.address(), clients, RATE));
    let killed = cutter.cut(place, arguments, cut);
    assert!(matches!(killed.code, None | Some(0)), "{what}: {killed}");
    totals.not_reached += usize::from(killed.code.is_some());

    let status = status_that_is_true(place, &what);
    if let (Cut::Stage(stage), true) = (cut, arguments == DEPLOY) {
        let state = before.describe(&status);
        assert!(allowed(stage).contains(&state.as_str()), "{what}: the model does not know {state:?}: {status:#}");
    }

    if totals.cases % 2 == 1 {
        place.new_version("after the kill");
    }
    let begun = Instant::now();
    let run = place.xtask(&["deploy", "--skip-tests", "--json"]);
    totals.deploys.push(begun.elapsed());
    let figures = load.finish();
    assert_eq!(run.code, Some(0), "{what}; then\n{run}\nafter\n{killed}");
    let report = run.json();
    let rows: String = (0..=totals.cases).map(|number| format!("{number}\n")).collect();
    assert_eq!(place.in_the_app("cat /uploads/rows"), rows, "{what}: rows of data are lost");
    totals.cases += 1;
    for figures in [Some(figures), further.map(Load::finish)].into_iter().flatten() {
        totals.requests += figures.values().map(|figures| figures.sent).sum::<u64>();
        assert_none_failed(&what, &figures, clients);
    }
    assert_eq!(report["receipt"]["failed"], 0, "{what}: {report:#}");
    assert_eq!(report["release"], place.answers(), "{what}");
    if !place.further_webs().is_empty() {
        assert_eq!(report["release"], front_release(&place.address()).as_str(), "{what}");
        // Each version has another one.
        let served = get(&place.address(), "/code/__init__.py").unwrap();
        assert_eq!(served.body, place.in_the_app("cat app/__init__.py"), "{what}: files of another version are served");
    }
    let left = place.leftovers();
    assert!(left.is_empty(), "{what}: this is left: {left:#?}\nafter\n{killed}");
    place.status()
}

/// While nginx reloads, its old and its new workers answer for a moment.
fn status_that_is_true(place: &Target, what: &str) -> Value {
    let begun = Instant::now();
    loop {
        let status = place.xtask(&["status", "--json"]);
        assert!(matches!(status.code, Some(0 | 20)), "{what}: {status}");
        let answers = place.answers();
        if status.json()["live_release"] == answers {
            return status.json();
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{what}: {answers} answers, but {status}");
    }
}

/// What there was before a run, to name what there is after it.
struct Before {
    slots: Value,
}

impl Before {
    /// As the model describes it. A container is known by its id: a release may be deployed twice.
    fn describe(&self, status: &Value) -> String {
        let slot = |slots: &Value, live: bool| {
            slots.as_array().unwrap().iter().find(|slot| slot["live"] == live).unwrap()["container"].clone()
        };
        let [before, older] = [true, false].map(|live| slot(&self.slots, live)["id"].clone());
        let name = |container: &Value| match &container["id"] {
            Value::Null => "none",
            id if *id == before => "before",
            id if *id == older => "older",
            _ => "new",
        };
        let [live, other] = [true, false].map(|live| slot(&status["slots"], live));
        let other = match other["status"].as_str() {
            // What docker is removing is gone in a moment.
            None | Some("removing") => "empty".to_owned(),
            Some(state) => format!("{state} {}", name(&other)),
        };
        format!("live {}, other slot {other}", name(&live))
    }
}

/// The states in which the model of the planner expects a deploy that is killed at this stage.
fn allowed(stage: &str) -> Vec<&'static str> {
    const MODEL: &str = include_str!("../../src/rules/plan/snapshots/xtask__rules__plan__model__states.snap");
    // The model's server has an nginx of its own, and nothing is where it was before the first stage.
    // It has no files that nginx serves itself either; while they are copied, nothing is other than after the build.
    let stage = match stage {
        nginx if nginx.starts_with("Make the private nginx") => "Render the compose files",
        files if files.starts_with("Copy the static files") => "Build the images",
        stage => stage,
    };
    let line = MODEL.lines().find(|line| line.split_once(": ").is_some_and(|(kind, _)| stage.starts_with(kind)));
    line.unwrap_or_else(|| panic!("the model knows no stage {stage:?}"))
        .split_once(": ")
        .unwrap()
        .1
        .split(" | ")
        .collect()
}

const DEPLOY: &[&str] = &["deploy", "--skip-tests"];
const ROLLBACK: &[&str] = &["rollback"];
const HOLD: &[&str] = &["deploy", "--hold", "--skip-tests"];
const PROMOTE: &[&str] = &["promote"];
const ABORT: &[&str] = &["abort"];
const RESTART: &[&str] = &["restart"];
const ENV_PUSH: &[&str] = &["env", "push"];

fn local(mode: &str, clients: &[Client], arguments: &[&str]) {
    let project = Project::new(mode);
    project.rewrite("deploy.toml", "drain = 12", "drain = 5");
    matrix(&Target::Local(&project), mode, clients, arguments);
}

/// Two web services, and files that nginx serves itself.
fn two_webs(mode: &str, clients: &[Client], arguments: &[&str]) {
    let project = two_web_services(mode, "[static]\n\"/code\" = \"front:/app/app\"\n");
    project.rewrite("deploy.toml", "drain = 12", "drain = 5");
    project.commit("with a short drain");
    matrix(&Target::Local(&project), mode, clients, arguments);
}

#[test]
fn a_local_deploy_of_two_web_services_may_be_killed_anywhere() {
    two_webs("instant", INSTANT, DEPLOY);
}

#[test]
fn a_local_rollback_of_two_web_services_may_be_killed_anywhere() {
    two_webs("reload", RELOAD, ROLLBACK);
}

fn remote(compose: Compose, mode: &str, clients: &[Client], arguments: &[&str]) {
    let server = Server::start(compose);
    let site = Site::new(&server, mode);
    let remote = Remote { server, site };
    matrix(&Target::Remote(&remote), mode, clients, arguments);
    only_releases_hold_secrets(&remote.server);
}

#[test]
fn a_local_deploy_in_instant_mode_may_be_killed_anywhere() {
    local("instant", INSTANT, DEPLOY);
}

#[test]
fn a_local_rollback_in_instant_mode_may_be_killed_anywhere() {
    local("instant", INSTANT, ROLLBACK);
}

#[test]
fn a_hold_a_promotion_and_an_abort_may_be_killed_anywhere() {
    for arguments in [HOLD, PROMOTE, ABORT] {
        local("instant", INSTANT, arguments);
    }
}

#[test]
fn a_restart_and_a_push_of_an_env_file_may_be_killed_anywhere() {
    for arguments in [RESTART, ENV_PUSH] {
        local("instant", INSTANT, arguments);
    }
}

/// The share of the new version is raised while it is killed.
#[test]
fn a_local_deploy_that_raises_its_share_may_be_killed_anywhere() {
    let project = Project::new("instant");
    project.rewrite(
        "deploy.toml",
        "drain = 12",
        "drain = 5\nramp = 2\nwarm_up = [\"/api/v1/interests\"]\npace = \"gentle\"",
    );
    matrix(&Target::Local(&project), "instant", INSTANT, &["deploy", "--skip-tests", "--json"]);
}

#[test]
fn a_remote_promotion_in_instant_mode_may_be_killed_anywhere() {
    remote(Compose::V2, "instant", INSTANT, PROMOTE);
}

#[test]
fn a_local_deploy_in_reload_mode_may_be_killed_anywhere() {
    local("reload", RELOAD, DEPLOY);
}

#[test]
fn a_local_rollback_in_reload_mode_may_be_killed_anywhere() {
    local("reload", RELOAD, ROLLBACK);
}

#[test]
fn a_remote_deploy_in_instant_mode_may_be_killed_anywhere() {
    remote(Compose::V1, "instant", INSTANT, DEPLOY);
}

#[test]
fn a_remote_rollback_in_instant_mode_may_be_killed_anywhere() {
    remote(Compose::V1, "instant", INSTANT, ROLLBACK);
}

#[test]
fn a_remote_deploy_in_reload_mode_may_be_killed_anywhere() {
    remote(Compose::V2, "reload", RELOAD, DEPLOY);
}

#[test]
fn a_remote_rollback_in_reload_mode_may_be_killed_anywhere() {
    remote(Compose::V2, "reload", RELOAD, ROLLBACK);
}
