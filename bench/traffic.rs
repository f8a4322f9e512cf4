//! Deploys under traffic: what fails, for how long, and how much slower answers are while a deploy runs.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::floor::free_port;
use super::subject;
use super::watch::{self, Watch};
use crate::load::{self, Address, BOTH, Client, Load, Sample, WebSocket};
use crate::local_project::Project;
use crate::server::{docker_with_compose_v2, repository};

/// Requests a second by each of two kinds of client.
const RATE: u32 = 250;

const AROUND: Duration = Duration::from_secs(5);
/// Traffic before a deploy, to compare with.
const STEADY: Duration = Duration::from_secs(6);

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
}

impl Seen {
    /// One deploy, with as much traffic before and after it as is compared.
    fn add(&mut self, address: &Address, deploy: impl FnOnce()) {
        let before = watch::release(address);
        let load = Load::start(address, &BOTH, RATE);
        std::thread::sleep(STEADY);
        let watch = Watch::start(address, move |body| !body.contains(&before));
        let begun = Instant::now();
        deploy();
        self.wall.push(begun.elapsed().as_secs_f64());
        let switched = watch.seen();
        std::thread::sleep(AROUND.saturating_sub(switched.elapsed()));
        let figures = load.finish();
        let all: Vec<Sample> = figures.values().flat_map(|figures| figures.samples.clone()).collect();
        let percentiles = |kept: &dyn Fn(&Sample) -> bool| {
            let mut took: Vec<f64> =
                all.iter().filter(|sample| kept(sample)).map(|sample| sample.took.as_secs_f64() * 1000.0).collect();
            took.sort_by(f64::total_cmp);
            [0.5, 0.99, 1.0].map(|part| took[((took.len() - 1) as f64 * part) as usize])
        };
        let steady = percentiles(&|sample| sample.due < begun && begun - sample.due < STEADY - Duration::from_secs(1));
        let switching = percentiles(&|sample| sample.due + AROUND > switched && sample.due < switched + AROUND);
        for index in 0..3 {
            self.steady[index].push(steady[index]);
            self.switching[index].push(switching[index]);
        }
        self.ratio.push(switching[1] / steady[1]);
        self.outage.push(longest_outage(&all));
        for (kind, figures) in &figures {
            println!("    {kind:?}: {figures}");
            self.sent += figures.sent;
            self.failed.entry(*kind).or_default().push(figures.failures() as f64);
        }
    }

    fn report(self, figures: &mut Figures, what: &str, bars: &[Client]) {
        figures.add(&format!("{what}: requests sent"), "requests", vec![self.sent as f64]);
        for (kind, failed) in self.failed {
            let sum = vec![failed.iter().sum()];
            let name = match kind {
                Client::NewConnection => "connection per request",
                Client::KeepAlive => "keep-alive without retry",
            };
            let name = format!("{what}: failed, {name}, {} deploys", failed.len());
            if bars.contains(&kind) {
                figures.add_with_bar(&name, "failed", sum, 0.0)
            } else {
                figures.add(&name, "failed", sum)
            }
        }
        figures.add(&format!("{what}: longest outage"), "s", self.outage);
        for (name, values) in ["p50", "p99", "max"].iter().zip(self.steady) {
            figures.add(&format!("{what}: {name} before a deploy"), "ms", values);
        }
        for (name, values) in ["p50", "p99", "max"].iter().zip(self.switching) {
            figures.add(&format!("{what}: {name} in the ten seconds around the switch"), "ms", values);
        }
        let name = format!("{what}: p99 around the switch against p99 before");
        if bars.is_empty() {
            figures.add(&name, "times", self.ratio)
        } else {
            figures.add_with_bar(&name, "times", self.ratio, 1.25)
        }
        figures.add(&format!("{what}: wall time of a deploy under this traffic"), "s", self.wall);
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

pub fn measure(figures: &mut Figures) {
    for (mode, deploys, bars) in [("instant", 20, &BOTH[..]), ("reload", 10, &[Client::NewConnection])] {
        let project = subject::web_alone(mode);
        project.deploy();
        let mut seen = Seen::default();
        for number in 0..deploys {
            project.new_version(&format!("under traffic {number}"));
            seen.add(&project.address(), || drop(project.deploy()));
        }
        seen.report(figures, &format!("{mode} mode, 500 requests/s"), bars);
        in_flight(figures, &project, mode);
    }
}

/// Requests that take 10 s and websockets, open when the traffic moves. The drain waits 12 s.
fn in_flight(figures: &mut Figures, project: &Project, mode: &str) {
    let (mut lost, mut cut) = (Vec::new(), Vec::new());
    for number in 0..3 {
        project.new_version(&format!("in flight {number}"));
        let address = project.address();
        let slow: Vec<_> = (0..10)
            .map(|number| {
                let address = address.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(300) * number);
                    load::get(&address, "/slow?s=10").is_ok_and(|answer| answer.status == 200)
                })
            })
            .collect();
        let mut sockets: Vec<WebSocket> = (0..4).map(|_| WebSocket::open(&address, "/ws/echo").unwrap()).collect();
        for socket in &mut sockets {
            socket.receive().unwrap();
        }
        let before = watch::release(&address);
        let watch = Watch::start(&address, move |body| !body.contains(&before));
        project.deploy();
        let switched = watch.seen();
        lost.push(slow.into_iter().filter_map(|request| (!request.join().unwrap()).then_some(1.0)).sum::<f64>());
        // The drain ends what is still open at its limit, and not before.
        cut.push(f64::from(u8::from(switched.elapsed() < Duration::from_secs(11))));
    }
    figures.add_with_bar(
        &format!("{mode} mode: requests of 10 s, 10 in flight at each of 3 switches"),
        "failed",
        lost,
        0.0,
    );
    figures.add_with_bar(
        &format!("{mode} mode: drains that ended before websockets had their 12 s"),
        "failed",
        cut,
        0.0,
    );
}

/// The recipe that teams post, and whatever tool is given by variables (docs/PERFORMANCE.md).
pub fn measure_others(figures: &mut Figures) {
    let naive = Naive::start();
    external(
        figures,
        "naive: one compose project, `up -d --build`",
        &naive.command(),
        &naive.app(),
        &naive.address(),
        5,
    );
    drop(naive);
    let variable = |name: &str| std::env::var(format!("BENCH_OTHER_{name}")).ok();
    if let (Some(name), Some(deploy), Some(app), Some(port)) =
        (variable("NAME"), variable("DEPLOY"), variable("APP"), variable("PORT"))
    {
        let host = variable("HOST").unwrap_or("127.0.0.1".to_owned());
        let address = Address { port: port.parse().expect("BENCH_OTHER_PORT is a port"), host };
        external(figures, &name, &deploy, app.as_ref(), &address, 5);
    }
}

/// Deploys of somebody else's tool: `command` is run in the app's folder after each change of it.
fn external(
    figures: &mut Figures,
    name: &str,
    command: &str,
    app: &std::path::Path,
    address: &Address,
    deploys: usize,
) {
    let mut seen = Seen::default();
    for number in 0..deploys {
        let file = app.join("app/__init__.py");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n# version {number}\n")).unwrap();
        seen.add(address, || {
            let mut bash = Command::new("bash");
            bash.args(["-c", command]).current_dir(app).env("DOCKER_CONFIG", docker_with_compose_v2());
            let output = bash.env("BENCH_VERSION", format!("{}-{number}", std::process::id())).output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        });
    }
    seen.report(figures, name, &[]);
}

/// The old way: two ports, and one compose project (`naive.sh`).
struct Naive {
    folder: tempfile::TempDir,
    port: u16,
}

impl Naive {
    fn start() -> Naive {
        let naive = Naive { folder: tempfile::tempdir().unwrap(), port: free_port() };
        let copied = Command::new("cp").arg("-a").arg(repository().join("backend")).arg(naive.app()).status().unwrap();
        assert!(copied.success());
        std::fs::copy(repository().join("backend/.env.example"), naive.app().join(".env")).unwrap();
        naive.run("up");
        naive
    }

    fn app(&self) -> std::path::PathBuf {
        self.folder.path().join("backend")
    }

    fn address(&self) -> Address {
        Address { port: self.port, host: "127.0.0.1".to_owned() }
    }

    fn words(&self, what: &str) -> String {
        let script = repository().join("bench/naive.sh");
        format!("bash {} {what} {} {}", script.display(), self.folder.path().join("nginx").display(), self.port)
    }

    fn command(&self) -> String {
        self.words("deploy")
    }

    fn run(&self, what: &str) {
        let mut bash = Command::new("bash");
        bash.args(["-c", &self.words(what)]).current_dir(self.app()).env("DOCKER_CONFIG", docker_with_compose_v2());
        let child: Child = bash.env("BENCH_VERSION", "first").stdin(Stdio::null()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "naive.sh {what}");
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        self.run("down");
    }
}
