//! What else deploys, under the same traffic: the recipe that teams post, and another tool where one is given.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::figures::Figures;
use super::first_traffic;
use super::seen;
use super::subject::{never_said, used};
use super::traffic::Subject;
use crate::support::load::Address;
use crate::support::ports::free_port;
use crate::support::server::{docker_with_compose_v2, repository, said};

const TIMES: usize = 5;

/// The recipe that teams post, and whatever tool is given by variables (docs/PERFORMANCE.md).
pub fn measure(figures: &mut Figures) {
    let naive = Naive::start();
    let recipe = External {
        name: "naive: one compose project, `up -d --build`".to_owned(),
        command: naive.words("deploy"),
        app: naive.app(),
        address: Address { port: naive.port, host: "127.0.0.1".to_owned() },
    };
    let until_traffic = (0..TIMES).map(|number| {
        recipe.prepare(number);
        first_traffic::here(naive.next_port(), &recipe.address, || recipe.deploy(number))
    });
    figures.add(&first_traffic::name(&recipe.name), "ms", until_traffic.collect());
    let mut latency = vec![recipe.measure(figures)];
    drop(naive);
    let variable = |name: &str| std::env::var(format!("BENCH_OTHER_{name}")).ok();
    if let (Some(name), Some(command), Some(app), Some(port)) =
        (variable("NAME"), variable("DEPLOY"), variable("APP"), variable("PORT"))
    {
        let host = variable("HOST").unwrap_or("127.0.0.1".to_owned());
        let address = Address { port: port.parse().expect("BENCH_OTHER_PORT is a port"), host };
        latency.push(External { name, command, app: app.into(), address }.measure(figures));
    }
    figures.plot(seen::plot("others", latency));
}

/// Somebody else's tool: `command` is run in the app's folder after each change of it.
struct External {
    name: String,
    command: String,
    app: PathBuf,
    address: Address,
}

impl External {
    /// Another version, which nobody has built before, in an earlier run neither.
    fn prepare(&self, number: usize) {
        let file = self.app.join("app/__init__.py");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n# {}\n", never_said(number))).unwrap();
    }

    fn command(&self, number: usize) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-c", &self.command]).current_dir(&self.app).env("DOCKER_CONFIG", docker_with_compose_v2());
        bash.env("BENCH_VERSION", format!("{}-{number}", std::process::id()));
        bash
    }

    fn deploy(&self, number: usize) {
        let output = self.command(number).output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, said(&output));
    }

    /// Gives the line of the plot of answers.
    fn measure(&self, figures: &mut Figures) -> (String, Vec<f64>) {
        let name = &self.name;
        let (mut wall, mut processor, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        for number in TIMES..2 * TIMES {
            self.prepare(number);
            let used = used(&mut self.command(number));
            wall.push(used.seconds);
            processor.push(used.processor_seconds);
            memory.push(used.megabytes.max(used.largest_megabytes));
        }
        figures.add(&format!("{name}: total"), "s", wall);
        figures.add(&format!("{name}: processor time of the command and what it starts here"), "s", processor);
        figures.add(&format!("{name}: most memory of a program it starts here"), "MB", memory);
        let subject = Subject {
            what: name.clone(),
            address: self.address.clone(),
            prepare: &|number| self.prepare(number),
            deploy: &|number| {
                self.deploy(2 * TIMES + number);
                None
            },
        };
        let line = subject.under_traffic(figures, TIMES, &[]);
        subject.in_flight(figures, false);
        line
    }
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

    fn app(&self) -> PathBuf {
        self.folder.path().join("backend")
    }

    /// Where the next version will listen, as `naive.sh` says it.
    fn next_port(&self) -> u16 {
        let upstream = std::fs::read_to_string(self.folder.path().join("nginx/upstream.conf")).unwrap();
        if upstream.contains(":18400;") { 18401 } else { 18400 }
    }

    fn words(&self, what: &str) -> String {
        let script = repository().join("bench/naive.sh");
        format!("bash {} {what} {} {}", script.display(), self.folder.path().join("nginx").display(), self.port)
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
