//! What else deploys, under the same traffic: the recipe that teams post, and another tool where one is given.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::figures::Figures;
use super::floor::free_port;
use super::traffic::Subject;
use crate::load::Address;
use crate::server::{docker_with_compose_v2, repository};

/// The recipe that teams post, and whatever tool is given by variables (docs/PERFORMANCE.md).
pub fn measure(figures: &mut Figures) {
    let naive = Naive::start();
    external(figures, "naive: one compose project, `up -d --build`", &naive.command(), &naive.app(), &naive.address());
    drop(naive);
    let variable = |name: &str| std::env::var(format!("BENCH_OTHER_{name}")).ok();
    if let (Some(name), Some(deploy), Some(app), Some(port)) =
        (variable("NAME"), variable("DEPLOY"), variable("APP"), variable("PORT"))
    {
        let host = variable("HOST").unwrap_or("127.0.0.1".to_owned());
        let address = Address { port: port.parse().expect("BENCH_OTHER_PORT is a port"), host };
        external(figures, &name, &deploy, app.as_ref(), &address);
    }
}

/// Deploys of somebody else's tool: `command` is run in the app's folder after each change of it.
fn external(figures: &mut Figures, name: &str, command: &str, app: &Path, address: &Address) {
    let prepare = |number: usize| {
        let file = app.join("app/__init__.py");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n# version {number}\n")).unwrap();
    };
    let deploy = |number: usize| {
        let mut bash = Command::new("bash");
        bash.args(["-c", command]).current_dir(app).env("DOCKER_CONFIG", docker_with_compose_v2());
        let output = bash.env("BENCH_VERSION", format!("{}-{number}", std::process::id())).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let subject = Subject { what: name.to_owned(), address: address.clone(), prepare: &prepare, deploy: &deploy };
    subject.under_traffic(figures, 5, &[]);
    subject.in_flight(figures, false);
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
