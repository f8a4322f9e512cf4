//! Many clients, each with an address of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::load::Address;

pub struct Clients {
    python: Child,
    /// Gets a line of each request.
    lines: tempfile::NamedTempFile,
}

/// What became of their requests.
pub struct Seen {
    /// How many there were of each status, or kind of failure.
    pub counts: BTreeMap<String, u32>,
    /// When each request was due, and how many milliseconds its answer took from then on.
    pub took: Vec<(SystemTime, f64)>,
}

impl Clients {
    /// 200 of them ask for a page, so many times a second together.
    pub fn start(address: &Address, path: &str, rate: u32) -> Clients {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clients.py");
        let lines = tempfile::Builder::new().prefix("deploy-test-clients-").tempfile().unwrap();
        let mut python = Command::new("python3");
        python.arg(script).args([&address.port.to_string(), &address.host, path, &rate.to_string()]).arg(lines.path());
        Clients { python: python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap(), lines }
    }

    pub fn finish(self) -> Seen {
        let output = self.python.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        println!("clients: {}", text.trim());
        let counts = text.split_whitespace().map(|word| word.split_once(':').unwrap());
        let lines = std::fs::read_to_string(self.lines.path()).unwrap();
        let took = lines.lines().map(|line| {
            let (at, milliseconds) = line.split_once(' ').unwrap();
            (SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at.parse().unwrap()), milliseconds.parse().unwrap())
        });
        Seen {
            counts: counts.map(|(status, count)| (status.to_owned(), count.parse().unwrap())).collect(),
            took: took.collect(),
        }
    }
}
