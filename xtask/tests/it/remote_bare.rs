//! From a server with sshd and nothing else to a site that serves: `init`, `setup`, `deploy`, `doctor`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::load::{Address, get};
use crate::support::server::Server;
use crate::support::team::{Run, Team, copy_folder, tool};

/// A repository, and the ssh of a person who administers a server.
struct Newcomer {
    folder: tempfile::TempDir,
    ssh: PathBuf,
    admin: [String; 2],
}

impl Newcomer {
    /// One of `tests/projects/`, without what it has of this tool.
    fn with(project: &str, server: &Server) -> Newcomer {
        let folder = tempfile::Builder::new().prefix("deploy-test-bare-").tempdir().unwrap();
        let app = folder.path().join("shop");
        std::fs::create_dir(&app).unwrap();
        copy_folder(&format!("xtask/tests/projects/{project}"), &app);
        std::fs::remove_file(app.join("deploy.toml")).unwrap();
        // What a person has in ~/.ssh; ssh itself looks for that where the machine says the home is.
        let ssh = folder.path().join("bin");
        std::fs::create_dir(&ssh).unwrap();
        let known = folder.path().join("known_hosts");
        std::fs::write(&known, &server.known_hosts).unwrap();
        let config = format!(
            "Host *\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
            server.key_file().display(),
            known.display()
        );
        let place = folder.path().join("ssh_config");
        std::fs::write(&place, config).unwrap();
        let wrapper = ssh.join("ssh");
        std::fs::write(&wrapper, format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", place.display())).unwrap();
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
        let admin = ["root@127.0.0.1".to_owned(), server.ssh_port().to_string()];
        let newcomer = Newcomer { folder, ssh, admin };
        newcomer.first_commit();
        newcomer
    }

    fn set_up(&self, more: &[&str]) -> Run {
        let [admin, port] = &self.admin;
        self.xtask(&[&["setup", "--env", "prod", "--admin", admin, "--admin-port", port], more].concat())
    }

    /// With the variables that `setup` has written.
    fn deployed(&self, words: &[&str]) -> Run {
        let mut command = Command::new("bash");
        command.args([
            "-c",
            ". .deploy/keys/prod.variables && exec \"$@\"",
            "with-variables",
            env!("CARGO_BIN_EXE_xtask"),
        ]);
        command.args(words).args(["--env", "prod"]).current_dir(self.root());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run::new(output.status.code(), text(output.stdout), text(output.stderr), self.secrets())
    }
}

impl Team for Newcomer {
    fn root(&self) -> &Path {
        Box::leak(self.folder.path().join("shop").into_boxed_path())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool(arguments, self.root());
        command.env("PATH", format!("{}:{}", self.ssh.display(), std::env::var("PATH").unwrap()));
        command
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["PRIVATE KEY"]
    }
}

/// What a server is, apart from packages: files of nginx, of sudo and of the site's folder.
const FILES: &str = "find /etc/nginx /etc/sudoers.d /etc/docker /srv -type f -o -type l 2>/dev/null | LC_ALL=C sort";

#[test]
fn a_bare_server_serves_after_init_setup_and_deploy() {
    let server = Server::bare();
    let newcomer = Newcomer::with("flask", &server);
    newcomer.xtask(&["init", "--url", "http://guests.example"]).must_end_with(0);
    newcomer.commit("deploy with cargo xtask");

    let asked = newcomer.set_up(&[]).must_end_with(2);
    assert!(asked.to_string().contains("install docker.io, docker-compose, nginx"), "{asked}");
    let untouched = server.root("command -v docker nginx || echo none; id deploy 2>&1 || true");
    assert!(
        untouched.starts_with("none\n") && untouched.contains("no such user"),
        "something was changed: {untouched}"
    );
    let set_up = newcomer.set_up(&["--yes"]).must_end_with(0);
    let said = set_up.to_string();
    for part in ["PROD_SSH_KNOWN_HOSTS", "prod.variables", "this server is ready", "no release of this tool serves yet"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let mode = std::fs::metadata(newcomer.root().join(".deploy/keys/prod")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read the key");
    server.give_images(&["python:3.11-slim"]);

    newcomer.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    let site = Address { port: server.http_port(), host: "guests.example".to_owned() };
    assert_eq!(get(&site, "/").unwrap().status, 200);
    newcomer.deployed(&["doctor"]).must_end_with(0);

    // Once more changes nothing, and takes nothing away.
    let before = server.root(FILES);
    let again = newcomer.set_up(&["--yes"]).must_end_with(0).to_string();
    for part in
        ["is done  docker, compose, nginx, curl and sudo are installed", "is done  the user deploy", "is done  a key"]
    {
        assert!(again.contains(part), "{part}\n{again}");
    }
    assert_eq!(server.root(FILES), before);
    assert_eq!(get(&site, "/").unwrap().status, 200);
    newcomer.change("templates/book.html", "volume one", "volume two");
    newcomer.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    assert!(get(&site, "/").unwrap().body.contains("volume two"));
    newcomer.deployed(&["doctor"]).must_end_with(0);
    newcomer.deployed(&["rollback"]).must_end_with(0);
    assert!(get(&site, "/").unwrap().body.contains("volume one"));
}
