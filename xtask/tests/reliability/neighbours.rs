//! Production, staging and a second project on one server, each killed at stages of a deploy and of a rollback: the others, under load
//! all the while, do not feel it.

use serde_json::Value;

use crate::support::load::{Address, Client, Load, assert_none_failed};
use crate::support::server::{Compose, Server, said};
use crate::support::site::Site;
use crate::support::team::{Run, Team};

/// Requests a second to each of the two that do nothing.
const RATE: u32 = 30;

/// An environment of a team's repository.
struct Neighbour<'a> {
    site: &'a Site,
    /// That its containers carry.
    name: &'static str,
    environment: &'static str,
    host: &'static str,
    /// A client that keeps its connection feels a reload of nginx, whoever causes it.
    clients: &'static [Client],
}

impl Neighbour<'_> {
    fn xtask(&self, arguments: &[&str]) -> Run {
        let output = self.site.in_environment(self.environment, arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run::new(output.status.code(), text(output.stdout), text(output.stderr), self.site.secrets())
    }

    fn deploy(&self) -> Value {
        self.site.new_version(self.host);
        self.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0).json()
    }

    fn address(&self, server: &Server) -> Address {
        Address { port: server.http_port(), host: self.host.to_owned() }
    }

    /// What serves, and in which containers: the whole of what a neighbour could spoil.
    fn serves(&self, server: &Server) -> String {
        let name = self.name;
        let status = self.xtask(&["status", "--json"]).must_end_with(0).json();
        let containers = server.root(&format!("docker ps -q --no-trunc --filter label=deploy.project={name} | sort"));
        format!("{} {} {containers}", status["live_release"], status["live_slot"])
    }
}

/// Each does the same in turn, while all are under load and the other two must be found as they were. Gives the requests sent.
fn each_while_the_others_serve(server: &Server, all: &[Neighbour], what: &str, act: impl Fn(&Neighbour)) -> u64 {
    let mut sent = 0;
    let mut none_failed = |what: &str, load: Load, clients: &[Client]| {
        let figures = load.finish();
        assert_none_failed(what, &figures, clients);
        sent += figures.values().map(|figures| figures.sent).sum::<u64>();
    };
    for (number, neighbour) in all.iter().enumerate() {
        let others: Vec<&Neighbour> =
            all.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, other)| other).collect();
        let before: Vec<String> = others.iter().map(|other| other.serves(server)).collect();
        let loads: Vec<Load> =
            others.iter().map(|other| Load::start(&other.address(server), other.clients, RATE)).collect();
        let own = Load::start(&neighbour.address(server), neighbour.clients, RATE);
        act(neighbour);
        none_failed(&format!("{what} of {}", neighbour.host), own, neighbour.clients);
        for ((other, load), before) in others.iter().zip(loads).zip(before) {
            let what = format!("{} during {what} of {}", other.host, neighbour.host);
            none_failed(&what, load, other.clients);
            assert_eq!(other.serves(server), before, "{what}");
        }
    }
    sent
}

/// Kills a command at a stage, and lets the next deploy end well.
fn killed_at(neighbour: &Neighbour, command: &[&str], stage: &str) {
    neighbour.site.new_version(stage);
    let mut run = neighbour.site.start(neighbour.site.in_environment(neighbour.environment, command));
    run.wait_for(stage, |log| log.contains(stage));
    run.kill();
    let again = neighbour.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "60"]).must_end_with(0);
    assert_eq!(again.json()["receipt"]["failed"], 0, "{again}");
}

/// What a team says of its environments beside what must be said.
struct Settings {
    staging: &'static str,
    name_of_staging: &'static str,
    shop: &'static str,
}

/// No name, no port.
const AS_SHORT_AS_CAN_BE: Settings =
    Settings { staging: "nginx = {}\n", name_of_staging: "gifty-staging", shop: "nginx = {}\n" };

struct Story {
    compose: Compose,
    /// Those of production, staging and the second project.
    modes: [&'static str; 3],
    settings: Settings,
    /// Stages at which a deploy is killed, and a rollback.
    deploys: &'static [&'static str],
    rollbacks: &'static [&'static str],
}

impl Story {
    fn run(&self) {
        let server = Server::start(self.compose);
        let team = Site::new(&server, self.modes[0]);
        let toml = std::fs::read_to_string(team.root().join("deploy.toml")).unwrap();
        let staging = "[environments.staging]\nssh = true\nfolder = \"/app/staging\"\nurl = \"http://staging.example\"";
        team.write("deploy.toml", &format!("{toml}\n{staging}\n{}", self.settings.staging));
        let shop = Site::new_project(
            &server,
            &format!(
                "[project]\nname = \"shop\"\napp = \"backend\"\nweb = \"api\"\nworkers = [\"worker\"]\n[traffic]\nbake = 1\ndrain = 5\n[hooks]\n\
                 before_boot = [[\"python\", \"migrate.py\"]]\n[environments.prod]\nssh = true\nfolder = \"/srv/shop\"\nurl = \"http://shop.example\"\n{}",
                self.settings.shop
            ),
        );
        let clients: &[Client] = match self.modes.contains(&"reload") {
            true => &[Client::NewConnection],
            false => &[Client::NewConnection, Client::KeepAlive],
        };
        let neighbour = |site, name, environment, host| Neighbour { site, name, environment, host, clients };
        let all = [
            neighbour(&team, "gifty", "prod", "api.example"),
            neighbour(&team, self.settings.name_of_staging, "staging", "staging.example"),
            neighbour(&shop, "shop", "prod", "shop.example"),
        ];
        self.set_up(&server, &all);
        let sent = self.acts(&server, &all);
        at_the_same_moment(&all);
        let cases = all.len() * (self.deploys.len() + self.rollbacks.len() + 2);
        println!("neighbours, compose {:?}, {:?}: {cases} cases, {sent} requests, 0 failed", self.compose, self.modes);
        // Each has its own data.
        let rows = server.root("docker volume ls -q | grep redis-data | sort");
        let mut own: Vec<String> = all.iter().map(|neighbour| format!("{}_redis-data", neighbour.name)).collect();
        own.sort();
        assert_eq!(rows.lines().collect::<Vec<&str>>(), own);
        what_is_anothers_is_refused(&server, &team, &all);
    }

    fn set_up(&self, server: &Server, all: &[Neighbour]) {
        for (neighbour, mode) in all.iter().zip(self.modes) {
            let script = neighbour.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
            let done = server.try_root(&script);
            assert!(done.status.success(), "setup of {}: {}", neighbour.host, said(&done));
            neighbour.deploy();
        }
        let ports = server.root("grep -hoE 'server 127.0.0.1:[0-9]+' /etc/nginx/conf.d/*_upstream.conf | sort -u");
        assert_eq!(ports.lines().count(), 6, "two ports for each of three: {ports}");
        let switches = server.root("find /etc/nginx/snippets -name '*-switch.conf' | wc -l");
        assert_eq!(switches.trim(), self.modes.iter().filter(|mode| **mode == "instant").count().to_string());
        // A set-up that is run again moves no traffic and no port.
        let before = all[1].serves(server);
        server.root(&all[1].xtask(&["setup", "--mode", self.modes[1], "--user", "deploy"]).must_end_with(0).stdout);
        assert_eq!(all[1].serves(server), before);
    }

    /// Gives the requests sent.
    fn acts(&self, server: &Server, all: &[Neighbour]) -> u64 {
        let mut sent = each_while_the_others_serve(server, all, "a deploy", |neighbour| drop(neighbour.deploy()));
        sent += each_while_the_others_serve(server, all, "a rollback", |neighbour| {
            neighbour.xtask(&["rollback"]).must_end_with(0);
        });
        let deploys = self.deploys.iter().map(|stage| (["deploy", "--skip-tests"].as_slice(), stage));
        let rollbacks = self.rollbacks.iter().map(|stage| (["rollback"].as_slice(), stage));
        for (command, stage) in deploys.chain(rollbacks) {
            let what = format!("a kill of a {} at {stage:?}", command[0]);
            sent += each_while_the_others_serve(server, all, &what, |neighbour| killed_at(neighbour, command, stage));
        }
        sent
    }
}

/// Two environments of one clone are deployed to at once.
fn at_the_same_moment(all: &[Neighbour]) {
    let [prod, staging, _] = all else { panic!("three of them") };
    // What they have already differs, and so does what travels.
    staging.xtask(&["rollback"]).must_end_with(0);
    prod.site.new_version("to both at once");
    std::thread::scope(|scope| {
        let deploy = |of: &Neighbour| of.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0).json();
        let first = scope.spawn(move || deploy(prod));
        let second = scope.spawn(move || deploy(staging));
        assert_eq!(first.join().unwrap()["release"], second.join().unwrap()["release"]);
    });
}

/// Names and folders that are another's are seen at the first look, and nothing is touched.
fn what_is_anothers_is_refused(server: &Server, team: &Site, all: &[Neighbour]) {
    let before: Vec<String> = all.iter().map(|neighbour| neighbour.serves(server)).collect();
    let toml = std::fs::read_to_string(team.root().join("deploy.toml")).unwrap();
    server.root("install -d -o deploy -g deploy /app/other");
    let refused = |from: &str, to: &str, parts: &[&str]| {
        team.write("deploy.toml", &toml.replacen(from, to, 1));
        let run = team.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        run.must_say(&["nothing was touched"]).must_say(parts);
    };
    refused(
        "folder = \"/app/gifty-backend\"",
        "folder = \"/app/other\"",
        &["the name gifty is taken", "/app/gifty-backend", "`name` in [environments.prod]"],
    );
    refused("name = \"gifty\" ", "name = \"guess\" ", &["set the name to \"gifty\""]);
    refused(
        "url = \"http://api.example\"",
        "url = \"http://shop.example\"",
        &["http://shop.example is that of the site in"],
    );
    team.write("deploy.toml", &toml);
    let after: Vec<String> = all.iter().map(|neighbour| neighbour.serves(server)).collect();
    assert_eq!(after, before);
}

/// Every stage that a deploy over SSH has. The last one comes once there are more releases than are kept.
const STAGES: [&str; 16] = [
    "Package release",
    "Ship release",
    "Render the compose files",
    "Build the images",
    "Start the accessories",
    "Hook before boot",
    "Boot ",
    "Waiting for health check",
    "Switch traffic",
    "Verify through nginx",
    "Watch the new version",
    "Replace the workers",
    "Mark the release as known good",
    "Drain slot",
    "Stop slot",
    "Prune old releases",
];

const THOSE_THAT_CHANGE_WHAT_RUNS: [&str; 4] = ["Boot ", "Switch traffic", "Replace the workers", "Drain slot"];

/// Stages of a rollback that are not those of a deploy, or change what serves.
const OF_A_ROLLBACK: [&str; 5] =
    ["Render the stored compose files", "Boot ", "Switch traffic", "Watch the new version", "Stop slot"];

#[test]
fn compose_v2_with_staging_reloading() {
    let modes = ["instant", "reload", "instant"];
    Story { compose: Compose::V2, modes, settings: AS_SHORT_AS_CAN_BE, deploys: &STAGES, rollbacks: &[] }.run();
}

#[test]
fn compose_v1_with_all_reloading() {
    let modes = ["reload", "reload", "reload"];
    Story { compose: Compose::V1, modes, settings: AS_SHORT_AS_CAN_BE, deploys: &STAGES, rollbacks: &OF_A_ROLLBACK }
        .run();
}

/// Where nothing reloads, clients that keep their connection feel nothing either.
#[test]
fn compose_v1_without_a_reload_and_with_settings_of_their_own() {
    let settings = Settings {
        staging: "name = \"trial\"\nslots = { blue = 8300, green = 8301 }\nnginx = { live_port = 8302 }\n",
        name_of_staging: "trial",
        shop: "slots = { blue = 8400, green = 8401 }\nnginx = { upstream = \"of_the_shop\" }\n",
    };
    let modes = ["instant", "instant", "instant"];
    Story { compose: Compose::V1, modes, settings, deploys: &THOSE_THAT_CHANGE_WHAT_RUNS, rollbacks: &OF_A_ROLLBACK }
        .run();
}
