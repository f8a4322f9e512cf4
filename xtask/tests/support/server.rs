//! A server to deploy to: a container with sshd, sudo, nginx and a docker engine of its own (`scripts/test-server`).
//!
//! Its name is one of a few that are the same in every run of one checkout, so its docker engine keeps the layers it has
//! built; the container itself is new each time, and gone once the test's program has ended, however it ends.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Which compose the server has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compose {
    V1,
    V2,
}

pub struct Server {
    name: String,
    _taken: File,
    /// Removes the container once the pipe to it is closed, which the end of this program does too.
    guard: Child,
    /// The key pair of the deploying user.
    folder: tempfile::TempDir,
    ports: [u16; 3],
    /// The line of its host key, as `known_hosts` has it.
    pub known_hosts: String,
}

impl Server {
    pub fn start(compose: Compose) -> Server {
        let version = format!("{compose:?}").to_lowercase();
        let (name, taken) = take_name(&version);
        Server::made(&["up", &name, &version], taken)
    }

    /// One with sshd and an administrator's key, and nothing else.
    pub fn bare() -> Server {
        let (name, taken) = take_name("bare");
        Server::made(&["bare", &name], taken)
    }

    fn made(words: &[&str], taken: File) -> Server {
        let name = words[1].to_owned();
        let folder = tempfile::Builder::new().prefix("deploy-test-key-").tempdir().unwrap();
        let begun = Instant::now();
        let output = run(Command::new("bash").arg(script()).args(words).arg(folder.path()));
        assert!(
            output.status.success(),
            "the test server does not start:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let up: Value = serde_json::from_slice(&output.stdout).expect("scripts/test-server prints JSON");
        println!("server {name} is up after {:.1} s", begun.elapsed().as_secs_f64());
        let port = |key: &str| u16::try_from(up[key].as_u64().unwrap()).unwrap();
        let ports = ["ssh_port", "http_port", "https_port"].map(port);
        let guard = guard(&name);
        Server {
            name,
            _taken: taken,
            guard,
            folder,
            ports,
            known_hosts: up["known_hosts"].as_str().unwrap().to_owned(),
        }
    }

    pub fn ssh_port(&self) -> u16 {
        self.ports[0]
    }

    pub fn http_port(&self) -> u16 {
        self.ports[1]
    }

    pub fn https_port(&self) -> u16 {
        self.ports[2]
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// What a person, or GitHub's secrets, would give to reach this server.
    pub fn variables(&self, env_file: &str) -> Vec<(String, String)> {
        let key = std::fs::read_to_string(self.key_file()).unwrap();
        [
            ("PROD_SSH_HOST", "127.0.0.1"),
            ("PROD_SSH_PORT", &self.ssh_port().to_string()),
            ("PROD_SSH_USER", "deploy"),
            // GitHub stores a secret without its last line end.
            ("PROD_SSH_KEY", key.trim_end()),
            ("PROD_ENV_FILE", env_file),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Runs a bash script on the server as root; it must succeed.
    pub fn root(&self, script: &str) -> String {
        let output = self.try_root(script);
        assert!(output.status.success(), "on the server:\n{script}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, whatever it ends with.
    pub fn try_root(&self, script: &str) -> Output {
        self.feed(&["bash", "-euo", "pipefail", "-s"], script.as_bytes())
    }

    /// Runs a bash script as the user who deploys.
    pub fn try_deploy_user(&self, script: &str) -> Output {
        self.feed(&["su", "-", "deploy", "-c", "bash -euo pipefail -s"], script.as_bytes())
    }

    /// Runs a command on the server that reads `input`.
    fn feed(&self, words: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("bash");
        command.arg(self::script()).args(["exec", &self.name]).args(words);
        let mut child = piped(&mut command).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Makes `change` and lets sshd begin anew with it: done once the new one listens.
    pub fn restart_sshd(&self, change: &str) {
        let listening = "$(grep -c 'Server listening' /var/log/sshd.log)";
        self.root(&format!(
            "{change}\nbefore={listening}\nkill -HUP \"$(cat /run/sshd.pid)\"\n\
             for _ in $(seq 100); do [ {listening} = \"$before\" ] || exit 0; sleep 0.05; done\nexit 1"
        ));
    }

    /// Copies a folder of this machine to the server, for the deploying user.
    pub fn receive(&self, folder: &Path, place: &str) {
        let packed = run(Command::new("tar").arg("-C").arg(folder).args(["-c", "."]));
        assert!(packed.status.success(), "{}", said(&packed));
        let unpack = format!("mkdir -p {place} && tar -C {place} -x && chown -R deploy: {place}");
        let done = self.feed(&["bash", "-euo", "pipefail", "-c", &unpack], &packed.stdout);
        assert!(done.status.success(), "{}", said(&done));
    }

    /// Gives its docker images that this machine has, as no registry is within its reach.
    pub fn give_images(&self, images: &[&str]) {
        let pipe = format!(
            "{} {} && docker save {images} | docker exec -i {} docker load -q",
            repository().join("scripts/base-image").display(),
            images.join(" "),
            self.name,
            images = images.join(" ")
        );
        let output = run(Command::new("bash").args(["-euo", "pipefail", "-c", &pipe]));
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Gives its docker compose v2, as a plugin for all users.
    pub fn give_compose_v2(&self) {
        let place = "/usr/local/lib/docker/cli-plugins";
        self.root(&format!("mkdir -p {place}"));
        let plugin = docker_with_compose_v2().join("cli-plugins/docker-compose");
        let output = run(Command::new("docker").arg("cp").arg(plugin).arg(format!("{}:{place}/", self.name)));
        assert!(output.status.success(), "{}", said(&output));
    }

    /// The power goes, all at once, and comes back.
    pub fn power_cut(&mut self) {
        self.boot_again(&[&["kill"], &["start"]]);
    }

    /// Takes the server down and up again by these commands of docker. The published ports are others then.
    pub fn boot_again(&mut self, commands: &[&[&str]]) {
        for words in commands {
            let output = run(Command::new("docker").args(*words).arg(&self.name));
            assert!(output.status.success(), "{words:?}: {}", said(&output));
        }
        for (port, inside) in self.ports.iter_mut().zip(["22/tcp", "80/tcp", "443/tcp"]) {
            let output = run(Command::new("docker").args(["port", &self.name, inside]));
            let text = String::from_utf8(output.stdout).unwrap();
            *port = text.lines().next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.try_root("docker info >/dev/null").status.success() {
            assert!(Instant::now() < deadline, "the server does not come back");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the server itself has to say about a failure.
    fn logs(&self) -> String {
        let script = "docker ps -a\nfor log in nginx/error.log sshd.log dockerd.log; do echo \"--- $log\"; \
            tail -n 12 \"/var/log/$log\" | cut -c1-240; done";
        String::from_utf8_lossy(&self.try_root(script).stdout).into_owned()
    }
}

/// Knows the container by its id: another one may have the name by then. In a process group of its own, so that Ctrl-C, which
/// ends the tests, lets it do its work.
fn guard(name: &str) -> Child {
    let found = run(Command::new("docker").args(["inspect", "--format", "{{.Id}}", name]));
    assert!(found.status.success(), "{}", said(&found));
    let id = String::from_utf8(found.stdout).unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", "cat >/dev/null; exec docker rm -f \"$0\"", id.trim()]).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A name that no other test has, of this program or another one, for as long as the file is open.
fn take_name(version: &str) -> (String, File) {
    let mut hasher = DefaultHasher::new();
    repository().hash(&mut hasher);
    let names = (1..).map(|number| format!("deploy-test-{version}-{:08x}-{number}", hasher.finish() as u32));
    let mut open = names.map(|name| {
        let file = File::create(std::env::temp_dir().join(format!("{name}.lock"))).unwrap();
        (name, file)
    });
    open.find(|(_, file)| file.try_lock().is_ok()).unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the server {}:\n{}", self.name, self.logs());
        }
        drop(self.guard.stdin.take());
        let removed = self.guard.wait();
        if !removed.as_ref().is_ok_and(std::process::ExitStatus::success) {
            println!("the server {} was not removed: {removed:?}", self.name);
        }
    }
}

/// A folder for `DOCKER_CONFIG` with which `docker compose` is v2, whatever this machine has. v1 is a Python program and
/// costs several times as much.
pub fn docker_with_compose_v2() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker");
        let output = run(Command::new("bash").arg(script()).arg("compose-v2").arg(&folder));
        assert!(output.status.success(), "{}", said(&output));
        folder
    });
    &FOLDER
}

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn script() -> PathBuf {
    repository().join("scripts/test-server")
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

fn run(command: &mut Command) -> Output {
    piped(command).stdin(Stdio::null()).output().unwrap()
}

/// Both streams of a command, for a message.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}
