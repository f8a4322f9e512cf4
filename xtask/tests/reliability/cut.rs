//! Places where a run can be killed, found by letting one run to its end and listening.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::target::Target;
use crate::support::team::{Run, Team};

/// A place to kill the tool at.
#[derive(Clone, Debug)]
pub enum Cut {
    /// When its log begins a stage.
    Stage(String),
    /// Before it sends this script, or starts this program.
    Before(String),
    /// While that runs, so many seconds after it began.
    While(String, f64),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Stage(stage) => write!(f, "at the stage line {stage:?}"),
            Cut::Before(script) => write!(f, "before it could {script}"),
            Cut::While(script, seconds) => write!(f, "{seconds:.2} s after it began to {script}"),
        }
    }
}

/// The programs that stand between the tool and those it starts.
pub struct Cutter {
    folder: tempfile::TempDir,
}

impl Cutter {
    pub fn new() -> Cutter {
        let folder = tempfile::Builder::new().prefix("deploy-test-cut-").tempdir().unwrap();
        std::fs::write(folder.path().join("cut.py"), include_str!("cut.py")).unwrap();
        for program in ["bash", "ssh"] {
            let file = folder.path().join(program);
            std::fs::write(&file, include_str!("stand_in.sh")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        // The interpreter itself: what is called `python3` may be a script that looks for it each time.
        let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        std::fs::write(folder.path().join("python"), python.stdout).unwrap();
        Cutter { folder }
    }

    fn prepare(&self, command: &mut Command, at: &str) {
        std::fs::write(self.folder.path().join("at"), format!("{at}\n")).unwrap();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.folder.path().display()));
    }

    /// Lets a run come to its end, and gives all places where it could have been cut.
    pub fn places(&self, place: &Target, arguments: &[&str]) -> Vec<Cut> {
        let _none = std::fs::remove_file(self.folder.path().join("talk"));
        let mut command = place.command(arguments);
        self.prepare(&mut command, "");
        let whole = place.start(command).end().must_end_with(0);
        let mut cuts: Vec<Cut> = stages(&whole.stderr).map(Cut::Stage).collect();
        let talk = std::fs::read_to_string(self.folder.path().join("talk")).unwrap();
        let mut seen = Vec::new();
        for line in talk.lines() {
            let [_, name, seconds] = line.split('\t').collect::<Vec<&str>>().try_into().unwrap();
            if !seen.contains(&name) {
                seen.push(name);
                let half = seconds.parse::<f64>().unwrap() / 2.0;
                cuts.extend([Cut::Before(name.to_owned()), Cut::While(name.to_owned(), half)]);
            }
        }
        cuts
    }

    /// Runs the tool until it is killed there; it has no exit code then.
    pub fn cut(&self, place: &Target, arguments: &[&str], cut: &Cut) -> Run {
        let mut command = place.command(arguments);
        let at = match cut {
            Cut::Stage(_) => String::new(),
            Cut::Before(name) => format!("before {name}"),
            Cut::While(name, seconds) => format!("while {name} {seconds:.3}"),
        };
        self.prepare(&mut command, &at);
        let mut run = place.start(command);
        let deadline = Instant::now() + Duration::from_secs(90);
        let status = loop {
            if let Some(status) = run.child.try_wait().unwrap() {
                break status;
            }
            if matches!(cut, Cut::Stage(stage) if begun(&run.log(), stage)) {
                run.child.kill().unwrap();
            }
            assert!(Instant::now() < deadline, "{arguments:?} cut {cut} does not end:\n{}", run.log());
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(matches!(status.signal(), None | Some(9)), "{arguments:?} cut {cut}: {status}\n{}", run.log());
        run.end()
    }
}

/// The names of the stages that a log has begun, release ids and slots left out: they differ from run to run.
pub fn stages(log: &str) -> impl Iterator<Item = String> {
    log.lines().filter_map(|line| {
        let title = line.strip_prefix('[')?.split_once("] ")?.1;
        let fixed = |word: &&str| !word.starts_with("20") && !["blue", "green", "blue)", "green)"].contains(word);
        Some(title.split(' ').filter(fixed).collect::<Vec<&str>>().join(" "))
    })
}

/// Whether a log has begun a stage.
pub fn begun(log: &str, stage: &str) -> bool {
    stages(log).any(|seen| seen == stage)
}
