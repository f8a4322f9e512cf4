//! A team's repository that is deployed to this machine: the reference backend under a name and on ports of its own, so
//! that several can run side by side. It takes everything it started along when it ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::load::Address;
use crate::support::ports::free_port;
use crate::support::server::{Compose, docker_with_compose_v2};
use crate::support::team::{Team, copy_folder, copy_work_tree, of_this_run, tool};

/// What the release's `.env` says.
pub fn env_file() -> String {
    format!("API_TOKEN={}\nREDIS_URL=redis://redis:6379/0\nAPI_URL=http://api:8000\n", SECRET_VALUES[0])
}

/// Values of that file that nobody may see.
pub static SECRET_VALUES: LazyLock<[&str; 1]> =
    LazyLock::new(|| [format!("token-of-the-local-test-{}", of_this_run()).leak()]);

pub struct Project {
    folder: tempfile::TempDir,
    pub name: String,
    ports: [u16; 4],
    /// Where docker's plugins are taken from, if not from this machine's own places.
    docker_config: Option<&'static Path>,
}

impl Project {
    /// `mode`: `instant` or `reload`. Deploys by compose v2.
    pub fn new(mode: &str) -> Project {
        Project::make(mode, Some(docker_with_compose_v2()))
    }

    /// The same, by the compose that this machine has: v1 on Debian 12.
    pub fn with_compose_of_this_machine(mode: &str) -> Project {
        Project::make(mode, None)
    }

    /// One of `tests/projects/`, with `environment` beside what its environment has here.
    pub fn foreign(project: &str, compose: Compose, environment: &str) -> Project {
        let docker_config = (compose == Compose::V2).then(docker_with_compose_v2);
        let foreign = Project::empty(docker_config);
        copy_folder(&format!("xtask/tests/projects/{project}"), foreign.root());
        let settings = std::fs::read_to_string(foreign.root().join("deploy.toml")).unwrap();
        let (before, after) = settings.split_once("name = \"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        let own = foreign.of_this_machine("instant");
        foreign.write("deploy.toml", &format!("{before}name = \"{}\"{after}\n{own}{environment}", foreign.name));
        foreign.first_commit();
        foreign
    }

    /// One of `tests/projects/` with what `init` writes for it, its environment on ports of this test alone.
    pub fn initialised(project: &str, compose: Compose) -> Project {
        let docker_config = (compose == Compose::V2).then(docker_with_compose_v2);
        let foreign = Project::empty(docker_config);
        copy_folder(&format!("xtask/tests/projects/{project}"), foreign.root());
        std::fs::remove_file(foreign.root().join("deploy.toml")).unwrap();
        foreign.first_commit();
        foreign.xtask(&["init", "--name", &foreign.name]).must_end_with(0);
        let [blue, green, live, site] = foreign.ports;
        let own = [
            ("name = ", format!("name = \"{}\"", foreign.name)),
            ("url = ", format!("url = \"http://127.0.0.1:{site}\"")),
            ("slots = ", format!("slots = {{ blue = {blue}, green = {green} }}")),
            ("nginx = ", format!("nginx = {{ private = true, live_port = {live} }}")),
        ];
        let settings = std::fs::read_to_string(foreign.root().join("deploy.toml")).unwrap();
        let (before, local) = settings.split_once("[environments.local]\n").unwrap();
        let (local, after) = local.split_once("\n\n").unwrap();
        let local = local.lines().map(|line| {
            let changed = own.iter().find(|(key, _)| line.starts_with(key));
            changed.map_or_else(|| line.to_owned(), |(_, new)| new.clone())
        });
        let local: Vec<String> = local.collect();
        // Short times, as in all tests.
        let times = "[traffic]\nbake = 1\ndrain = 12\n\n";
        foreign.write("deploy.toml", &format!("{before}{times}[environments.local]\n{}\n\n{after}", local.join("\n")));
        foreign.commit("prepared");
        foreign
    }

    fn empty(docker_config: Option<&'static Path>) -> Project {
        let folder = tempfile::Builder::new().prefix("deploy-test-local-").tempdir().unwrap();
        let ports = [(); 4].map(|()| free_port());
        Project { folder, name: format!("test{}", ports[0]), ports, docker_config }
    }

    fn make(mode: &str, docker_config: Option<&'static Path>) -> Project {
        let project = Project::empty(docker_config);
        copy_work_tree(&["backend", "tests_config.yaml"], project.root());
        project.write("deploy.toml", &project.configuration(mode));
        project.write("env.local", &env_file());
        project.first_commit();
        project
    }

    fn configuration(&self, mode: &str) -> String {
        format!(
            "[project]\nname = \"{}\"\napp = \"backend\"\nweb = \"api\"\nworkers = [\"worker\"]\nkeep = 3\n\
             [health]\ntimeout = 30\n[traffic]\nbake = 1\ndrain = 12\n\
             [hooks]\nbefore_boot = [[\"python\", \"migrate.py\"]]\n[test]\nrequirements = \"backend/requirements-dev.txt\"\n\
             {}env_file = \"env.local\"\n",
            self.name,
            self.of_this_machine(mode)
        )
    }

    /// The ports, and the environment but for its `.env`.
    fn of_this_machine(&self, mode: &str) -> String {
        let [blue, green, live, site] = self.ports;
        format!(
            "[slots]\nblue = {blue}\ngreen = {green}\n\
             [environments.local]\nfolder = \".deploy/local\"\nurl = \"http://127.0.0.1:{site}\"\n\
             nginx = {{ private = true, switch = \"{mode}\", live_port = {live} }}\n"
        )
    }

    /// The environment's folder.
    pub fn server(&self, path: &str) -> PathBuf {
        self.root().join(".deploy/local").join(path)
    }

    pub fn address(&self) -> Address {
        Address { port: self.ports[3], host: "127.0.0.1".to_owned() }
    }

    /// The status after a run that could write no record: that may be out of date, all else must agree.
    #[track_caller]
    pub fn status_after_a_kill(&self) -> Value {
        let run = self.xtask(&["status", "--json"]);
        let status = run.json();
        let problems = status["problems"].as_array().unwrap();
        let others = problems.iter().filter(|problem| !problem.as_str().unwrap().starts_with("the record"));
        assert_eq!(others.count(), 0, "{run}");
        assert_eq!(run.code, Some(if problems.is_empty() { 0 } else { 20 }), "{run}");
        status
    }

    /// `docker` with these words; it must succeed.
    pub fn docker(&self, words: &[&str]) -> String {
        let output = Command::new("docker").args(words).output().unwrap();
        assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Names of this project's containers, running ones or all.
    pub fn containers(&self, all: bool) -> Vec<String> {
        let list = if all { vec!["ps", "-a"] } else { vec!["ps"] };
        let listed =
            self.docker(&[list, vec!["--format", "{{.Label \"com.docker.compose.project\"}} {{.Names}}"]].concat());
        let ours = listed.lines().filter_map(|line| line.split_once(' '));
        let ours = ours.filter(|(project, _)| self.compose_projects().iter().any(|own| own == project));
        let mut names: Vec<String> = ours.map(|(_, name)| name.to_owned()).collect();
        names.sort();
        names
    }

    fn compose_projects(&self) -> [String; 4] {
        ["", "-blue", "-green", "-workers"].map(|suffix| format!("{}{suffix}", self.name))
    }

    /// The accessory's container.
    pub fn redis_container(&self) -> String {
        let project = format!("label=com.docker.compose.project={}", self.name);
        self.docker(&["ps", "-q", "--filter", &project, "--filter", "label=com.docker.compose.service=redis"])
    }

    pub fn redis(&self, words: &[&str]) -> String {
        let container = self.redis_container();
        self.docker(&[&["exec", &container, "redis-cli"], words].concat())
    }

    /// Calls of the worker to `http://api:8000`: good ones, failed ones.
    pub fn worker_calls(&self) -> (u64, u64) {
        let count = |key: &str| self.redis(&["get", key]).parse().unwrap_or(0);
        (count("worker:ok"), count("worker:failed"))
    }

    fn logs(&self) -> String {
        let read = |path: &str| std::fs::read_to_string(self.server(path)).unwrap_or_default();
        let containers = self.containers(true);
        let logs = containers.iter().map(|name| {
            let output = Command::new("docker").args(["logs", "--tail", "20", name]).output().unwrap();
            format!(
                "--- {name}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        });
        format!("{}\n--- nginx\n{}", logs.collect::<String>(), read("nginx/logs/error.log"))
    }
}

impl Team for Project {
    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool(arguments, self.root());
        command.envs(self.docker_config.map(|folder| ("DOCKER_CONFIG", folder)));
        command
    }

    fn secrets(&self) -> &'static [&'static str] {
        &*SECRET_VALUES
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("project {}:\n{}", self.name, self.logs());
        }
        if let Ok(pid) = std::fs::read_to_string(self.server("nginx/nginx.pid")) {
            let _gone = Command::new("kill").arg(pid.trim()).status();
        }
        let script = r#"
            for project in "$@"; do docker ps -aq --filter "label=com.docker.compose.project=$project"; done | xargs -r docker rm -f -v
            docker network ls -q --filter "name=^$1[-_]" | xargs -r docker network rm
            docker volume ls -q --filter "name=^$1_" | xargs -r docker volume rm
            docker image ls --filter "reference=$1-*" --format '{{.Repository}}:{{.Tag}}' | xargs -r docker image rm"#;
        let removed =
            Command::new("bash").args(["-c", script, "clean"]).args(self.compose_projects()).output().unwrap();
        if !removed.status.success() {
            println!("project {} was not removed: {}", self.name, String::from_utf8_lossy(&removed.stderr));
        }
    }
}
