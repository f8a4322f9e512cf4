//! Deploys to a server as its users see them: through nginx, all the time.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::load::{Address, BOTH, Client, Load, assert_none_failed};
use crate::support::secrets::{only_releases_hold_secrets, shows_no_secret};
use crate::support::server::{Compose, Server, said};
use crate::support::shared_server::on_a_server;
use crate::support::site::{Site, env_file};
use crate::support::team::Team;

/// What a deploy may ask of the server; each costs a round trip.
const MOST_COMMANDS: u64 = 30;

/// The accessory's container, whatever the compose of the server calls it.
const REDIS: &str =
    "$(docker ps -q --filter label=com.docker.compose.project=gifty --filter label=com.docker.compose.service=redis)";

/// Requests a second, of all clients together.
const RATE: u32 = 240;

#[derive(Clone, Copy, PartialEq)]
enum Clients {
    OneConnectionPerRequest,
    /// And clients that keep their connection and do not retry.
    AlsoKeepAlive,
}

fn receipt(report: &Value) -> String {
    let receipt = &report["receipt"];
    format!("{} requests, {} failed, slowest {} ms", receipt["requests"], receipt["failed"], receipt["slowest_ms"])
}

fn check_report(what: &str, report: &Value) {
    let commands = report["commands"].as_u64().unwrap();
    println!("{what}: {:.1} s, {commands} commands over SSH, {}", report["seconds"].as_f64().unwrap(), receipt(report));
    assert_eq!(report["outcome"]["result"], "succeeded", "{report}");
    assert!(commands <= MOST_COMMANDS, "{commands} commands over SSH");
    assert_eq!(report["receipt"]["failed"], 0, "{report}");
}

#[test]
fn the_first_deploy_needs_no_preparation() {
    let server = Server::start(Compose::V1);
    let site = Site::new(&server, "instant");
    site.xtask(&["status"]).must_end_with(20);
    let report = site.deploy();
    check_report("first deploy", &report);
    assert_eq!(report["from_release"], Value::Null);
    let status = site.status();
    assert_eq!((&status["live_release"], &status["problems"]), (&report["release"], &Value::Array(Vec::new())));
    // What the server's users get is that release.
    let answer = server.root(
        "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET /health HTTP/1.0\\r\\nHost: api.example\\r\\n\\r\\n' >&3; cat <&3",
    );
    assert!(answer.contains(report["release"].as_str().unwrap()), "{answer}");
}

/// The backend runs already, started by compose alone as before there was this tool: the first deploy takes it over.
#[test]
fn a_backend_that_runs_already_is_taken_over() {
    let server = &Server::start(Compose::V2);
    let site = &Site::new(server, "reload");
    server.receive(&site.root().join("backend"), "/home/deploy/backend");
    let up = format!(
        "cd backend\nsed -i 's/unless-stopped/always/' docker-compose.yml\ncat >.env <<'ENV'\n{}\nENV\ndocker compose -p gifty up -d --build",
        env_file()
    );
    let started = server.try_deploy_user(&up);
    assert!(started.status.success(), "{}", said(&started));
    let begun = Instant::now();
    while site.xtask(&["status"]).code != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(90), "{}", site.xtask(&["status"]));
        std::thread::sleep(Duration::from_millis(200));
    }
    let before = site.xtask(&["status"]);
    assert!(before.stdout.contains("an unmanaged container"), "{before}");
    let (accessory, calls) = (redis(server), worker_calls(server));

    a_take_over_that_fails_gives_the_work_back(server, site);
    let report = under_load("take-over", server, Clients::OneConnectionPerRequest, || site.deploy());
    check_report("take-over", &report);
    assert_eq!(site.status()["live_release"], report["release"]);
    assert_eq!(redis(server), accessory, "the accessory was restarted");
    assert_eq!(worker_calls(server).1, calls.1, "calls of a worker failed");
    let left = "docker ps --filter label=com.docker.compose.project=gifty --format '{{.Label \"com.docker.compose.service\"}}'";
    assert_eq!(server.root(left), "redis\n", "of what ran before, more than the accessory runs on");
    let policies =
        "docker ps -aq --filter status=exited | xargs docker inspect -f '{{.HostConfig.RestartPolicy.Name}}'";
    let policies = server.root(policies);
    assert!(!policies.contains("always"), "a reboot would start the API or the worker of before: {policies}");
    only_releases_hold_secrets(server);
}

/// One that fails at its end is undone to its beginning: the worker of before works again, and would after a reboot.
fn a_take_over_that_fails_gives_the_work_back(server: &Server, site: &Site) {
    site.configure("# after_switch = []", "after_switch = [[\"false\"]]");
    let failed = under_load("a take-over that fails", server, Clients::OneConnectionPerRequest, || {
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(14)
    });
    failed.must_say(&["Start the unmanaged workers again"]);
    site.configure("after_switch = [[\"false\"]]", "# after_switch = []");
    let workers = "docker ps --filter label=com.docker.compose.service=worker --format '{{.Label \"com.docker.compose.project\"}}'";
    assert_eq!(server.root(workers), "gifty\n", "what works now is not the worker of before");
    let policy = format!(
        "{} -q | xargs docker inspect -f '{{{{.HostConfig.RestartPolicy.Name}}}}'",
        workers.split(" --format").next().unwrap()
    );
    assert_eq!(server.root(&policy), "always\n");
}

/// When the accessory started, and what it holds: no deploy may touch either.
fn redis(server: &Server) -> (String, String) {
    let started = server.root(&format!("docker inspect -f '{{{{.State.StartedAt}}}} {{{{.RestartCount}}}}' {REDIS}"));
    let held = server.root(&format!("docker exec {REDIS} redis-cli get kept"));
    (started.trim().to_owned(), held.trim().to_owned())
}

/// Calls of the worker to `http://api:8000`: good ones, failed ones.
fn worker_calls(server: &Server) -> (u64, u64) {
    let text = server.root(&format!("docker exec {REDIS} redis-cli mget worker:ok worker:failed"));
    let mut numbers = text.lines().map(|line| line.trim().parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap_or(0))
}

/// Runs `act` while clients send at least 200 requests a second; none of them may fail.
fn under_load<T>(what: &str, server: &Server, clients: Clients, act: impl FnOnce() -> T) -> T {
    // Each kind several times: the more clients there are, the longer an answer may take at the same rate.
    let kinds = match clients {
        Clients::OneConnectionPerRequest => vec![Client::NewConnection; 8],
        Clients::AlsoKeepAlive => BOTH.repeat(4),
    };
    let address = Address { port: server.http_port(), host: "api.example".to_owned() };
    let load = Load::start(&address, &kinds, RATE / 8);
    let begun = Instant::now();
    let result = act();
    let figures = load.finish();
    assert_none_failed(what, &figures, &kinds);
    let sent: u64 = figures.values().map(|figures| figures.sent).sum();
    let rate = sent as f64 / begun.elapsed().as_secs_f64();
    assert!(rate >= 200.0, "{what}: the load was only {rate:.0} requests/s");
    result
}

#[test]
fn deploy_and_rollback_by_a_flag_under_load() {
    on_a_server(Compose::V1, |server, site| deploy_and_rollback_under_load(server, site, Clients::AlsoKeepAlive));
}

#[test]
fn deploy_and_rollback_by_a_reload_under_load() {
    on_a_server(Compose::V2, |server, site| {
        deploy_and_rollback_under_load(server, site, Clients::OneConnectionPerRequest);
    });
}

/// A new version, and back again: no request fails, the accessory runs on, no call of the worker fails.
fn deploy_and_rollback_under_load(server: &Server, site: &Site, clients: Clients) {
    server.root(&format!("docker exec {REDIS} redis-cli set kept 'since the first deploy'"));
    let (accessory, calls) = (redis(server), worker_calls(server));
    let first = site.status()["live_release"].clone();

    site.new_version("for a deploy under load");
    let report = under_load("deploy", server, clients, || site.deploy());
    check_report("second deploy", &report);
    assert_eq!(report["from_release"], first);
    let status = site.status();
    assert_eq!(status["live_release"], report["release"]);
    assert_ne!(status["live_release"], first);

    let back = under_load("rollback", server, clients, || site.xtask(&["rollback", "--json"]).must_end_with(0).json());
    check_report("rollback", &back);
    assert_eq!((&back["release"], &back["from_release"]), (&first, &report["release"]));
    assert_eq!(site.status()["live_release"], first);

    assert_eq!(redis(server), accessory, "the accessory was restarted or lost something");
    let (good, failed) = worker_calls(server);
    println!("the worker called {} times meanwhile, {} failed", good - calls.0, failed - calls.1);
    assert_eq!(
        failed,
        calls.1,
        "calls of the worker failed: {}",
        server.root(&format!("docker exec {REDIS} redis-cli get worker:last_error"))
    );
    assert!(good > calls.0 + 20, "the worker called {} times only", good - calls.0);
}

/// A version that answers 500: nobody gets to see it, and nothing of it keeps running.
#[test]
fn a_broken_version_changes_nothing() {
    on_a_server(Compose::V2, |server, site| {
        shows_no_secret(server, || {
            let before = site.status();
            let containers = "docker ps -aq --filter label=deploy.project=gifty --filter status=running | sort";
            let running = server.root(containers);
            let healthy = r#"return Health(status="ok", release=settings.release)"#;
            site.change("backend/app/routes/service.py", healthy, r#"raise RuntimeError("this version is broken")"#);
            // The compose file grants it 20 s to start.
            site.configure("# timeout = 60 ", "timeout = 10 ");
            let run = under_load("broken version", server, Clients::OneConnectionPerRequest, || {
                site.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(16)
            });
            let report = run.json();
            run.must_say(&["did not become healthy within 20 s", "status 500", "this version is broken"]);
            assert_eq!(report["serves"], before["live_release"], "{report}");
            assert_eq!(report["receipt"]["failed"], 0, "{report}");
            assert_eq!(server.root(containers), running, "the running containers are others than before");
            let left = "docker ps -aq --filter label=deploy.release=";
            assert_eq!(
                server.root(&format!("{left}{}", report["release"].as_str().unwrap())),
                "",
                "it left a container"
            );
            assert_eq!(site.status()["live_release"], before["live_release"]);
            site.configure("timeout = 10 ", "# timeout = 60 ");
            site.change("backend/app/routes/service.py", r#"raise RuntimeError("this version is broken")"#, healthy);
        })
    });
}

/// Two machines at once: one deploys, the other is told by whom, since when and for what, or waits for its turn.
#[test]
fn two_machines_take_turns() {
    on_a_server(Compose::V2, |server, site| {
        let other = Site::new(server, "reload");
        site.new_version("from the first machine");
        other.new_version("from the second machine");
        let first = site.deploy_up_to("Build the images");
        let refused = other.xtask(&["deploy", "--skip-tests"]).must_end_with(5);
        refused.must_say(&["the deploy lock is held by", "since 20", "for: deploy of 20", "--lock-wait"]);
        let second = other.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "120"]).must_end_with(0).json();
        first.end().must_end_with(0);
        assert_eq!(other.status()["live_release"], second["release"]);
        assert_ne!(second["from_release"], Value::Null);
    });
}

/// After a power cut the slot that served serves again, by nginx's own files and docker's restart policy.
#[test]
fn the_live_slot_survives_a_power_cut() {
    on_a_server(Compose::V1, |server, site| {
        let live = |status: &Value| (status["live_slot"].clone(), status["live_release"].clone());
        let mut before = site.status();
        if before["live_slot"] == "blue" {
            // Without a flag there is nothing that could be lost.
            site.new_version("in the slot that needs the flag");
            site.deploy();
            before = site.status();
        }
        server.power_cut();
        site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
        let begun = Instant::now();
        while site.xtask(&["status"]).code != Some(0) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", site.xtask(&["status"]));
            std::thread::sleep(Duration::from_millis(300));
        }
        println!("after a power cut, all serves again {:.1} s after docker does", begun.elapsed().as_secs_f64());
        assert_eq!(live(&site.status()), live(&before));
    });
}
