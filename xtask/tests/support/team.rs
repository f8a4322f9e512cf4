//! A team at work: a repository of the reference backend, changes that are committed, and the tool run in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::server::repository;

/// What a team does, wherever it deploys to.
pub trait Team {
    /// The repository's folder.
    fn root(&self) -> &Path;

    /// `cargo xtask …` as this team calls it.
    fn command(&self, arguments: &[&str]) -> Command;

    /// Values of its `.env` that nobody may see.
    fn secrets(&self) -> &'static [&'static str];

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.root().join(file), text).unwrap();
    }

    /// Rewrites a part of a file.
    fn rewrite(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.root().join(file)).unwrap();
        assert!(text.contains(from), "{file} does not say {from:?}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// Rewrites a part of a file and commits it: a new version.
    fn change(&self, file: &str, from: &str, to: &str) {
        self.rewrite(file, from, to);
        self.commit("change");
    }

    /// A new version that does the same.
    fn new_version(&self, why: &str) {
        let path = "backend/app/__init__.py";
        let text = std::fs::read_to_string(self.root().join(path)).unwrap();
        self.write(path, &format!("{text}\n# {why}\n"));
        self.commit(why);
    }

    /// Makes the repository, of what is in its folder.
    fn first_commit(&self) {
        self.write(".gitignore", ".deploy/\n__pycache__/\n");
        self.git(&["init", "-q", "-b", "main"]);
        self.commit("first");
    }

    fn commit(&self, why: &str) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=team", "-c", "user.email=team@test.example", "commit", "-q", "-m", why]);
    }

    /// Takes the last commit back.
    fn forget_last_commit(&self) {
        self.git(&["reset", "-q", "--hard", "HEAD~1"]);
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").arg("-C").arg(self.root()).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    fn xtask(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what the tool prints is text");
        Run::new(output.status.code(), text(output.stdout), text(output.stderr), self.secrets())
    }

    /// Deploys what is committed; it must succeed. Gives the report.
    #[track_caller]
    fn deploy(&self) -> Value {
        self.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0).json()
    }

    /// All must agree. Gives the status.
    #[track_caller]
    fn status(&self) -> Value {
        self.xtask(&["status", "--json"]).must_end_with(0).json()
    }

    /// The slot that does not serve, and its port.
    fn free_slot(&self) -> (String, u16) {
        let status = self.status();
        let free = status["slots"].as_array().unwrap().iter().find(|slot| slot["live"] == false).unwrap();
        (free["slot"].as_str().unwrap().to_owned(), free["port"].as_u64().unwrap().try_into().unwrap())
    }

    /// Starts a command whose log goes to a file.
    fn start(&self, mut command: Command) -> Started {
        let folder = self.root().join(".deploy");
        std::fs::create_dir_all(&folder).unwrap();
        let [result, log] = ["run.result", "run.log"].map(|name| folder.join(name));
        let [stdout, stderr] = [&result, &log].map(|path| File::create(path).unwrap());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        Started { child, result, log, secrets: self.secrets() }
    }

    /// Starts a deploy and gives it back once its log says `stage`.
    fn deploy_up_to(&self, stage: &str) -> Started {
        let mut deploy = self.start(self.command(&["deploy", "--skip-tests"]));
        deploy.wait_for(stage, |log| log.contains(stage));
        deploy
    }
}

/// Some letters that no other run of the tests has, so that what is found of a secret is of this run.
pub fn of_this_run() -> &'static str {
    static LETTERS: LazyLock<String> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        format!("{:x}{:x}", std::process::id(), since.as_nanos())
    });
    &LETTERS
}

/// A run of the tool that is under way.
pub struct Started {
    pub child: Child,
    result: PathBuf,
    log: PathBuf,
    secrets: &'static [&'static str],
}

impl Started {
    /// What it has said until now.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log is as wanted, and no moment longer.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while !wanted(&self.log()) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{what:?} was not seen; {ended:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, and says how it was.
    #[track_caller]
    pub fn end(mut self) -> Run {
        let code = self.child.wait().unwrap().code();
        Run::new(code, std::fs::read_to_string(&self.result).unwrap(), self.log(), self.secrets)
    }
}

/// How a command ended and what it said.
pub struct Run {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// How a command ended; whatever became of it, it must not have shown one of these.
    #[track_caller]
    pub fn new(code: Option<i32>, stdout: String, stderr: String, secrets: &[&str]) -> Run {
        let run = Run { code, stdout, stderr };
        for secret in secrets {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret:?} was shown: {run}");
        }
        run
    }

    /// The result of `--json`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}):\n{self}"))
    }

    #[track_caller]
    pub fn must_end_with(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    #[track_caller]
    pub fn must_say(self, parts: &[&str]) -> Run {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in:\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// The tool, away from what this process knows of a deploy.
pub fn tool(arguments: &[&str], root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).current_dir(root).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PROD_") || text.starts_with("STAGING_") || text.starts_with("GITHUB_") {
            command.env_remove(&name);
        }
    }
    command
}

/// What is committed, or could be.
const LIST: [&str; 5] = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];

/// Copies what of this repository's `paths` is committed, or could be. A file that is the same already keeps its time.
pub fn copy_work_tree(paths: &[&str], to: &Path) -> Vec<String> {
    let listed = Command::new("git").arg("-C").arg(repository()).args(LIST).arg("--").args(paths).output().unwrap();
    assert!(listed.status.success(), "git ls-files");
    let files = String::from_utf8(listed.stdout).unwrap();
    // A file may be deleted and not committed yet.
    let files = files.split_terminator('\0').filter(|file| repository().join(file).is_file());
    files.map(|file| copy(&repository().join(file), &to.join(file), file)).collect()
}

/// Copies what is in a folder of this repository.
pub fn copy_folder(folder: &str, to: &Path) {
    let listed = Command::new("git").arg("-C").arg(repository().join(folder)).args(LIST).output().unwrap();
    assert!(listed.status.success(), "git ls-files");
    for file in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
        copy(&repository().join(folder).join(file), &to.join(file), file);
    }
}

fn copy(from: &Path, to: &Path, file: &str) -> String {
    if std::fs::read(to).ok() != std::fs::read(from).ok() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    file.to_owned()
}
