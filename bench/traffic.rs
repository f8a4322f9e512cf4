//! Deploys under traffic: what fails, for how long, and how much slower answers are while a deploy runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::figures::{Figures, Plot};
use super::floor::Floor;
use super::subject;
use super::watch;
use crate::support::load::{self, Address, BOTH, Client, Load, Sample, WebSocket};
use crate::support::project::Project;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::slow_link::SlowLink;
use crate::support::team::Team;

/// Requests a second by each of two kinds of client.
const RATE: u32 = 250;

const AROUND: Duration = Duration::from_secs(5);
/// Traffic before a deploy, to compare with.
const STEADY: Duration = Duration::from_secs(6);

/// Milliseconds that are one step of the plot of answers.
const STEP: i64 = 500;

/// What traffic saw of several deploys.
#[derive(Default)]
struct Seen {
    sent: u64,
    failed: BTreeMap<Client, Vec<f64>>,
    outage: Vec<f64>,
    steady: [Vec<f64>; 3],
    switching: [Vec<f64>; 3],
    ratio: Vec<f64>,
    wall: Vec<f64>,
    /// Milliseconds of every answer, by the step before or after the switch in which it was due.
    around: BTreeMap<i64, Vec<f64>>,
}

impl Seen {
    /// What `act` does, with as much traffic before and after it as is compared. It tells when the traffic moved.
    fn add(&mut self, address: &Address, act: impl FnOnce() -> Instant) {
        let load = Load::start(address, &BOTH, RATE);
        std::thread::sleep(STEADY);
        let begun = Instant::now();
        let switched = act();
        self.wall.push(begun.elapsed().as_secs_f64());
        std::thread::sleep(AROUND.saturating_sub(switched.elapsed()));
        let figures = load.finish();
        let all: Vec<Sample> = figures.values().flat_map(|figures| figures.samples.clone()).collect();
        let percentiles = |kept: &dyn Fn(&Sample) -> bool| {
            let took = all.iter().filter(|sample| kept(sample)).map(milliseconds).collect();
            let sorted = sorted(took);
            [0.5, 0.99, 1.0].map(|part| percentile(&sorted, part))
        };
        let steady = percentiles(&|sample| sample.due < begun && begun - sample.due < STEADY - Duration::from_secs(1));
        let switching = percentiles(&|sample| sample.due + AROUND > switched && sample.due < switched + AROUND);
        for index in 0..3 {
            self.steady[index].push(steady[index]);
            self.switching[index].push(switching[index]);
        }
        for sample in &all {
            let after = sample.due.saturating_duration_since(switched).as_millis() as i64;
            let before = switched.saturating_duration_since(sample.due).as_millis() as i64;
            self.around.entry((after - before).div_euclid(STEP)).or_default().push(milliseconds(sample));
        }
        self.ratio.push(switching[1] / steady[1]);
        self.outage.push(longest_outage(&all));
        for (kind, figures) in &figures {
            println!("    {kind:?}: {figures}");
            self.sent += figures.sent;
            self.failed.entry(*kind).or_default().push(figures.failures() as f64);
        }
    }

    /// Gives the line of the plot of answers.
    fn report(self, figures: &mut Figures, what: &str, bars: &[Client]) -> (String, Vec<f64>) {
        let under = format!("{what}, 500 requests/s");
        figures.add(&format!("{under}: requests sent"), "requests", vec![self.sent as f64]);
        for (kind, failed) in self.failed {
            let sum = vec![failed.iter().sum()];
            let name = match kind {
                Client::NewConnection => "connection per request",
                Client::KeepAlive => "keep-alive without retry",
            };
            let name = format!("{under}: failed, {name}, {} times", failed.len());
            if bars.contains(&kind) {
                figures.add_with_bar(&name, "failed", sum, 0.0)
            } else {
                figures.add(&name, "failed", sum)
            }
        }
        figures.add(&format!("{under}: longest outage"), "s", self.outage);
        for (name, values) in ["p50", "p99", "max"].iter().zip(self.steady) {
            figures.add(&format!("{under}: {name} before"), "ms", values);
        }
        for (name, values) in ["p50", "p99", "max"].iter().zip(self.switching) {
            figures.add(&format!("{under}: {name} in the ten seconds around the switch"), "ms", values);
        }
        let name = format!("{under}: p99 around the switch against p99 before");
        if bars.is_empty() {
            figures.add(&name, "times", self.ratio)
        } else {
            figures.add_with_bar(&name, "times", self.ratio, 1.25)
        }
        figures.add(&format!("{under}: wall time under this traffic"), "s", self.wall);
        let steps = steps().map(|step| percentile(&sorted(self.around[&step].clone()), 0.99));
        (what.to_owned(), steps.collect())
    }
}

fn milliseconds(sample: &Sample) -> f64 {
    sample.took.as_secs_f64() * 1000.0
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

/// The steps of the ten seconds around a switch.
fn steps() -> std::ops::Range<i64> {
    let around = AROUND.as_millis() as i64 / STEP;
    -around..around
}

/// How long answers take, and when.
pub fn plot(part: &str, series: Vec<(String, Vec<f64>)>) -> Plot {
    Plot {
        file: format!("latency-{part}.svg"),
        title: "99th percentile of the answers, by seconds from the switch".to_owned(),
        unit: "ms".to_owned(),
        steps: steps().map(|step| format!("{:+.1} s", (step * STEP) as f64 / 1000.0)).collect(),
        series: series.into_iter().collect(),
    }
}

/// Seconds from the first to the last failure of a row, in which no second was without one.
fn longest_outage(samples: &[Sample]) -> f64 {
    let mut failed: Vec<(Instant, Instant)> =
        samples.iter().filter(|sample| sample.failed).map(|sample| (sample.due, sample.due + sample.took)).collect();
    failed.sort();
    let mut longest = Duration::ZERO;
    let mut row: Option<(Instant, Instant)> = None;
    for (from, to) in failed {
        row = match row {
            Some((begun, ended)) if from < ended + Duration::from_secs(1) => Some((begun, ended.max(to))),
            _ => Some((from, to)),
        };
        longest = longest.max(row.map_or(Duration::ZERO, |(begun, ended)| ended - begun));
    }
    longest.as_secs_f64()
}

/// Something that can be deployed again and again.
pub struct Subject<'a> {
    pub what: String,
    pub address: Address,
    /// Writes another version.
    pub prepare: &'a dyn Fn(usize),
    pub deploy: &'a dyn Fn(usize),
}

impl Subject<'_> {
    /// Gives the line of the plot of answers.
    pub fn under_traffic(&self, figures: &mut Figures, deploys: usize, bars: &[Client]) -> (String, Vec<f64>) {
        let mut seen = Seen::default();
        for number in 0..deploys {
            (self.prepare)(number);
            let watch = watch::next_release(&self.address);
            seen.add(&self.address, || {
                (self.deploy)(number);
                watch.came()
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
            (self.deploy)(number);
            cut.push(sockets.join().unwrap() as f64);
            stop.store(true, Ordering::Relaxed);
            lost.push(slow.into_iter().map(|requests| requests.join().unwrap()).sum::<usize>() as f64);
        }
        let slow = format!("{}: requests of 10 s, 10 at any time during each of 3 deploys", self.what);
        let sockets = format!("{}: of 4 websockets, those cut within 5 s of each of 3 switches", self.what);
        for (what, values) in [(slow, lost), (sockets, cut)] {
            if bar { figures.add_with_bar(&what, "failed", values, 0.0) } else { figures.add(&what, "failed", values) }
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
            deploy: &|_| drop(project.deploy()),
        };
        latency.push(subject.under_traffic(figures, deploys, bars));
        subject.in_flight(figures, true);
        if mode == "instant" {
            sustained(figures, &project);
            latency.push(raw_commands(figures, &project));
        }
    }
    figures.plot(plot("traffic", latency));
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
                deploy: &|_| drop(site.deploy()),
            };
            latency.push(subject.under_traffic(figures, 5, bars));
            subject.in_flight(figures, true);
        }
    }
    figures.plot(plot("traffic-over-ssh", latency));
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
            Instant::now()
        });
    }
    seen.report(figures, "raw docker build, run and stop beside the site", &[])
}
