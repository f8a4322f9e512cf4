//! Deploys under traffic: what fails, for how long, and how much slower answers are while a deploy runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::figures::Figures;
use super::floor::Floor;
use super::seen::{self, AROUND, Done, RATE, Seen};
use super::subject;
use super::watch;
use crate::support::load::{self, Address, BOTH, Client, Load, WebSocket};
use crate::support::project::Project;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::slow_link::SlowLink;
use crate::support::team::Team;

const GENTLE: &str = "bake = 0\npace = \"gentle\"\n";

/// Something that can be deployed again and again.
pub struct Subject<'a> {
    pub what: String,
    pub address: Address,
    /// Writes another version.
    pub prepare: &'a dyn Fn(usize),
    /// Gives what the tool says of it, where it is this one.
    pub deploy: &'a dyn Fn(usize) -> Option<Value>,
}

impl Subject<'_> {
    /// Gives the line of the plot of answers.
    pub fn under_traffic(&self, figures: &mut Figures, deploys: usize, bars: &[Client]) -> (String, Vec<f64>) {
        let mut seen = Seen::default();
        for number in 0..deploys {
            (self.prepare)(number);
            let watch = watch::next_release(&self.address);
            seen.add(&self.address, || {
                let report = (self.deploy)(number);
                Done { switched: watch.came(), report }
            });
        }
        seen.report(figures, &self.what, bars)
    }

    /// Requests that take 10 s and websockets, open when the traffic moves. A drain waits 12 s.
    pub fn in_flight(&self, figures: &mut Figures, bar: bool) {
        let (mut lost, mut cut) = (Vec::new(), Vec::new());
        for number in 100..103 {
            (self.prepare)(number);
            let stop = Arc::new(AtomicBool::new(false));
            let slow: Vec<_> = (0..10).map(|number| slow_requests(&self.address, number, &stop)).collect();
            let sockets: Vec<WebSocket> = (0..4).map(|_| socket(&self.address)).collect();
            let watch = watch::next_release(&self.address);
            let sockets = std::thread::spawn(move || {
                watch.came();
                std::thread::sleep(AROUND);
                sockets.into_iter().filter_map(|mut socket| socket.echo("still there").err()).count()
            });
            let _report = (self.deploy)(number);
            cut.push(sockets.join().unwrap() as f64);
            stop.store(true, Ordering::Relaxed);
            lost.push(slow.into_iter().map(|requests| requests.join().unwrap()).sum::<usize>() as f64);
        }
        let slow = format!("{}: requests of 10 s, 10 at any time during each of 3 deploys", self.what);
        let sockets = format!("{}: of 4 websockets, those cut within 5 s of each of 3 switches", self.what);
        for (what, values) in [(slow, lost), (sockets, cut)] {
            figures.add_against(&what, "failed", values, bar.then_some(0.0));
        }
    }
}

/// One request of 10 s after the other until it is told to stop; how many failed.
fn slow_requests(address: &Address, number: u32, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (address, stop) = (address.clone(), Arc::clone(stop));
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300) * number);
        let mut failed = 0;
        while !stop.load(Ordering::Relaxed) {
            if !load::get(&address, "/slow?s=10").is_ok_and(|answer| answer.status == 200) {
                failed += 1;
                std::thread::sleep(Duration::from_secs(1)); // a person tries again, and not a thousand times a second
            }
        }
        failed
    })
}

/// An open websocket that has said what it says first.
fn socket(address: &Address) -> WebSocket {
    let mut socket = WebSocket::open(address, "/ws/echo").unwrap();
    socket.receive().unwrap();
    socket
}

pub fn measure(figures: &mut Figures) {
    let mut latency = Vec::new();
    for (mode, deploys, bars) in [("instant", 20, &BOTH[..]), ("reload", 10, &[Client::NewConnection])] {
        let project = subject::web_alone(mode);
        project.deploy();
        let subject = Subject {
            what: format!("{mode} mode, local"),
            address: project.address(),
            prepare: &|number| subject::never_built(&project, number),
            deploy: &|_| Some(project.deploy()),
        };
        latency.push(subject.under_traffic(figures, deploys, bars));
        subject.in_flight(figures, true);
        if mode == "instant" {
            sustained(figures, &project);
            latency.push(raw_commands(figures, &project));
            project.rewrite("deploy.toml", "bake = 0\n", GENTLE);
            let gentle = Subject { what: "gentle, instant mode, local".to_owned(), ..subject };
            latency.push(gentle.under_traffic(figures, 5, &BOTH));
        }
    }
    figures.plot(seen::plot("traffic", latency));
}

/// The same over SSH, and over a link to far away.
pub fn measure_over_ssh(figures: &mut Figures) {
    let mut latency = Vec::new();
    for (mode, bars) in [("reload", &[Client::NewConnection][..]), ("instant", &BOTH)] {
        let server = Server::start(Compose::V2);
        let mut site = Site::new(&server, mode);
        subject::web_alone_in(site.root());
        site.configure("drain = 5 ", "drain = 12 ");
        site.new_version("the web service and its accessory");
        site.deploy();
        let far = SlowLink::to(server.ssh_port(), Duration::from_millis(100));
        for (link, port) in [("over SSH", server.ssh_port()), ("over SSH with 100 ms", far.port)] {
            site.set("PROD_SSH_PORT", &port.to_string());
            let subject = Subject {
                what: format!("{mode} mode, {link}"),
                address: subject::address_of(&server),
                prepare: &|number| subject::never_built(&site, number),
                deploy: &|_| Some(site.deploy()),
            };
            latency.push(subject.under_traffic(figures, 5, bars));
            subject.in_flight(figures, true);
        }
        if mode == "instant" {
            site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
            site.configure("bake = 0\n", GENTLE);
            let gentle = Subject {
                what: "gentle, instant mode, over SSH".to_owned(),
                address: subject::address_of(&server),
                prepare: &|number| subject::never_built(&site, number),
                deploy: &|_| Some(site.deploy()),
            };
            latency.push(gentle.under_traffic(figures, 5, &BOTH));
        }
    }
    figures.plot(seen::plot("traffic-over-ssh", latency));
}

/// Longer than the 60 s for which a connection's remains keep its port: enough to use up all there are.
fn sustained(figures: &mut Figures, project: &Project) {
    let load = Load::start(&project.address(), &BOTH, RATE);
    std::thread::sleep(Duration::from_secs(90));
    let failed = load.finish().values().map(|figures| figures.failures() as f64).sum();
    figures.add_with_bar("instant mode, local: 500 requests/s to one slot for 90 s", "failed", vec![failed], 0.0);
}

/// What the raw commands of the floor alone do to the answers of the site beside which they run: no traffic moves.
fn raw_commands(figures: &mut Figures, project: &Project) -> (String, Vec<f64>) {
    let mut seen = Seen::default();
    let mut floor = Floor::default();
    for number in 0..5 {
        subject::never_built(project, number);
        seen.add(&project.address(), || {
            floor.measure(project);
            Done { switched: Instant::now(), report: None }
        });
    }
    seen.report(figures, "raw docker build, run and stop beside the site", &[])
}
