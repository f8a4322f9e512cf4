//! This tool beside others, in one run: the same app, machine and traffic, and the tools take turns, so that what the machine does otherwise hits all
//! alike. Always there is the recipe that teams post (`naive.sh`); other programs are given by variables (docs/PERFORMANCE.md).

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::first_traffic;
use super::seen::{self, Done, RATE, Seen, longest_outage};
use super::subject::{self, never_said};
use super::watch;
use crate::support::load::{Address, BOTH, Load};
use crate::support::ports::free_port;
use crate::support::project::Project;
use crate::support::server::{docker_with_compose_v2, repository, said};
use crate::support::team::Team;

const TIMES: usize = 5;
const KILLED: usize = 3;
/// What the version that is killed while it is waited for does first.
const SLOW: &str = "import time\ntime.sleep(6)\n";
/// From the start of that version's container to the kill, and from there to the next deploy.
const UNTIL_KILL: Duration = Duration::from_millis(1500);
const UNTIL_AGAIN: Duration = Duration::from_secs(8);

/// What is asked of a tool.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Deploy,
    Rollback,
    /// What its documents say to do after a run that died.
    Unlock,
    /// The ids of the containers where it deploys to.
    Containers,
}

/// A tool, and a copy of the app of its own.
struct Tool<'a> {
    name: String,
    address: Address,
    app: PathBuf,
    /// After a change of the app.
    prepare: Box<dyn Fn() + 'a>,
    command: Box<dyn Fn(Act) -> Option<Command> + 'a>,
}

impl Tool<'_> {
    /// Another version, which nobody has built before, in an earlier run neither. `begins`: what it does first.
    fn write(&self, number: usize, begins: &str) {
        let file = self.app.join("app/__init__.py");
        let text = std::fs::read_to_string(&file).unwrap();
        let kept = text.split("\n# another version: ").next().unwrap();
        std::fs::write(&file, format!("{kept}\n# another version: {}\n{begins}", never_said(number))).unwrap();
        (self.prepare)();
    }

    /// Whether it can do it, and did. Seconds.
    fn run(&self, act: Act) -> Option<Result<f64, String>> {
        let mut command = (self.command)(act)?;
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output().unwrap();
        let took = begun.elapsed().as_secs_f64();
        Some(if output.status.success() { Ok(took) } else { Err(said(&output)) })
    }

    fn must(&self, act: Act) -> Option<f64> {
        self.run(act).map(|done| done.unwrap_or_else(|said| panic!("{}: {said}", self.name)))
    }

    fn containers(&self) -> BTreeSet<String> {
        let mut usual = Command::new("docker");
        usual.args(["ps", "-q"]);
        let output = (self.command)(Act::Containers).unwrap_or(usual).output().unwrap();
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }
}

/// What is measured of a tool.
#[derive(Default)]
struct Measured {
    deploy: Vec<f64>,
    rollback: Vec<f64>,
    seen: Seen,
    killed_failed: Vec<f64>,
    killed_outage: Vec<f64>,
    refused: Vec<f64>,
}

pub fn measure(figures: &mut Figures) {
    let project = subject::web_alone("instant");
    project.deploy();
    let gentle = subject::web_alone("instant");
    gentle.rewrite("deploy.toml", "bake = 0\n", "bake = 0\npace = \"gentle\"\n");
    gentle.deploy();
    let naive = Naive::start();
    first_traffic_of_naive(figures, &naive, &naive.tool());
    let mut tools = vec![
        this_tool("this tool, instant mode, local", &project),
        this_tool("this tool, gentle, instant mode, local", &gentle),
        naive.tool(),
    ];
    tools.extend(given());
    let mut all: Vec<Measured> = tools.iter().map(|_| Measured::default()).collect();
    for number in 0..TIMES {
        for (tool, measured) in tools.iter().zip(&mut all) {
            tool.write(number, "");
            measured.deploy.extend(tool.must(Act::Deploy));
            measured.rollback.extend(tool.must(Act::Rollback));
        }
    }
    for number in 0..TIMES {
        for (tool, measured) in tools.iter().zip(&mut all) {
            println!("  {}:", tool.name);
            tool.write(number, "");
            let watch = watch::next_release(&tool.address);
            measured.seen.add(&tool.address, || {
                tool.must(Act::Deploy);
                Done { switched: watch.came(), report: None }
            });
        }
    }
    for number in 0..KILLED {
        for (tool, measured) in tools.iter().zip(&mut all) {
            killed(tool, number, measured);
        }
    }
    let mut latency = Vec::new();
    for (tool, measured) in tools.iter().zip(all) {
        let name = &tool.name;
        figures.add(&format!("{name}: deploy without load"), "s", measured.deploy);
        if !measured.rollback.is_empty() {
            figures.add(&format!("{name}: rollback without load"), "s", measured.rollback);
        }
        latency.push(measured.seen.report(figures, name, &[]));
        let killed = format!("{name}: killed in the health wait, deployed again");
        figures.add(&format!("{killed}: failed requests"), "failed", measured.killed_failed);
        figures.add(&format!("{killed}: longest outage"), "s", measured.killed_outage);
        figures.add(&format!("{killed}: the next deploy was refused"), "times", measured.refused);
    }
    figures.plot(seen::plot("peers", latency));
}

/// A deploy is killed while it waits for a version that takes long to start, and some seconds later a good one is deployed.
fn killed(tool: &Tool, number: usize, measured: &mut Measured) {
    let load = Load::start(&tool.address, &BOTH, RATE);
    std::thread::sleep(Duration::from_secs(2));
    tool.write(number, SLOW);
    let before = tool.containers();
    let mut command = (tool.command)(Act::Deploy).unwrap();
    let mut run: Child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
    while tool.containers().is_subset(&before) {
        assert!(run.try_wait().unwrap().is_none(), "{}: it ended before a container was there", tool.name);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(UNTIL_KILL);
    let group = format!("-{}", run.id());
    assert!(Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    run.wait().unwrap();
    std::thread::sleep(UNTIL_AGAIN);
    tool.write(number, "");
    let refused = tool.run(Act::Deploy).is_some_and(|done| done.is_err());
    if refused {
        tool.must(Act::Unlock);
        tool.must(Act::Deploy);
    }
    measured.refused.push(f64::from(u8::from(refused)));
    std::thread::sleep(Duration::from_secs(3));
    let seen = load.finish();
    let samples: Vec<_> = seen.values().flat_map(|figures| figures.samples.clone()).collect();
    measured.killed_failed.push(seen.values().map(|figures| figures.failures() as f64).sum());
    measured.killed_outage.push(longest_outage(&samples));
    for (kind, figures) in &seen {
        println!("    {} killed, {kind:?}: {figures}", tool.name);
    }
}

fn this_tool<'a>(name: &str, project: &'a Project) -> Tool<'a> {
    Tool {
        name: name.to_owned(),
        address: project.address(),
        app: project.root().join("backend"),
        prepare: Box::new(|| project.commit("another version")),
        command: Box::new(|act| match act {
            Act::Deploy => Some(project.command(&["deploy", "--skip-tests"])),
            Act::Rollback => Some(project.command(&["rollback"])),
            Act::Unlock | Act::Containers => None,
        }),
    }
}

/// Those that `BENCH_PEERS` names. Each command runs in the app's folder.
fn given() -> Vec<Tool<'static>> {
    let names = std::env::var("BENCH_PEERS").unwrap_or_default();
    let tool = |name: &str| {
        let prefix = format!("BENCH_{}", name.to_uppercase().replace('-', "_"));
        let variable = move |what: &str| std::env::var(format!("{prefix}_{what}")).ok();
        let needed =
            |what: &str| variable(what).unwrap_or_else(|| panic!("{name}: its variable for {what} is not set"));
        let app = PathBuf::from(needed("APP"));
        let port = needed("PORT").parse().expect("a port is a number");
        let address = Address { port, host: variable("HOST").unwrap_or("127.0.0.1".to_owned()) };
        needed("DEPLOY");
        let (of_prepare, of_commands, folder) = (variable.clone(), variable, app.clone());
        let shell = move |line: String| {
            let mut bash = Command::new("bash");
            bash.args(["-c", &line]).current_dir(&folder).env("DOCKER_CONFIG", docker_with_compose_v2());
            bash.env("BENCH_VERSION", never_said(0).replace(' ', "-"));
            bash
        };
        let prepared = shell.clone();
        Tool {
            name: name.to_owned(),
            address,
            app,
            prepare: Box::new(move || {
                let prepared = of_prepare("PREPARE").map(|line| prepared(line).output().unwrap());
                prepared.iter().for_each(|output| assert!(output.status.success(), "{}", said(output)));
            }),
            command: Box::new(move |act| {
                let line = of_commands(match act {
                    Act::Deploy => "DEPLOY",
                    Act::Rollback => "ROLLBACK",
                    Act::Unlock => "UNLOCK",
                    Act::Containers => "CONTAINERS",
                });
                line.map(&shell)
            }),
        }
    };
    names.split_whitespace().map(tool).collect()
}

/// The old way: two ports, and one compose project (`naive.sh`).
struct Naive {
    folder: tempfile::TempDir,
    port: u16,
}

fn first_traffic_of_naive(figures: &mut Figures, naive: &Naive, tool: &Tool) {
    let until_traffic = (0..TIMES).map(|number| {
        tool.write(number, "");
        first_traffic::here(naive.next_port(), &tool.address, || {
            tool.must(Act::Deploy);
        })
    });
    figures.add(&first_traffic::name(&tool.name), "ms", until_traffic.collect());
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

    fn tool(&self) -> Tool<'_> {
        Tool {
            name: "naive: one compose project, `up -d --build`".to_owned(),
            address: Address { port: self.port, host: "127.0.0.1".to_owned() },
            app: self.app(),
            prepare: Box::new(|| ()),
            command: Box::new(|act| (act == Act::Deploy).then(|| self.command("deploy"))),
        }
    }

    fn app(&self) -> PathBuf {
        self.folder.path().join("backend")
    }

    /// Where the next version will listen, as `naive.sh` says it.
    fn next_port(&self) -> u16 {
        let upstream = std::fs::read_to_string(self.folder.path().join("nginx/upstream.conf")).unwrap();
        if upstream.contains(":18400;") { 18401 } else { 18400 }
    }

    fn command(&self, what: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.arg(repository().join("bench/naive.sh")).arg(what).arg(self.folder.path().join("nginx"));
        bash.arg(self.port.to_string()).current_dir(self.app()).env("DOCKER_CONFIG", docker_with_compose_v2());
        bash.env("BENCH_VERSION", never_said(0).replace(' ', "-"));
        bash
    }

    fn run(&self, what: &str) {
        let output = self.command(what).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "naive.sh {what}: {}", said(&output));
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        self.run("down");
    }
}
