//! What version 0.1 has prepared and deployed is taken along by this one: no request fails, no data is lost, and what cannot
//! be taken along is said before anything is touched.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::load::{Address, BOTH, Client, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::server::{Compose, Server, repository, said};
use crate::support::site::Site;
use crate::support::team::{Run, Team};

/// The last commit of version 0.1.
const COMMIT: &str = "cf7135b2f8c4a74ed3b39daee721504495f02441";

/// Requests a second by each kind of client.
const RATE: u32 = 40;

/// The repository as it was then, with its tool built: some of a minute, once in each clone.
static EARLIER: LazyLock<&Path> = LazyLock::new(|| {
    let folder = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/version-0.1"));
    let script = "rm -rf \"$1\" && mkdir -p \"$1\" && git archive \"$2\" | tar -x -C \"$1\" && cd \"$1\" && \
                  cargo build --quiet --locked --package xtask --target-dir \"$1-target\"";
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script, "build"])
        .arg(folder)
        .arg(COMMIT)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "a clone with its whole history is needed: {}", said(&output));
    folder
});

/// The tool of then, for the same team.
fn earlier(team: &impl Team, arguments: &[&str]) -> Run {
    let now = team.command(arguments);
    let mut then = Command::new(format!("{}-target/debug/xtask", EARLIER.display()));
    then.args(now.get_args()).current_dir(team.root());
    for (name, value) in now.get_envs() {
        match value {
            Some(value) => then.env(name, value),
            None => then.env_remove(name),
        };
    }
    let output = then.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run::new(output.status.code(), text(output.stdout), text(output.stderr), team.secrets())
}

fn earlier_deploy(team: &impl Team) -> Value {
    earlier(team, &["deploy", "--skip-tests", "--json"]).must_end_with(0).json()
}

/// Under load: what is to be done once, then a deploy, another one and the way back, by this version. What is done once reloads
/// nginx, which closes connections that clients keep; from then on none of these clients feels anything.
fn goes_on(what: &str, team: &impl Team, address: &Address, clients: &[Client], once: impl FnOnce()) {
    let mut sent = 0;
    let mut none_failed = |what: &str, load: Load, clients: &[Client]| {
        let figures = load.finish();
        assert_none_failed(what, &figures, clients);
        sent += figures.values().map(|figures| figures.sent).sum::<u64>();
    };
    let load = Load::start(address, &[Client::NewConnection], RATE);
    once();
    none_failed(&format!("{what}, what is done once"), load, &[Client::NewConnection]);
    let load = Load::start(address, clients, RATE);
    team.new_version("by the new tool");
    let first = team.deploy();
    team.new_version("by the new tool again");
    let second = team.deploy();
    let back = team.xtask(&["rollback", "--json"]).must_end_with(0).json();
    assert_eq!((&back["release"], &back["from_release"]), (&first["release"], &second["release"]));
    none_failed(what, load, clients);
    println!("from version 0.1, {what}: {sent} requests, 0 failed");
    assert_eq!(team.status()["live_release"], first["release"]);
}

fn a_server_is_taken_along(compose: Compose, mode: &str, clients: &[Client]) {
    let server = Server::start(compose);
    let site = Site::not_set_up(&server);
    let toml = std::fs::read_to_string(EARLIER.join("deploy.toml")).unwrap();
    site.write("deploy.toml", &toml.replace("https://api.gifty.example", "http://api.example"));
    site.configure("# [traffic]\n# bake = 3 ", "[traffic]\nbake = 1 ");
    site.configure("# drain = 30 ", "drain = 5 ");
    site.commit("as the first version had it");
    server.root(&earlier(&site, &["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout);
    earlier_deploy(&site);
    site.new_version("the second by the old tool");
    earlier_deploy(&site);
    let redis = "docker exec $(docker ps -q --filter label=com.docker.compose.project=gifty --filter label=com.docker.compose.service=redis) redis-cli";
    server.root(&format!("{redis} set kept yes"));

    // Before the script of `setup` has run, this version touches nothing and says what to do.
    let serving = site.xtask(&["status", "--json"]).json();
    let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&["nothing was touched", "cargo xtask setup"]);
    assert_eq!(site.xtask(&["status", "--json"]).json()["live_release"], serving["live_release"]);

    let address = Address { port: server.http_port(), host: "api.example".to_owned() };
    goes_on(&format!("a server with compose {compose:?} in {mode} mode"), &site, &address, clients, || {
        let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
    });
    assert_eq!(server.root(&format!("{redis} get kept")), "yes\n");
    let services = "docker ps --format '{{.Label \"com.docker.compose.project\"}} {{.Label \"com.docker.compose.service\"}}' | sort";
    let services = server.root(services);
    assert_eq!(services.lines().count(), 3, "a web service, a worker and redis: {services}");
}

#[test]
fn a_server_with_a_flag_is_taken_along() {
    a_server_is_taken_along(Compose::V1, "instant", &BOTH);
}

#[test]
fn a_server_with_a_reload_is_taken_along() {
    a_server_is_taken_along(Compose::V2, "reload", &[Client::NewConnection]);
}

#[test]
fn this_machine_is_taken_along() {
    let project = Project::new("instant");
    earlier_deploy(&project);
    project.new_version("the second by the old tool");
    earlier_deploy(&project);
    project.redis(&["set", "kept", "yes"]);
    goes_on("this machine", &project, &project.address(), &BOTH, || {
        project.new_version("with which nginx gets this version's files");
        project.deploy();
    });
    assert_eq!(project.redis(&["get", "kept"]), "yes");
}

/// The first version mounted what the compose file names of the app's folder from the release's own, and data there went with
/// the release. What still lies there is not left behind in silence.
#[test]
fn data_in_a_release_of_the_first_version_is_not_left_behind() {
    let project = Project::new("instant");
    project.change("backend/docker-compose.yml", "      - .:/app\n", "      - .:/app\n      - ./uploads:/uploads\n");
    earlier_deploy(&project);
    let in_web = |slot: &str, command: &str| {
        let of_slot = format!("label=com.docker.compose.project={}-{slot}", project.name);
        let web = project.docker(&["ps", "-q", "--filter", &of_slot]);
        project.docker(&["exec", "-u", "0", &web, "sh", "-c", command])
    };
    in_web("green", "echo of the first version >/uploads/photo");
    project.new_version("by the new tool");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
    let refused = refused.must_say(&["nothing that runs was touched", "data of `uploads` lies in a release's folder"]);
    let (_, command) = refused.stderr.split_once("may not): ").unwrap();
    let (command, _) = command.split_once("; then deploy again").unwrap();
    assert!(Command::new("bash").args(["-ec", command]).status().unwrap().success(), "{command}");
    project.deploy();
    assert_eq!(in_web("blue", "cat /uploads/photo"), "of the first version");
}
