//! A registry of images on this machine, Debian's own.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::ports::free_port;

/// Who may pull where a password is asked for.
pub const USER: &str = "ci";
pub const PASSWORD: &str = "password-of-the-registry";
/// The password as the registry knows it (crypt(5), `$2b$`).
const KNOWN_AS: &str = "$2b$05$HZi105.YXBdLPcQpTOBDKuHTevdhZn0Q.n9RZohRkExwv5aL84IGe";

/// It runs for as long as this value lives.
pub struct Registry {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Registry {
    /// For everybody.
    pub fn open() -> Registry {
        Registry::start("")
    }

    /// For [`USER`] alone.
    pub fn with_password() -> Registry {
        Registry::start("auth:\n  htpasswd:\n    realm: test\n    path: FOLDER/users\n")
    }

    fn start(auth: &str) -> Registry {
        let folder = tempfile::Builder::new().prefix("deploy-test-registry-").tempdir().unwrap();
        let place = folder.path().display().to_string();
        let port = free_port();
        let settings = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: true\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {place}/images\n\
             http:\n  addr: 127.0.0.1:{port}\n{}",
            auth.replace("FOLDER", &place)
        );
        std::fs::write(folder.path().join("settings.yml"), settings).unwrap();
        std::fs::write(folder.path().join("users"), format!("{USER}:{KNOWN_AS}\n")).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("settings.yml"))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("docker-registry is here: scripts/bootstrap test");
        let registry = Registry { folder, port, process };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", registry.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }

    /// As images name it.
    pub fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Brings a local image here under another name. Gives the name by which it is always this one.
    pub fn push(&self, image: &str, name: &str) -> String {
        let name = format!("{}/{name}", self.server());
        let settings = self.folder.path().join("docker");
        let docker = |words: &[&str]| {
            let output = Command::new("docker").env("DOCKER_CONFIG", &settings).args(words).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "docker {words:?}: {said}\n{}", self.log());
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        std::fs::create_dir_all(&settings).unwrap();
        let auth = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{}\"}}}}}}", self.server(), base64_of_the_user());
        std::fs::write(settings.join("config.json"), auth).unwrap();
        docker(&["tag", image, &name]);
        docker(&["push", "-q", &name]);
        let digests = docker(&["image", "inspect", "--format", "{{join .RepoDigests \"\\n\"}}", &name]);
        docker(&["image", "rm", &name]);
        let repository = name.rsplit_once(':').unwrap().0.to_owned();
        digests.lines().find(|digest| digest.starts_with(&repository)).expect("it has no digest").to_owned()
    }

    /// Nobody answers at its port any more; what was pulled from it stays.
    pub fn stop(&mut self) {
        let _ended = self.process.kill();
        let _gone = self.process.wait();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// `ci:password-of-the-registry`
fn base64_of_the_user() -> &'static str {
    "Y2k6cGFzc3dvcmQtb2YtdGhlLXJlZ2lzdHJ5"
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        // What was pulled from it is of no use any more. By their names alone: a release has the same image under its own.
        let script = r#"for name in "$0/*" "$0/*/*"; do
            docker image ls --digests --format '{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}' --filter "reference=$name"
        done | tr ' ' '\n' | grep -v '<none>' | sort -u | xargs -r docker image rm"#;
        let _removed = Command::new("bash").args(["-c", script, &self.server()]).output();
    }
}
