//! Deploys to this machine as users see them: through nginx, all the time.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::load::{self, BOTH, Client, Load, Page, WebSocket, assert_none_failed};
use crate::support::project::{Project, SECRET_VALUES, env_file};
use crate::support::team::Team;

/// Together at least 200 requests a second, by both kinds of client.
const RATE: u32 = 110;
const DEPLOYS: usize = 4;

fn deploys_in_a_row(mode: &str, must_not_fail: &[Client]) {
    let project = Project::new(mode);
    project.rewrite("deploy.toml", "bake = 1\n", "bake = 0\n");
    let first = project.deploy();
    project.redis(&["set", "kept", "yes"]);
    let accessory = |project: &Project| {
        let container = project.redis_container();
        project.docker(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", &container])
    };
    let (before, (ok_before, _)) = (accessory(&project), project.worker_calls());
    let load = Load::start(&project.address(), &BOTH, RATE);
    let mut slot = first["slot"].clone();
    for number in 0..DEPLOYS {
        project.new_version(&format!("version {number}"));
        let report = project.deploy();
        assert_ne!(report["slot"], slot, "the deploy did not move to the other slot");
        assert_eq!(report["receipt"]["failed"], 0, "{report:#}");
        slot = report["slot"].clone();
    }
    let figures = load.finish();
    assert_none_failed(&format!("{DEPLOYS} deploys, {mode} mode"), &figures, must_not_fail);
    assert!(load::rate(&figures) >= 200.0, "only {:.0} requests/s were sent", load::rate(&figures));

    assert_eq!((accessory(&project), project.redis(&["get", "kept"])), (before, "yes".to_owned()));
    let (ok, failed) = project.worker_calls();
    println!("{mode} mode: the worker made {} calls, {failed} failed", ok - ok_before);
    assert!(ok > ok_before + 100 && failed == 0, "{}", project.redis(&["get", "worker:last_error"]));
    let running = project.containers(false);
    assert_eq!(running.len(), 3, "the web service, a worker and redis run: {running:?}");
    let releases = project.status()["releases"].as_array().unwrap().len();
    let images = project.docker(&["image", "ls", "-q", "--filter", &format!("reference={}-api", project.name)]);
    let images = images.lines().collect::<BTreeSet<&str>>().len();
    // The deploy before the last counted its own and the live one among those kept.
    assert!(releases <= 4 && images <= 4, "{releases} releases and {images} images were kept");
}

/// One mode after the other: each needs the processor for its rate.
#[test]
fn some_deploys_in_a_row_lose_no_request() {
    deploys_in_a_row("instant", &BOTH);
    deploys_in_a_row("reload", &[Client::NewConnection]);
}

#[test]
fn what_is_in_flight_at_the_switch_ends_as_it_should() {
    let project = Project::new("instant");
    project.deploy();
    let address = project.address();
    let mut socket = WebSocket::open(&address, "/ws/echo").unwrap();
    assert!(socket.receive().unwrap().contains("release"));
    let slow: Vec<_> = (0..12)
        .map(|number| {
            let address = address.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(500) * number);
                load::get(&address, "/slow?s=10").map(|answer| answer.status)
            })
        })
        .collect();
    project.new_version("while requests are in flight");
    let begun = Instant::now();
    let deploy = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| project.deploy());
        let mut alive = Duration::ZERO;
        while socket.echo("still there?").is_ok_and(|echo| echo == "still there?") {
            alive = begun.elapsed();
            std::thread::sleep(Duration::from_millis(100));
        }
        let report = deploy.join().unwrap();
        let drained = report["stages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|stage| stage["name"].as_str().unwrap().starts_with("Drain"));
        let seconds = drained.unwrap()["seconds"].as_f64().unwrap();
        println!(
            "the websocket lived {:.1} s of the deploy's {:.1} s; drain {seconds:.1} s",
            alive.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
        assert!((11.0..16.0).contains(&seconds), "the drain did not wait for the websocket up to its limit: {seconds}");
        assert!(alive.as_secs_f64() > seconds, "the websocket ended before the drain did");
        report
    });
    for request in slow {
        assert_eq!(request.join().unwrap(), Ok(200), "a request in flight was lost");
    }
    assert_eq!(deploy["receipt"]["failed"], 0);
    project.status();
}

#[test]
fn a_rollback_to_a_standby_only_moves_the_traffic() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 1\nstandby = true");
    let first = project.deploy()["release"].clone();
    project.new_version("with the first one as a standby");
    let second = project.deploy()["release"].clone();
    let standby = project.containers(false);
    assert_eq!(standby.len(), 4, "both versions, the worker, the accessory: {standby:?}");

    // Its workers would be started from its files.
    let worker = project.server(&format!("releases/{}/worker.py", first.as_str().unwrap()));
    let committed = std::fs::read_to_string(&worker).unwrap();
    std::fs::write(&worker, format!("{committed}\nprint('planted')\n")).unwrap();
    let refused = project.xtask(&["rollback"]).must_end_with(4);
    refused.must_say(&["worker.py", "no longer as they were shipped", "Nothing was touched"]);
    assert_eq!(project.status()["live_release"], second);
    std::fs::write(&worker, committed).unwrap();

    let load = Load::start(&project.address(), &BOTH, 60);
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0).json();
    project.new_version("which needs the slot of the standby");
    let third = project.deploy();
    assert_none_failed("a warm rollback and a deploy", &load.finish(), &BOTH);
    assert_eq!((&back["serves"], &back["from_release"]), (&first, &second));
    assert!(!back["stages"].to_string().contains("Boot"), "{back:#}");
    assert_eq!((&third["from_release"], project.containers(false).len()), (&first, 4));
    assert_eq!(project.worker_calls().1, 0, "calls of the worker failed");
    project.status();
}

#[test]
fn a_release_is_private_where_it_must_be_and_a_rollback_brings_all_of_it_back() {
    let project = Project::new("instant");
    let first = project.deploy();
    let first = first["release"].as_str().unwrap();
    let env = project.server(&format!("releases/{first}/.env"));
    assert_eq!(std::fs::read_to_string(&env).unwrap(), env_file());
    // A container of any user can read it through its mount; the folder above is closed to all other users of the host.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&env), mode(&project.server("releases")), mode(&project.server("meta"))), (0o644, 0o700, 0o700));
    let kept = std::fs::read_dir(project.server(&format!("meta/{first}"))).unwrap().map(|entry| entry.unwrap().path());
    let secret: Vec<_> = kept
        .filter(|path| path.ends_with("env") || path.file_name().unwrap().to_string_lossy().starts_with("compose."))
        .collect();
    assert!(secret.len() >= 6, "{secret:?}");
    secret.iter().for_each(|path| assert_eq!(mode(path), 0o600, "{}", path.display()));
    project.xtask(&["rollback"]).must_end_with(4).must_say(&["nothing to roll back to"]);

    project.write("env.local", &env_file().replace(SECRET_VALUES[0], "token-of-the-second-release"));
    project.change("backend/app/routes/service.py", "slept=s", "slept=s + 1");
    let second = project.deploy();
    let slept = || load::get(&project.address(), "/slow?s=0").unwrap().body;
    let token = |release: &str| {
        let project_label = format!("label=deploy.release={release}");
        let container = project.docker(&["ps", "-q", "--filter", &project_label, "--filter", "name=api"]);
        project.docker(&["exec", &container, "printenv", "API_TOKEN"])
    };
    assert!(slept().contains("1.0"), "{}", slept());
    assert_eq!(token(second["release"].as_str().unwrap()), "token-of-the-second-release");

    let load = Load::start(&project.address(), &BOTH, RATE);
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0).json();
    assert_none_failed("rollback", &load.finish(), &[Client::NewConnection, Client::KeepAlive]);
    assert_eq!(back["serves"], first);
    assert!(slept().contains("0.0") && slept().contains(first), "{}", slept());
    assert_eq!(token(first), SECRET_VALUES[0]);
    assert!(!back["stages"].to_string().contains("Build"), "a rollback builds nothing: {back:#}");

    project.xtask(&["rollback", "--to", first]).must_end_with(4).must_say(&["serves now"]);
    let to = second["release"].as_str().unwrap();
    assert_eq!(project.xtask(&["rollback", "--to", to, "--json"]).must_end_with(0).json()["serves"], to);
    project.status();
}

/// An app whose processes take a second each for the first request of a page, as one does that fills a cache.
#[test]
fn an_app_that_is_slow_at_first_is_warmed_up_before_anybody_asks() {
    const PAGE: Page = Page { path: "/api/v1/interests", says: "\"" };
    let project = Project::new("instant");
    project.deploy();
    let slow = "async def list_interests(catalogue: CurrentCatalogue) -> list[str]:\n    global FILLED\n    if not FILLED:\n        \
                time.sleep(1)\n        FILLED = True\n";
    project.rewrite(
        "backend/app/routes/gifts.py",
        "async def list_interests(catalogue: CurrentCatalogue) -> list[str]:\n",
        slow,
    );
    project.rewrite(
        "backend/app/routes/gifts.py",
        "from typing import Annotated\n",
        "import time\nfrom typing import Annotated\n\nFILLED = False\n",
    );
    let slowest = || {
        let load = Load::of(PAGE, &project.address(), &BOTH, 20);
        project.deploy();
        let figures = load.finish();
        assert_none_failed("an app that is slow at first", &figures, &BOTH);
        figures.values().map(|figures| figures.slowest).max().unwrap()
    };
    project.commit("slow at first");
    let cold = slowest();
    project.rewrite("deploy.toml", "bake = 1", "bake = 1\nwarm_up = [\"/api/v1/interests\"]");
    project.new_version("warmed up");
    let warm = slowest();
    println!("slowest answer without warming up {cold:?}, with it {warm:?}");
    assert!(cold >= Duration::from_millis(1000) && warm < Duration::from_millis(950), "{cold:?}, {warm:?}");

    project.rewrite("deploy.toml", "/api/v1/interests", "/no/such");
    project.new_version("asked for what it has not");
    project.deploy();
    project.change(
        "backend/app/routes/gifts.py",
        "    global FILLED\n",
        "    raise RuntimeError('no catalogue')\n    global FILLED\n",
    );
    project.rewrite("deploy.toml", "/no/such", "/api/v1/interests");
    let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    failed.must_say(&["cannot be warmed up", "/api/v1/interests gives status 500"]);
    project.status();
}
