//! Where deploys go in these tests: this machine, or a test server behind SSH.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use serde_json::Value;

use crate::load::{self, Address};
use crate::local_project::{self, Project};
use crate::remote_secrets::sessions_left;
use crate::remote_site::{self, Run, Site};
use crate::server::Server;

pub struct Remote {
    pub server: Server,
    pub site: Site,
}

/// Borrowed, so that a test can do more with what it has.
pub enum Place<'a> {
    Local(&'a Project),
    Remote(&'a Remote),
}

/// Prints what a deploy may not leave behind. Words: the environment's folder, the project's name.
const LEFTOVERS: &str = r#"
    folder=$1 project=$2
    cd "$folder" || exit 1
    find . -maxdepth 3 \( -name '*.new' -o -name '.incoming-*' -o -name '.unpacked-*' \)
    [ ! -s deploy.lock ] || echo "the lock says: $(cat deploy.lock)"
    flock -n deploy.lock true || echo "the lock is held"
    for line in /proc/[0-9]*/cmdline; do
      words=$(tr '\0' ' ' <"$line" 2>/dev/null) || continue
      # These words themselves are not those that are looked for.
      case $words in *'# Runs the scripts'" of one run"*"$folder"*) echo "the shell of a run still runs" ;; esac
    done
    docker ps -a --format '{{.State}} {{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.oneoff"}} {{.Names}}' |
      while read -r state of oneoff name; do
        case "$of $oneoff" in
          "$project True" | "$project"-*" True") echo "a one-off container: $name" ;;
          "$project False") echo "running $project" ;;
          "$project-workers False") echo "$state workers" ;;
          "$project-"*" False") echo "$state slot" ;;
        esac
      done | sort | uniq -c | awk '{ $1 = $1; print }' |
      grep -vx -e "1 running $project" -e '1 running workers' -e '1 running slot' -e '1 exited slot'
    docker network ls --format '{{.Name}}' | grep "^$project" |
      grep -vxE "${project}_default|$project-(blue|green)-live"
    true"#;

impl Place<'_> {
    pub fn name(&self) -> &'static str {
        match self {
            Place::Local(_) => "local",
            Place::Remote(_) => "over SSH",
        }
    }

    pub fn address(&self) -> Address {
        match self {
            Place::Local(project) => project.address(),
            Place::Remote(remote) => Address { port: remote.server.http_port(), host: "api.example".to_owned() },
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        match self {
            Place::Local(project) => project.xtask(arguments),
            Place::Remote(remote) => remote.site.xtask(arguments),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        match self {
            Place::Local(project) => project.command(arguments),
            Place::Remote(remote) => remote.site.command(arguments),
        }
    }

    /// Starts a command whose log goes to a file.
    pub fn start(&self, mut command: Command) -> (Child, PathBuf) {
        let log = self.root().join(".deploy/run.log");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdout(std::process::Stdio::null()).stderr(file).spawn().unwrap();
        (child, log)
    }

    /// How such a command ended; whatever became of it, it must not have shown a secret.
    #[track_caller]
    pub fn ended(&self, status: ExitStatus, log: &Path) -> Run {
        let secrets: &[&str] = match self {
            Place::Local(_) => &local_project::SECRET_VALUES,
            Place::Remote(_) => &remote_site::SECRET_VALUES,
        };
        Run::new(status.code(), String::new(), std::fs::read_to_string(log).unwrap(), secrets)
    }

    fn root(&self) -> &Path {
        match self {
            Place::Local(project) => project.root(),
            Place::Remote(remote) => remote.site.root(),
        }
    }

    pub fn new_version(&self, why: &str) {
        match self {
            Place::Local(project) => project.new_version(why),
            Place::Remote(remote) => remote.site.new_version(why),
        }
    }

    #[track_caller]
    pub fn deploy(&self) -> Value {
        self.run(&["deploy", "--skip-tests", "--json"]).must_end_with(0).json()
    }

    /// The release that answers through nginx.
    pub fn answers(&self) -> Value {
        let answer = load::get(&self.address(), "/health").unwrap();
        serde_json::from_str::<Value>(&answer.body).unwrap()["release"].clone()
    }

    /// What is left of a run after it should be over: on the host and on the deploying machine.
    pub fn leftovers(&self) -> Vec<String> {
        let here = match self {
            Place::Local(_) => Vec::new(),
            Place::Remote(remote) => sessions_left(&remote.site),
        };
        let text = match self {
            Place::Local(project) => {
                let words = ["-c", LEFTOVERS, "leftovers", project.server("").to_str().unwrap(), &project.name]
                    .map(str::to_owned);
                let output = Command::new("bash").args(words).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            }
            Place::Remote(remote) => {
                remote.server.root(&format!("set -- /app/gifty-backend gifty\nset +e +o pipefail\n{LEFTOVERS}"))
            }
        };
        text.lines().map(str::to_owned).chain(here).collect()
    }
}
