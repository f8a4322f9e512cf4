//! Production, staging and a second project on one server: what one of them does, the others do not feel.

use serde_json::Value;

use crate::load::{Address, Client, Load, assert_none_failed};
use crate::remote_site::Site;
use crate::server::{Compose, Server, said};
use crate::team::{Run, Team};

/// Requests a second to each of the two that do nothing.
const RATE: u32 = 30;

/// An environment of a team's repository.
pub struct Neighbour<'a> {
    site: &'a Site,
    environment: &'static str,
    host: &'static str,
    /// A client that keeps its connection feels a reload of nginx, whoever causes it.
    pub clients: &'static [Client],
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
        let name = if self.environment == "staging" { "gifty-staging" } else { self.name() };
        let status = self.xtask(&["status", "--json"]).must_end_with(0).json();
        let containers = server.root(&format!("docker ps -q --no-trunc --filter label=deploy.project={name} | sort"));
        format!("{} {} {containers}", status["live_release"], status["live_slot"])
    }

    fn name(&self) -> &'static str {
        if self.host == "shop.example" { "shop" } else { "gifty" }
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

/// Kills a deploy at a stage, and lets the next one end well.
fn killed_at(neighbour: &Neighbour, stage: &str) {
    neighbour.site.new_version(stage);
    let mut deploy =
        neighbour.site.start(neighbour.site.in_environment(neighbour.environment, &["deploy", "--skip-tests"]));
    deploy.wait_for(stage, |log| log.contains(stage));
    deploy.kill();
    let again = neighbour.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "60"]).must_end_with(0);
    assert_eq!(again.json()["receipt"]["failed"], 0, "{again}");
}

/// The stages at which a deploy is killed in `make test`; `make reliability` takes all.
const SOME_STAGES: [&str; 1] = ["Waiting for health check"];

/// `modes`: those of production, staging and the second project.
pub fn story(compose: Compose, modes: [&str; 3], stages: &[&str]) {
    let server = Server::start(compose);
    let team = Site::new(&server, modes[0]);
    let toml = std::fs::read_to_string(team.root().join("deploy.toml")).unwrap();
    // As short as a team writes it: no name, no port.
    team.write(
        "deploy.toml",
        &format!("{toml}\n[environments.staging]\nssh = true\nfolder = \"/app/staging\"\nurl = \"http://staging.example\"\nnginx = {{}}\n"),
    );
    let shop = Site::new_project(
        &server,
        "[project]\nname = \"shop\"\napp = \"backend\"\nweb = \"api\"\nworkers = [\"worker\"]\n[traffic]\nbake = 1\ndrain = 5\n[hooks]\n\
         before_boot = [[\"python\", \"migrate.py\"]]\n[environments.prod]\nssh = true\nfolder = \"/srv/shop\"\nurl = \"http://shop.example\"\nnginx = {}\n",
    );
    let clients = |reloads: bool| -> &'static [Client] {
        if reloads { &[Client::NewConnection] } else { &[Client::NewConnection, Client::KeepAlive] }
    };
    let reloads = modes.contains(&"reload");
    let neighbour = |site, environment, host| Neighbour { site, environment, host, clients: clients(reloads) };
    let all = [
        neighbour(&team, "prod", "api.example"),
        neighbour(&team, "staging", "staging.example"),
        neighbour(&shop, "prod", "shop.example"),
    ];
    for (neighbour, mode) in all.iter().zip(modes) {
        let script = neighbour.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        let done = server.try_root(&script);
        assert!(done.status.success(), "setup of {}: {}", neighbour.host, said(&done));
        neighbour.deploy();
    }
    let ports = server.root("grep -hoE 'server 127.0.0.1:[0-9]+' /etc/nginx/conf.d/*_upstream.conf | sort | uniq -c");
    let slots: Vec<&str> = ports.lines().map(|line| line.rsplit(':').next().unwrap()).collect();
    assert_eq!(slots.len(), 6, "two ports for each of three: {ports}");
    assert_eq!(
        server
            .root("grep -ho 'listen 127.0.0.1:8002' /etc/nginx/conf.d/*_upstream.conf | sort | uniq -c | wc -l")
            .trim(),
        "1"
    );
    assert_eq!(
        server.root("find /etc/nginx/snippets -name '*-switch.conf' | wc -l").trim(),
        modes.iter().filter(|mode| **mode == "instant").count().to_string()
    );
    // A set-up that is run again moves no traffic and no port.
    let before = all[1].serves(&server);
    server.root(&all[1].xtask(&["setup", "--mode", modes[1], "--user", "deploy"]).must_end_with(0).stdout);
    assert_eq!(all[1].serves(&server), before);

    let mut sent = each_while_the_others_serve(&server, &all, "a deploy", |neighbour| drop(neighbour.deploy()));
    sent += each_while_the_others_serve(&server, &all, "a rollback", |neighbour| {
        neighbour.xtask(&["rollback"]).must_end_with(0);
    });
    for stage in stages {
        sent += each_while_the_others_serve(&server, &all, &format!("a kill at {stage:?}"), |neighbour| {
            killed_at(neighbour, stage)
        });
    }
    at_the_same_moment(&all);
    let cases = all.len() * (stages.len() + 2);
    println!("neighbours, compose {compose:?}, {modes:?}: {cases} cases, {sent} requests, 0 failed");
    // Each has its own data.
    let rows = server.root("docker volume ls -q | grep redis-data | sort");
    assert_eq!(rows, "gifty-staging_redis-data\ngifty_redis-data\nshop_redis-data\n");
    what_is_anothers_is_refused(&server, &team, &all);
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

#[test]
fn three_on_one_server_do_not_feel_each_other() {
    story(Compose::V2, ["instant", "reload", "instant"], &SOME_STAGES);
}
