//! A repository that is deployed to a test server: the reference backend as a team would have it, and the variables by
//! which the tool reaches the server.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Server, repository};

/// A `.env` with everything that is easily torn: quotes, `$`, `#`, spaces, an empty value, no last line end.
pub const ENV_FILE: &str = "# settings of the server\n\
    API_TOKEN=token-of-the-test-server\n\
    REDIS_URL=redis://redis:6379/0\n\
    API_URL=http://api:8000\n\
    WEB_CONCURRENCY=2\n\
    ACCESS_LOG=false\n\
    EMPTY=\n\
    SINGLE_QUOTED='pass $word # \"with\" 5% & more'\n\
    DOUBLE_QUOTED=\"two words\"\n\
    NO_LINE_END=last-value-of-the-file";

/// Values of that file that nobody may see.
pub const SECRET_VALUES: [&str; 4] =
    ["token-of-the-test-server", "pass $word # \"with\" 5% & more", "two words", "last-value-of-the-file"];

pub struct Site {
    folder: tempfile::TempDir,
    pub variables: Vec<(String, String)>,
}

/// How a command ended and what it said.
pub struct Run {
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

impl Site {
    /// The repository of a team that deploys to `server` in `mode`, which is set up for it.
    pub fn new(server: &Server, mode: &str) -> Site {
        let folder = tempfile::Builder::new().prefix("deploy-test-site-").tempdir().unwrap();
        let site = Site { folder, variables: server.variables(ENV_FILE) };
        let root = site.root();
        copy_work_tree(&["backend", "tests_config.yaml"], root);
        let toml = std::fs::read_to_string(repository().join("deploy.toml")).unwrap();
        // The server has a site on port 80, and a test has no time for long watches.
        let toml = toml.replace("https://api.gifty.example", "http://api.example");
        std::fs::write(root.join("deploy.toml"), toml).unwrap();
        site.configure("# [health]\n", "[health]\n");
        site.configure("# [traffic]\n# bake = 3 ", "[traffic]\nbake = 1 ");
        site.configure("# drain = 30 ", "drain = 5 ");
        std::fs::write(root.join(".gitignore"), ".deploy/\n__pycache__/\n").unwrap();
        site.git(&["init", "-q", "-b", "main"]);
        site.commit("first");
        let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        site
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Rewrites a part of `deploy.toml`, which is not part of a release.
    pub fn configure(&self, from: &str, to: &str) {
        self.rewrite("deploy.toml", from, to);
    }

    /// Rewrites a part of a file and commits it: a new version.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        self.rewrite(file, from, to);
        self.commit(to);
    }

    fn rewrite(&self, file: &str, from: &str, to: &str) {
        let path = self.root().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not say {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// A new version that does the same.
    pub fn new_version(&self, why: &str) {
        let path = self.root().join("backend/app/__init__.py");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n# {why}\n")).unwrap();
        self.commit(why);
    }

    fn commit(&self, why: &str) {
        self.git(&["add", "-A"]);
        self.git(&["-c", "user.name=team", "-c", "user.email=team@test.example", "commit", "-q", "-m", why]);
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").arg("-C").arg(self.root()).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// `cargo xtask … --env prod`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).args(["--env", "prod"]).current_dir(self.root()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PROD_") || text.starts_with("GITHUB_") {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn xtask(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what the tool prints is text");
        Run::new(output.status.code(), text(output.stdout), text(output.stderr), &SECRET_VALUES)
    }

    /// Deploys what is committed; it must succeed. Gives the report.
    #[track_caller]
    pub fn deploy(&self) -> Value {
        self.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0).json()
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.xtask(&["status", "--json"]).must_end_with(0).json()
    }

    fn log(&self) -> PathBuf {
        self.root().join(".deploy/deploy.log")
    }

    /// How such a deploy ended.
    pub fn ended(&self, mut child: Child) -> Run {
        let code = child.wait().unwrap().code();
        Run::new(code, String::new(), std::fs::read_to_string(self.log()).unwrap(), &SECRET_VALUES)
    }

    /// Starts a command whose log goes to a file.
    pub fn start(&self, arguments: &[&str]) -> Child {
        std::fs::create_dir_all(self.root().join(".deploy")).unwrap();
        let log = File::create(self.log()).unwrap();
        self.command(arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Starts a deploy and gives it back once its log says `stage`.
    pub fn deploy_up_to(&self, stage: &str) -> Child {
        let mut child = self.start(&["deploy", "--skip-tests"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let text = std::fs::read_to_string(self.log()).unwrap();
            if text.contains(stage) {
                return child;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no stage {stage:?}; {ended:?}:\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// All processes of this machine: number and words, apart by NUL.
pub fn processes() -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let words = numbers.filter_map(|number| Some((number, std::fs::read(format!("/proc/{number}/cmdline")).ok()?)));
    words.map(|(number, words)| (number, String::from_utf8_lossy(&words).into_owned())).collect()
}

/// Copies what of this repository's `paths` is committed, or could be. A file that is the same already keeps its time.
pub fn copy_work_tree(paths: &[&str], to: &Path) -> Vec<String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
    let listed = Command::new("git").arg("-C").arg(repository()).args(list).args(paths).output().unwrap();
    assert!(listed.status.success(), "git ls-files");
    let files = String::from_utf8(listed.stdout).unwrap();
    // A file may be deleted and not committed yet.
    let files = files.split_terminator('\0').filter(|file| repository().join(file).is_file());
    files.map(|file| copy(&repository().join(file), &to.join(file), file)).collect()
}

fn copy(from: &Path, to: &Path, file: &str) -> String {
    if std::fs::read(to).ok() != std::fs::read(from).ok() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
    file.to_owned()
}
