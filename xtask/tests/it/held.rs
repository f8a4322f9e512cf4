//! `deploy --hold`, `promote`, `abort`: a version that is looked at before it gets traffic.

use serde_json::Value;

use crate::support::load::{Address, BOTH, Client, Load, assert_none_failed, get, get_with};
use crate::support::project::Project;
use crate::support::team::Team;
use crate::support::two_webs::{front_release, two_web_services};

/// Requests a second by each kind of client.
const RATE: u32 = 40;

fn release(address: &Address, header: Option<&str>) -> Value {
    let answer = match header {
        Some(header) => get_with(address, "/health", header),
        None => get(address, "/health"),
    };
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["release"].clone()
}

fn hold(project: &Project) -> Value {
    project.xtask(&["deploy", "--hold", "--skip-tests", "--json"]).must_end_with(0).json()
}

#[test]
fn who_has_the_secret_reaches_a_held_version_and_all_do_once_it_is_promoted() {
    let project = Project::new("instant");
    let (first, address) = (project.deploy()["release"].clone(), project.address());
    project.new_version("to be looked at first");
    let load = Load::start(&address, &BOTH, RATE);
    let held = hold(&project);
    let second = held["release"].clone();
    assert_eq!((&held["serves"], &held["preview"]["release"]), (&first, &second), "{held:#}");

    let header = held["preview"]["header"].as_str().unwrap();
    let cookie = format!("Cookie: theme=dark; {}", held["preview"]["cookie"].as_str().unwrap());
    assert_eq!((release(&address, None), release(&address, Some(header))), (first.clone(), second.clone()));
    assert_eq!(release(&address, Some(&cookie)), second);
    let port: u16 = held["preview"]["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(release(&Address { port, ..address.clone() }, None), second, "the port that is printed");
    // What is no secret leads nobody there, nor elsewhere in the file system.
    let other = "0".repeat(32);
    for wrong in [other.as_str(), "", "../green", "../../live/green", "%2e%2e/green", "*", "none", &format!("{other}x")]
    {
        for wrong in [format!("X-Deploy-Preview: {wrong}"), format!("Cookie: deploy_preview={wrong}")] {
            assert_eq!(release(&address, Some(&wrong)), first, "{wrong}");
        }
    }
    let record = std::fs::read_to_string(project.server("deploys.jsonl")).unwrap();
    assert!(!record.contains(header.rsplit(' ').next().unwrap()), "the secret is recorded");

    let status = project.status();
    let slots = status["slots"].as_array().unwrap();
    let marked: Vec<&Value> = slots.iter().filter(|slot| slot["held"] == true).collect();
    assert_eq!(
        (marked.len(), &marked[0]["slot"], &marked[0]["container"]["release"]),
        (1, &held["preview"]["slot"], &second)
    );
    project.xtask(&["switch"]).must_end_with(4).must_say(&["is held in slot", "`promote`"]);

    let promoted = project.xtask(&["promote", "--json"]).must_end_with(0).json();
    assert_none_failed("a hold and its promotion", &load.finish(), &BOTH);
    assert_eq!((&promoted["serves"], &promoted["from_release"]), (&second, &first));
    assert_eq!((release(&address, None), release(&address, Some(header))), (second.clone(), second.clone()));
    assert_eq!(project.status()["live_release"], second);
    assert_eq!(std::fs::read_dir(project.server("live/routes")).unwrap().count(), 0);
    for command in ["promote", "abort"] {
        project.xtask(&[command]).must_end_with(4).must_say(&["nothing is held"]);
    }
    assert_eq!(project.xtask(&["rollback", "--json"]).must_end_with(0).json()["serves"], first);
}

#[test]
fn what_is_held_is_aborted_or_replaced_and_nobody_notices() {
    let project = Project::new("instant");
    let (first, address) = (project.deploy()["release"].clone(), project.address());
    let serving = project.containers(true);
    let load = Load::start(&address, &BOTH, RATE);
    project.new_version("to be aborted");
    let held = hold(&project);
    let header = held["preview"]["header"].as_str().unwrap();
    project.xtask(&["abort"]).must_end_with(0);
    assert_eq!((project.containers(true), release(&address, Some(header))), (serving, first.clone()));
    project.status();

    project.new_version("to be replaced by another one that is held");
    let replaced = hold(&project)["preview"]["header"].as_str().unwrap().to_owned();
    project.new_version("which replaces it");
    let planned = project.xtask(&["deploy", "--hold", "--skip-tests", "--dry-run"]).must_end_with(0);
    assert!(planned.stdout.contains("End the preview"), "{planned}");
    let held = hold(&project);
    let header = held["preview"]["header"].as_str().unwrap();
    assert_eq!((release(&address, Some(&replaced)), release(&address, Some(header))), (first, held["release"].clone()));

    // A plain deploy of the same does not wait for anybody.
    let deployed = project.deploy();
    assert_eq!((&deployed["release"], &deployed["serves"]), (&held["release"], &held["release"]));
    assert_none_failed("holds that come to nothing", &load.finish(), &BOTH);
    project.status();
}

/// nginx leads nobody to it there, and the rest is the same.
#[test]
fn in_reload_mode_a_held_version_is_reached_by_its_port() {
    let project = Project::new("reload");
    project.deploy();
    project.new_version("to be looked at first");
    let run = project.xtask(&["deploy", "--hold", "--skip-tests"]).must_end_with(0);
    assert!(run.stdout.contains("in reload mode nginx leads nobody"), "{run}");
    let (_, port) = project.free_slot();
    let held = release(&Address { port, ..project.address() }, None);
    let load = Load::start(&project.address(), &[Client::NewConnection], RATE);
    let promoted = project.xtask(&["promote", "--json"]).must_end_with(0).json();
    assert_none_failed("a promotion by reload", &load.finish(), &[Client::NewConnection]);
    assert_eq!(promoted["serves"], held);
    project.status();
}

/// A version that is not healthy is not held, and one that fails after its promotion is held again.
#[test]
fn a_version_that_turns_bad_is_held_again_and_one_that_never_was_good_is_not() {
    let project = Project::new("instant");
    let first = project.deploy()["release"].clone();
    let served = project.containers(true);
    const HEALTH: &str = "return Health(status=\"ok\", release=settings.release)";
    project.change("backend/app/routes/service.py", HEALTH, "raise RuntimeError('never well')");
    project.xtask(&["deploy", "--hold", "--skip-tests"]).must_end_with(16).must_say(&["never well"]);
    assert_eq!(project.containers(true), served);
    project.forget_last_commit();

    project.rewrite("backend/app/routes/service.py", "import asyncio", "import asyncio, os");
    let bad = format!("if os.path.exists('/tmp/bad'): raise RuntimeError('turned bad')\n    {HEALTH}");
    project.change("backend/app/routes/service.py", HEALTH, &bad);
    project.rewrite("deploy.toml", "bake = 1", "bake = 5");
    let held = hold(&project);
    let slot = held["preview"]["slot"].as_str().unwrap().to_owned();
    let container = project.containers(false).into_iter().find(|name| name.contains(&format!("api-{slot}"))).unwrap();
    let mut promote = project.start(project.command(&["promote", "--json"]));
    promote.wait_for("the watch", |log| log.contains("Watch the new version"));
    project.docker(&["exec", &container, "touch", "/tmp/bad"]);
    let run = promote.end().must_end_with(18).must_say(&["turned bad"]);
    assert_eq!(run.json()["serves"], first, "{run}");
    assert_eq!(project.status()["slots"].as_array().unwrap().iter().filter(|slot| slot["held"] == true).count(), 1);
    project.docker(&["exec", &container, "rm", "/tmp/bad"]);
    assert_eq!(project.xtask(&["promote", "--json"]).must_end_with(0).json()["serves"], held["release"]);
    project.status();
}

#[test]
fn of_several_web_services_the_same_secret_leads_to_all() {
    let project = two_web_services("instant", "");
    let first = project.deploy()["release"].as_str().unwrap().to_owned();
    project.new_version("of both");
    let held = hold(&project);
    let header = held["preview"]["header"].as_str().unwrap();
    assert_eq!(release(&project.address(), Some(header)), held["release"]);
    let front = get_with(&project.address(), "/front/health", header).unwrap();
    assert!(front.body.contains(held["release"].as_str().unwrap()), "{}", front.body);
    assert_eq!(front_release(&project.address()), first);
    project.xtask(&["promote"]).must_end_with(0);
    assert_eq!(front_release(&project.address()), held["release"].as_str().unwrap());
    project.status();
}

/// Whatever became of it, its clients can be led back.
#[test]
fn a_version_that_has_ended_while_it_had_a_share_is_taken_back() {
    let project = Project::new("instant");
    let (first, address) = (project.deploy()["release"].clone(), project.address());
    for command in [&["canary", "stop"][..], &["abort"]] {
        project.new_version("which will end");
        let held = hold(&project);
        project.xtask(&["canary", "set", "99%"]).must_end_with(0);
        let slot = held["preview"]["slot"].as_str().unwrap().to_owned();
        let container =
            project.containers(false).into_iter().find(|name| name.contains(&format!("api-{slot}"))).unwrap();
        project.docker(&["kill", &container]);
        let status = project.xtask(&["status"]).must_end_with(20);
        assert!(status.stdout.contains("are still led to slot"), "{status}");
        project.xtask(&["promote"]).must_end_with(4).must_say(&["exited, which is not held"]);
        project.xtask(command).must_end_with(0);
        assert!(by_client(&address, 2..32).iter().all(|release| *release == first), "{command:?}");
    }
    project.status();
}

/// nginx takes variables of 46 letters.
#[test]
fn an_upstream_with_a_long_name_has_all_of_this_too() {
    let project = Project::new("instant");
    let long = "a".repeat(46);
    project.rewrite("deploy.toml", "private = true", &format!("private = true, upstream = \"{long}\""));
    let first = project.deploy()["release"].clone();
    project.new_version("to be looked at");
    let held = hold(&project);
    let header = held["preview"]["header"].as_str().unwrap();
    assert_eq!(release(&project.address(), Some(header)), held["release"]);
    assert_eq!(release(&project.address(), None), first);
    project.xtask(&["maintenance", "on"]).must_end_with(0);
    assert_eq!(get(&project.address(), "/api/v1/interests").unwrap().status, 503);
    project.xtask(&["maintenance", "off"]).must_end_with(0);
    project.xtask(&["promote"]).must_end_with(0);
    project.status();
}

/// The releases that clients of these addresses get.
fn by_client(address: &Address, clients: std::ops::Range<u8>) -> Vec<Value> {
    let one = |client: u8| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "--interface", &format!("127.0.0.{client}"), "-H", &format!("Host: {}", address.host)]);
        let output = curl.arg(format!("http://127.0.0.1:{}/health", address.port)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["release"].clone()
    };
    clients.map(one).collect()
}

#[test]
fn a_canary_has_its_share_of_all_clients_and_each_stays_where_it_is() {
    let project = Project::new("instant");
    let (first, address) = (project.deploy()["release"].clone(), project.address());
    project.xtask(&["canary", "set", "10%"]).must_end_with(4).must_say(&["nothing is held"]);
    project.new_version("for a few");
    let second = hold(&project)["release"].clone();
    let load = Load::start(&address, &BOTH, RATE);
    let with = |share: &str| {
        project.xtask(&["canary", "set", share]).must_end_with(0);
        by_client(&address, 2..122).into_iter().map(|release| release == second).collect::<Vec<bool>>()
    };
    let (few, more) = (with("20%"), with("60%"));
    let count = |those: &[bool]| those.iter().filter(|one| **one).count();
    println!("of 120 clients, with 20%: {}, with 60%: {}", count(&few), count(&more));
    // Of 120, five standard deviations.
    assert!((2..=46).contains(&count(&few)) && (45..=99).contains(&count(&more)), "{few:?} {more:?}");
    assert!(
        few.iter().zip(&more).all(|(few, more)| !few || *more),
        "a client of the smaller share is not in the larger one"
    );
    assert_eq!(with("60%"), more, "a client has not stayed where it was");
    let told = project.xtask(&["status"]).must_end_with(0);
    assert!(told.stdout.contains("60% of all clients"), "{told}");
    project.xtask(&["canary", "stop"]).must_end_with(0);
    assert!(by_client(&address, 2..122).iter().all(|release| *release == first));
    with("30%");
    assert_eq!(project.xtask(&["promote", "--json"]).must_end_with(0).json()["serves"], second);
    assert_none_failed("a canary", &load.finish(), &BOTH);
    assert!(by_client(&address, 2..32).iter().all(|release| *release == second));
    project.xtask(&["rollback"]).must_end_with(0);
    assert!(by_client(&address, 2..32).iter().all(|release| *release == first));
    for share in ["0%", "100%", "x", "-1", "1.5%"] {
        project.xtask(&["canary", "set", share]).must_end_with(2);
    }
    project.status();
}

#[test]
fn a_share_is_raised_before_the_switch_and_taken_back_where_the_version_turns_bad() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 20\nramp = 6");
    let (first, address) = (project.deploy()["release"].clone(), project.address());
    project.rewrite("deploy.toml", "bake = 20", "bake = 1");
    project.new_version("which comes step by step");
    let load = Load::start(&address, &BOTH, RATE);
    let mut deploy = project.deploy_up_to("Raise the share");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let meanwhile = by_client(&address, 2..62);
    let new = meanwhile.iter().filter(|release| **release != first).count();
    println!("half way, {new} of 60 clients get the new version");
    assert!((1..=59).contains(&new), "{meanwhile:?}");
    deploy.wait_for("the end", |log| log.contains("Stop slot"));
    deploy.end().must_end_with(0);
    let served = project.status()["live_release"].clone();

    // Killed while it is raised, it is held, and the next deploy ends well.
    project.new_version("killed half way");
    let deploy = project.deploy_up_to("Raise the share");
    std::thread::sleep(std::time::Duration::from_millis(1000));
    deploy.kill();
    let told = project.xtask(&["status"]);
    assert!(told.stdout.contains("of all clients"), "{told}");
    project.deploy();
    project.xtask(&["rollback"]).must_end_with(0);

    // Cancelled, it is as if it had never been.
    project.new_version("cancelled half way");
    let deploy = project.deploy_up_to("Raise the share");
    std::thread::sleep(std::time::Duration::from_millis(1000));
    deploy.signal("-TERM");
    deploy.end().must_end_with(130);
    assert!(by_client(&address, 2..62).iter().all(|release| *release == served), "a share is left");
    assert_none_failed("shares that are raised", &load.finish(), &BOTH);
    project.status();
}
