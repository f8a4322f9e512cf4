//! Deploys without traffic: how long each stage takes, here, over SSH, and over a link to far away; and what of it is the
//! tool's own.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::figures::{Figures, Plot, Shape};
use super::first_traffic;
use super::floor::Floor;
use super::stages::Stages;
use super::subject::{self, Used, used};
use crate::support::project::Project;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::slow_link::SlowLink;
use crate::support::team::Team;

const TIMES: usize = 5;

/// What several deploys to one place took.
#[derive(Default)]
struct Deploys {
    wall: Vec<f64>,
    processor: Vec<f64>,
    memory: Vec<f64>,
    largest: Vec<f64>,
    commands: Vec<f64>,
    stages: Stages,
}

impl Deploys {
    fn add(&mut self, deploy: &Used) -> Value {
        let report: Value = serde_json::from_str(&deploy.stdout).unwrap();
        assert_eq!(report["receipt"]["failed"], 0, "{report:#}");
        self.wall.push(deploy.seconds);
        self.processor.push(deploy.processor_seconds);
        self.memory.push(deploy.megabytes);
        self.largest.push(deploy.largest_megabytes);
        self.commands.push(report["commands"].as_f64().unwrap());
        self.stages.add(&report);
        report
    }

    fn report(self, figures: &mut Figures, place: &str, floor: &Floor, bar: Option<f64>) -> Vec<(String, f64)> {
        let raw = |values: &[f64]| median(values);
        let own: Vec<f64> = self.wall.iter().map(|wall| wall - raw(&floor.build) - raw(&floor.boot)).collect();
        let beyond_stop: Vec<f64> = own.iter().map(|own| own - raw(&floor.stop)).collect();
        figures.add(&format!("deploy, {place}: total"), "s", self.wall);
        match bar {
            Some(bar) => {
                figures.add(&format!("deploy, {place}: above build and boot"), "s", own);
                figures.add_with_bar(
                    &format!("deploy, {place}: above build, boot and the stop of the old one"),
                    "s",
                    beyond_stop,
                    bar,
                );
            }
            None => figures.add(
                &format!("deploy, {place}: above build, boot and the stop of the old one"),
                "s",
                beyond_stop,
            ),
        }
        figures.add(
            &format!("deploy, {place}: processor time of the tool and what it starts here"),
            "s",
            self.processor,
        );
        figures.add(&format!("deploy, {place}: most memory of the tool"), "MB", self.memory);
        figures.add(&format!("deploy, {place}: most memory of a program it starts here"), "MB", self.largest);
        figures.add(&format!("deploy, {place}: commands and copies over SSH"), "commands", self.commands);
        self.stages.0.iter().map(|(name, seconds)| (name.clone(), median(seconds))).collect()
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

pub fn measure(figures: &mut Figures) {
    let mut floor = Floor::default();
    let mut stages: Vec<(&str, Vec<(String, f64)>)> = Vec::new();
    for mode in ["instant", "reload"] {
        let project = subject::web_alone(mode);
        let (deploys, first_traffic) = local(&project, &mut floor);
        let place = if mode == "instant" { "local, instant" } else { "local, reload" };
        figures.add_with_bar(&first_traffic::name(place), "ms", first_traffic, 100.0);
        stages.push((place, deploys.report(figures, place, &floor, Some(1.0))));
        if mode == "instant" {
            unchanged(figures, &project, &floor);
        }
    }
    figures.add("floor: docker build, one file changed", "s", floor.build.clone());
    figures.add("floor: docker run until the first 200", "s", floor.boot.clone());
    figures.add("floor: docker stop", "s", floor.stop.clone());
    whole(figures);
    stages.extend(remote(figures, &floor));
    // Under the names of the stages in which a deploy does the same.
    let raw = [("Build the images", &floor.build), ("Boot", &floor.boot), ("Stop", &floor.stop)];
    let raw = raw.map(|(stage, seconds)| (stage.to_owned(), median(seconds))).to_vec();
    stages.push(("raw docker build, run until 200, stop", raw));
    figures.plot(by_stage(stages));
}

/// Deploys to this machine, each beside its floor; and the milliseconds from the first possible 200 to the traffic, of
/// deploys of their own: to look for those again and again takes time from a deploy.
fn local(project: &Project, floor: &mut Floor) -> (Deploys, Vec<f64>) {
    project.deploy();
    let mut deploys = Deploys::default();
    for number in 0..TIMES {
        subject::never_built(project, number);
        floor.measure(project);
        deploys.add(&used(&mut project.command(&["deploy", "--skip-tests", "--json"])));
    }
    let first_traffic = (0..TIMES).map(|number| {
        subject::never_built(project, number);
        first_traffic::here(project.free_slot().1, &project.address(), || drop(project.deploy()))
    });
    (deploys, first_traffic.collect())
}

fn unchanged(figures: &mut Figures, project: &Project, floor: &Floor) {
    let mut total = Vec::new();
    for _ in 0..TIMES {
        let again = used(&mut project.command(&["deploy", "--skip-tests", "--json"]));
        let report: Value = serde_json::from_str(&again.stdout).unwrap();
        let names = report["stages"].to_string();
        assert!(!names.contains("Ship release") && !names.contains("Package release"), "something was sent: {names}");
        total.push(again.seconds);
    }
    let above: Vec<f64> = total.iter().map(|total| total - median(&floor.boot) - median(&floor.stop)).collect();
    figures.add("redeploy of an unchanged release, local: total", "s", total);
    figures.add_with_bar(
        "redeploy of an unchanged release, local: above the boot of the new and the stop of the old container",
        "s",
        above,
        1.5,
    );
}

/// The reference backend with its migration and its worker.
fn whole(figures: &mut Figures) {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1\n", "bake = 0\n");
    project.deploy();
    let total = (0..TIMES).map(|number| {
        subject::never_built(&project, number);
        used(&mut project.command(&["deploy", "--skip-tests", "--json"])).seconds
    });
    figures.add("deploy, local, instant, with a migration and a worker: total", "s", total.collect());
}

fn remote<'a>(figures: &mut Figures, floor: &Floor) -> Vec<(&'a str, Vec<(String, f64)>)> {
    let mut stages = Vec::new();
    for mode in ["reload", "instant"] {
        let server = Server::start(Compose::V2);
        let mut site = Site::new(&server, mode);
        subject::web_alone_in(site.root());
        site.new_version("the web service and its accessory");
        site.deploy();
        let instant = mode == "instant";
        let place = if instant { "over SSH, instant" } else { "over SSH, reload" };
        let deploys = several(&site);
        stages.push((place, deploys.report(figures, place, floor, Some(2.0))));
        figures.add_with_bar(&first_traffic::name(place), "ms", first_traffic_on(&server, &site), 100.0);
        let far = SlowLink::to(server.ssh_port(), Duration::from_millis(100));
        site.set("PROD_SSH_PORT", &far.port.to_string());
        let place = if instant { "over SSH with 100 ms, instant" } else { "over SSH with 100 ms, reload" };
        stages.push((place, several(&site).report(figures, place, floor, None)));
        let sent = far.sent() as f64 / TIMES as f64;
        figures.add(&format!("deploy, {place}: bytes sent to the server, all in all"), "bytes", vec![sent]);
        figures.add(&first_traffic::name(place), "ms", first_traffic_on(&server, &site));
        site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
        if instant {
            copies(figures, &server, &site);
            round_trips(figures, &server, &mut site);
        }
    }
    stages
}

fn first_traffic_on(server: &Server, site: &Site) -> Vec<f64> {
    let one = |number| {
        subject::never_built(site, number);
        first_traffic::on(server, site.free_slot().1, &subject::address_of(server), || drop(site.deploy()))
    };
    (0..TIMES).map(one).collect()
}

fn several(site: &Site) -> Deploys {
    let mut deploys = Deploys::default();
    for number in 0..TIMES {
        subject::never_built(site, number);
        deploys.add(&used(&mut site.command(&["deploy", "--skip-tests", "--json"])));
    }
    deploys
}

/// What each command takes longer over a link that is slow enough to tell round trips from noise.
fn round_trips(figures: &mut Figures, server: &Server, site: &mut Site) {
    site.configure("bake = 0", "bake = 0\nstandby = true");
    site.new_version("with a standby");
    site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
    site.deploy();
    let link = SlowLink::to(server.ssh_port(), ROUND_TRIP);
    let ports = [link.port, server.ssh_port()];
    let connection = round_trips_of(ports, |port| connect(server, port));
    let connecting = median(&connection);
    let mut run = |arguments: &'static [&'static str]| {
        round_trips_of(ports, |port| {
            site.set("PROD_SSH_PORT", &port.to_string());
            if arguments[0] == "deploy" {
                site.new_version("to be sent over a slow link, or not");
            }
            site.xtask(arguments).must_end_with(0);
        })
    };
    let commands: [(&str, &'static [&'static str], f64); 3] = [
        ("deploy", &["deploy", "--skip-tests"], 25.0),
        ("warm rollback", &["rollback"], 4.0),
        ("status", &["status"], 2.0),
    ];
    figures.add("round trips of `ssh HOST true`, a new connection", "round trips", connection);
    for (name, arguments, bar) in commands {
        let all = run(arguments);
        // A whole number of them; what is over is the time the link itself takes.
        let beyond = all.iter().map(|all| (all - connecting).round()).collect();
        figures.add(&format!("round trips of {name}, with its connection"), "round trips", all);
        figures.add_with_bar(&format!("round trips of {name}, beyond the connection"), "round trips", beyond, bar);
    }
    site.configure("# [ssh]\n# keep = \"10m\"", "[ssh]\nkeep = \"60s\"");
    let mut look = |port: u16| {
        site.set("PROD_SSH_PORT", &port.to_string());
        site.xtask(&["status"]).must_end_with(0);
    };
    // The first looks leave their connections.
    ports.into_iter().for_each(&mut look);
    let kept = round_trips_of(ports, look);
    figures.add_with_bar("round trips of status over a kept connection", "round trips", kept, 2.0);
}

const ROUND_TRIP: Duration = Duration::from_millis(400);

/// What an act takes longer over the first of these ports, which is the second one behind that link.
fn round_trips_of(ports: [u16; 2], mut act: impl FnMut(u16)) -> Vec<f64> {
    let mut took = |port: u16| {
        let begun = Instant::now();
        act(port);
        begun.elapsed().as_secs_f64()
    };
    (0..3).map(|_| (took(ports[0]) - took(ports[1])) / ROUND_TRIP.as_secs_f64()).collect()
}

/// The rest of the floor over SSH: a copy of the archive, and a rename.
fn copies(figures: &mut Figures, server: &Server, site: &Site) {
    let package = site.xtask(&["package", "--json"]).must_end_with(0).json();
    let archive = package["archive"].as_str().unwrap();
    let seconds = |program: &str, words: &[&str]| {
        let begun = Instant::now();
        raw(program, server, server.ssh_port(), words);
        begun.elapsed().as_secs_f64()
    };
    let copy = (0..TIMES).map(|_| seconds("scp", &["-q", archive, "deploy@127.0.0.1:floor"])).collect();
    figures.add("floor: scp of the archive, with its connection", "s", copy);
    let rename = (0..TIMES).map(|_| seconds("ssh", &["deploy@127.0.0.1", "cp floor renamed && mv -T renamed floor"]));
    figures.add("floor: a rename by ssh, with its connection", "s", rename.collect());
}

/// A connection that does nothing.
fn connect(server: &Server, port: u16) {
    raw("ssh", server, port, &["deploy@127.0.0.1", "true"]);
}

/// `ssh` or `scp` as a person would call it, to the test server.
fn raw(program: &str, server: &Server, port: u16, words: &[&str]) {
    let mut command = Command::new(program);
    for option in [
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "BatchMode=yes",
        "LogLevel=ERROR",
    ] {
        command.args(["-o", option]);
    }
    command.arg("-i").arg(server.key_file()).arg(format!("-oPort={port}"));
    let status = command.args(words).status().unwrap();
    assert!(status.success(), "{program} {words:?}");
}

/// A stage is a part of a place's bar.
fn by_stage(places: Vec<(&str, Vec<(String, f64)>)>) -> Plot {
    let mut steps: Vec<String> = Vec::new();
    for (name, _) in places.iter().flat_map(|(_, stages)| stages) {
        if !steps.contains(name) {
            steps.push(name.clone());
        }
    }
    let line = |stages: &[(String, f64)]| -> Vec<f64> {
        let of = |step: &String| stages.iter().find(|(name, _)| name == step).map_or(0.0, |(_, seconds)| *seconds);
        steps.iter().map(of).collect()
    };
    let series = places.iter().map(|(place, stages)| ((*place).to_owned(), line(stages))).collect();
    Plot {
        file: "stages.svg".to_owned(),
        title: "A deploy by its stages, beside the raw commands; medians".to_owned(),
        shape: Shape::Bars,
        unit: "s".to_owned(),
        steps,
        series,
    }
}
