//! One SSH connection per host, held for the whole run: every script and copy goes through it.
//!
//! Its own command is the shell that runs our scripts there. The master process reads its standard input from us and ends
//! when we do, and with it the agent that holds the key.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ask::Asker;
use crate::command::{Input, Script, Secret};
use crate::config::SshTarget;
use crate::console;
use crate::failure::Kind;
use crate::proc::{self, Command};
use crate::shell::Shell;

/// A connection that sends nothing for 3 times this is dead (ssh_config: ServerAliveInterval, ServerAliveCountMax).
const ALIVE_INTERVAL_SECONDS: u32 = 5;

/// Time for a connection to stand, the wait for the lock apart.
const CONNECTED: Duration = Duration::from_secs(30);

/// What is started on the host.
pub struct Start {
    /// The shell itself.
    pub script: Script,
    pub token: String,
    /// What it was given to run before anything else.
    pub first: Script,
    /// How long it may wait for the lock.
    pub wait: Duration,
}

/// An open connection. Once the shell that came with it is dropped, it closes and takes the agent and the session's
/// folder along.
pub struct Session {
    target: SshTarget,
    folder: PathBuf,
}

impl Session {
    /// Connects and starts the shell on the server, and beside it what asks there. `state` keeps the host keys that were accepted at first use.
    ///
    /// # Errors
    /// [`Kind::HostKey`] where the server's key is not the known one, [`Kind::Connection`] where there is no connection,
    /// [`Kind::Locked`] and [`Kind::Preflight`] where there is no lock.
    pub fn open(target: &SshTarget, state: &Path, start: &Start, ask: &Script) -> Result<(Session, Asker, Shell)> {
        for program in ["ssh", "ssh-agent", "ssh-add"] {
            proc::require(program, "install the OpenSSH client")?;
        }
        let private = tempfile::Builder::new().prefix("xtask-ssh-").tempdir().context("making a private folder")?;
        let known = KnownHosts::prepare(target, private.path(), state)?;
        let master = proc::hold(&master(target, private.path(), &known, &start.script))?;
        // From here on the session's own shell removes it, also when this process is killed.
        let session = Session { target: target.clone(), folder: private.keep() };
        let (control, ask) = (session.control(), session.command(ask.name, &ask.remote_line()));
        let limit = CONNECTED + start.wait;
        let asker = Asker::start(move || {
            connected(&control, limit)?;
            proc::hold(&ask)
        });
        let shell = Shell::new(master, &start.token, Some(&start.first));
        shell.await_ready(limit, || refused(target, &shell))?;
        known.announce(target);
        Ok((session, asker, shell))
    }

    /// The words that run `line` on the server through the held connection.
    pub fn command(&self, purpose: &str, line: &str) -> Command {
        let mut words = vec!["ssh".to_owned(), "-T".to_owned()];
        words.extend(self.through_master());
        words.extend(["-p".to_owned(), self.target.port.to_string(), "-l".to_owned(), self.target.user.clone()]);
        words.extend(["--".to_owned(), self.target.host.clone(), line.to_owned()]);
        Command::new(purpose, words)
    }

    /// The master's socket.
    fn control(&self) -> PathBuf {
        self.folder.join("control")
    }

    /// Through the master or not at all: without one, ssh would open a connection of its own, with other keys.
    fn through_master(&self) -> Vec<String> {
        let control = format!("ControlPath={}", self.control().display());
        [
            "-o",
            &control,
            "-o",
            "ControlMaster=no",
            "-o",
            "ProxyCommand=false",
            "-o",
            "BatchMode=yes",
            "-o",
            "LogLevel=ERROR",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// # Errors
    /// [`Kind::Connection`] with ssh's own words once the connection is gone.
    pub fn check(&self, shell: &Shell) -> Result<()> {
        // ssh ends what runs over it a moment before itself.
        let deadline = Instant::now() + Duration::from_secs(1);
        while shell.alive()? {
            if Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self.lost(shell))
    }

    pub fn lost(&self, shell: &Shell) -> anyhow::Error {
        let said = match shell.tail() {
            said if said.trim().is_empty() => "the server has closed it or does not answer any more".to_owned(),
            said => said,
        };
        Kind::Connection.error(format!("the SSH connection to {} was lost:\n{}", self.target, proc::indent(&said)))
    }
}

/// Waits until the master takes further commands: some round trips before its own has been answered.
fn connected(control: &Path, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !control.exists() {
        if Instant::now() >= deadline {
            bail!("there is no connection");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Why there is no connection, or why there is and the shell on the other side has ended at once.
fn refused(target: &SshTarget, shell: &Shell) -> anyhow::Error {
    // ssh writes why it ended just before it ends.
    std::thread::sleep(Duration::from_millis(100));
    let said = &shell.tail();
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") || said.contains("Host key verification failed") {
        return Kind::HostKey.error(format!(
            "the host key of {target} is not the one known. Either the server was set up anew, or somebody is in \
             between. Compare its fingerprint over another way; then put the right line into {}\n{}",
            target.variable("SSH_KNOWN_HOSTS"),
            proc::indent(said)
        ));
    }
    Kind::Connection.error(format!("no SSH connection to {target}:\n{}", proc::indent(said)))
}

fn master(target: &SshTarget, folder: &Path, known: &KnownHosts, shell: &Script) -> Command {
    let mut key = target.key.expose().to_vec();
    key.retain(|byte| *byte != b'\r');
    if !key.ends_with(b"\n") {
        key.push(b'\n'); // secrets stored on GitHub lose it, and OpenSSH refuses a key without
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let mut words: Vec<String> = ["ssh-agent", "-a"].map(str::to_owned).to_vec();
    words.extend([path("agent"), "bash".into(), "-c".into(), include_str!("scripts/ssh_session.sh").into()]);
    words.extend(["ssh-session".into(), key.len().to_string(), folder.display().to_string()]);
    words.extend(["ssh".into(), "-T".into(), "-M".into(), "-S".into(), path("control")]);
    let mut options = vec![
        "ControlPersist=no".to_owned(),
        "BatchMode=yes".to_owned(),
        "ConnectTimeout=15".to_owned(),
        "IdentityFile=none".to_owned(),
        "PreferredAuthentications=publickey".to_owned(), // each other way that is tried costs a round trip
        format!("IdentityAgent={}", path("agent")),
        "ForwardAgent=no".to_owned(),
        format!("ServerAliveInterval={ALIVE_INTERVAL_SECONDS}"),
        "ServerAliveCountMax=3".to_owned(),
        "LogLevel=ERROR".to_owned(),
    ];
    options.extend(known.options());
    words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    words.extend(["-p".into(), target.port.to_string(), "-l".into(), target.user.clone(), "--".into()]);
    words.extend([target.host.clone(), shell.remote_line()]);
    Command::new("connect over SSH", words).reading(Input::Secret(Secret::new(key)))
}

/// Which host keys are accepted.
struct KnownHosts {
    /// Keys given by the team: only these.
    given: Option<PathBuf>,
    /// Keys accepted at first use are kept here.
    kept: PathBuf,
    /// Whether the host has been seen before.
    seen: bool,
}

impl KnownHosts {
    fn prepare(target: &SshTarget, folder: &Path, state: &Path) -> Result<KnownHosts> {
        let kept = state.join("known_hosts");
        if let Some(lines) = &target.known_hosts {
            let given = folder.join("known_hosts");
            std::fs::write(&given, format!("{}\n", lines.trim_end())).context("writing the known host keys")?;
            return Ok(KnownHosts { given: Some(given), kept, seen: true });
        }
        std::fs::create_dir_all(state).with_context(|| format!("making {}", state.display()))?;
        let seen = kept.exists() && !lookup(target, &kept, &[])?.is_empty();
        Ok(KnownHosts { given: None, kept, seen })
    }

    fn options(&self) -> Vec<String> {
        match &self.given {
            Some(given) => vec![
                "StrictHostKeyChecking=yes".to_owned(),
                format!("UserKnownHostsFile={}", given.display()),
                "GlobalKnownHostsFile=none".to_owned(),
            ],
            None => vec![
                "StrictHostKeyChecking=accept-new".to_owned(),
                "HashKnownHosts=no".to_owned(), // the line is shown, to be copied
                format!("UserKnownHostsFile=\"{}\"", self.kept.display()),
            ],
        }
    }

    /// Says which key was accepted at first use.
    fn announce(&self, target: &SshTarget) {
        if self.seen {
            return;
        }
        let fingerprints = lookup(target, &self.kept, &["-l"]).unwrap_or_else(|error| error.to_string());
        let lines = lookup(target, &self.kept, &[]).unwrap_or_default();
        console::warning(&format!(
            "the host key of {target} was not known and has been accepted; from now on only this one is. Compare:\n{}\n\
             To pin it, put these lines into {}:\n{}",
            proc::indent(fingerprints.trim_end()),
            target.variable("SSH_KNOWN_HOSTS"),
            proc::indent(lines.trim_end()),
        ));
    }
}

/// What `ssh-keygen -F` finds for the host in a file of known hosts, without its comment lines.
fn lookup(target: &SshTarget, file: &Path, extra: &[&str]) -> Result<String> {
    let host = if target.port == 22 { target.host.clone() } else { format!("[{}]:{}", target.host, target.port) };
    let mut words = vec!["ssh-keygen".to_owned()];
    words.extend(extra.iter().map(|word| (*word).to_owned()));
    words.extend(["-F".to_owned(), host, "-f".to_owned(), file.display().to_string()]);
    let found = proc::finish(&Command::new("look up the host key", words))?;
    let text = found.text();
    Ok(text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<&str>>().join("\n"))
}
