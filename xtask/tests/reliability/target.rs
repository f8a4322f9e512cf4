//! Where deploys go in these tests: this machine, or a test server behind SSH.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::load::{self, Address};
use crate::support::project::Project;
use crate::support::secrets::sessions_left;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::team::Team;

pub struct Remote {
    pub server: Server,
    pub site: Site,
}

/// Borrowed, so that a test can do more with what it has.
pub enum Target<'a> {
    Local(&'a Project),
    Remote(&'a Remote),
}

/// A run over SSH does not wait for the end of its shell on the host, which would cost a round trip; that shell removes
/// what is left and frees the lock a moment later. One that goes on longer is found by what follows.
const HOST_SHELL_ENDS: &str = r#"flock -w 5 "$1/deploy.lock" true"#;

/// Prints what a deploy may not leave behind. Words: the environment's folder, the project's name, how many web services it has.
const LEFTOVERS: &str = r#"
    folder=$1 project=$2 webs=$3
    cd "$folder" || exit 1
    find . -maxdepth 4 \( -name '*.new' -o -name '.incoming-*' -o -name '.unpacked-*' -o -name '.build-*' -o -name '.new-*' -o -name '.pruned-*' \)
    [ ! -s deploy.lock ] || echo "the lock says: $(cat deploy.lock)"
    flock -n deploy.lock true || echo "the lock is held"
    grep -lsz '^# Runs the scripts of one run' /proc/[0-9]*/cmdline | xargs -r grep -lszF -- "$folder" |
      sed 's/.*/the shell of a run still runs/'
    docker ps -a --format '{{.State}} {{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.oneoff"}} {{.Names}}' |
      while read -r state of oneoff name; do
        case "$of $oneoff" in
          "$project True" | "$project"-*" True") echo "a one-off container: $name" ;;
          "$project False") echo "running $project" ;;
          "$project-workers False") echo "$state workers" ;;
          "$project-"*" False") echo "$state slot" ;;
        esac
      done | sort | uniq -c | awk '{ $1 = $1; print }' |
      grep -vx -e "1 running $project" -e '1 running workers' -e "$webs running slot" -e "$webs exited slot"
    docker network ls --format '{{.Name}}' | grep "^$project" |
      grep -vxE "${project}_default|$project-(blue|green)-live"
    true"#;

impl Team for Target<'_> {
    fn root(&self) -> &Path {
        self.team().root()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.team().command(arguments)
    }

    fn secrets(&self) -> &'static [&'static str] {
        self.team().secrets()
    }
}

impl Target<'_> {
    fn team(&self) -> &dyn Team {
        match self {
            Target::Local(project) => *project,
            Target::Remote(remote) => &remote.site,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Target::Local(_) => "local",
            Target::Remote(_) => "over SSH",
        }
    }

    pub fn address(&self) -> Address {
        match self {
            Target::Local(project) => project.address(),
            Target::Remote(remote) => Address { port: remote.server.http_port(), host: "api.example".to_owned() },
        }
    }

    /// Lets the release to come have another env file.
    pub fn another_env_file(&self, number: usize) {
        let Target::Local(project) = self else { panic!("its env file is a variable") };
        let text = std::fs::read_to_string(project.root().join("env.local")).unwrap();
        let kept = text
            .lines()
            .filter(|line| !line.starts_with("NUMBER="))
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        project.write("env.local", &format!("{kept}NUMBER={number}\n"));
    }

    /// Runs a command in the container that serves.
    pub fn in_the_app(&self, words: &str) -> String {
        let name = match self {
            Target::Local(project) => &project.name,
            Target::Remote(_) => "gifty",
        };
        let script = format!(
            "docker exec $(docker ps -q --filter label=deploy.project={name} --filter label=deploy.slot --filter name=api) {words}"
        );
        match self {
            Target::Local(_) => {
                let output = Command::new("bash").args(["-euc", &script]).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            }
            Target::Remote(remote) => remote.server.root(&script),
        }
    }

    /// The release that answers through nginx.
    pub fn answers(&self) -> Value {
        let answer = load::get(&self.address(), "/health").unwrap();
        serde_json::from_str::<Value>(&answer.body).unwrap()["release"].clone()
    }

    /// Web services beside the first one, each reached below its name.
    pub fn further_webs(&self) -> Vec<String> {
        let toml = std::fs::read_to_string(self.root().join("deploy.toml")).unwrap();
        toml.lines().filter_map(|line| Some(line.strip_prefix("[web.")?.strip_suffix(']')?.to_owned())).collect()
    }

    /// What is left of a run after it should be over: on the host and on the deploying machine.
    pub fn leftovers(&self) -> Vec<String> {
        let here = match self {
            Target::Local(_) => Vec::new(),
            Target::Remote(remote) => sessions_left(&remote.site),
        };
        let webs = (1 + self.further_webs().len()).to_string();
        let text = match self {
            Target::Local(project) => {
                let folder = project.server("");
                let words = ["-c", LEFTOVERS, "leftovers", folder.to_str().unwrap(), &project.name, &webs];
                let output = Command::new("bash").args(words).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            }
            Target::Remote(remote) => remote.server.root(&format!(
                "set -- /app/gifty-backend gifty {webs}\nset +e +o pipefail\n{HOST_SHELL_ENDS}\n{LEFTOVERS}"
            )),
        };
        text.lines().map(str::to_owned).chain(here).collect()
    }
}
