//! One SSH connection per host, held for the whole run: every script and copy goes through it.
//!
//! Its own command is the shell that runs our scripts there. The master process reads its standard input from us and ends
//! when we do, and with it the agent that holds the key.

mod kept;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::io::console;
use crate::io::host::ask::Asker;
use crate::io::host::shell::{Shell, Ticket};
use crate::io::process::{self, Child, Command};
use crate::rules::config::SshTarget;
use crate::rules::failure::Kind;
use crate::rules::script::{Input, Script, quote};
use crate::rules::secret::Secret;
use kept::Kept;

/// A connection that sends nothing for 3 times this is dead (ssh_config: ServerAliveInterval, ServerAliveCountMax).
const ALIVE_INTERVAL_SECONDS: u32 = 5;

/// Time for a connection to stand, the wait for the lock apart.
const CONNECTED: Duration = Duration::from_secs(30);

/// The same of one that stands: there is nothing to wait for but the way there and back.
const JOINED: Duration = Duration::from_secs(5);

/// What is started on the host.
pub struct Start {
    /// The shell itself.
    pub script: Script,
    pub token: String,
    /// What it was given to run before anything else.
    pub first: Script,
    /// How long it may wait for the lock.
    pub wait: Duration,
    /// On a connection of its own. sshd takes so many sessions on one (`MaxSessions`), and what others do must not hinder one that changes the host.
    pub alone: bool,
}

/// An open connection. Once the shell that came with it is dropped, it closes and takes the agent and the session's
/// folder along; one that is kept stays.
pub struct Connection {
    target: SshTarget,
    /// The master's socket.
    control: PathBuf,
}

/// What a connection opens with: itself, what asks on the host, the shell with its first script.
type Opened = (Connection, Asker, (Shell, Ticket));

impl Connection {
    /// Connects and starts the shell on the server, and beside it what asks there. `state` keeps the host keys that were accepted at first use.
    ///
    /// # Errors
    /// [`Kind::HostKey`] where the server's key is not the known one, [`Kind::Connection`] where there is no connection,
    /// [`Kind::Locked`] and [`Kind::Preflight`] where there is no lock.
    pub fn open(target: &SshTarget, state: &Path, start: &Start, ask: &Script) -> Result<Opened> {
        for program in ["ssh", "ssh-agent", "ssh-add"] {
            process::require(program, "install the OpenSSH client")?;
        }
        let private = private_folder()?;
        let route = Route::of(target)?;
        let keep = target.keep.filter(|_| !start.alone);
        let mut kept = keep.and_then(|keep| Kept::of(target, &route, keep, private.path()));
        if kept.as_ref().is_some_and(Kept::stands) {
            // Where it takes no further session, or the way there has just broken, its end is its own affair.
            let joined = kept.take().map(|kept| Connection::join(target, kept.control, start, ask));
            if let Some(Ok(opened)) = joined {
                return Ok(opened);
            }
        }
        let known = KnownHosts::prepare(target, private.path(), state)?;
        let control = kept.as_ref().map_or_else(|| private.path().join("control"), |kept| kept.control.clone());
        let persist = kept.as_ref().map_or("no".to_owned(), |kept| kept.keep.as_secs().to_string());
        let socket = [format!("ControlPath={}", control.display()), format!("ControlPersist={persist}")];
        let master = process::spawn(&master(target, private.path(), socket, &known, &route, &start.script))?;
        // From here on the session's own shell removes it, also when this process is killed.
        drop(private.keep());
        let connection = Connection { target: target.clone(), control };
        let (asker, shell) = connection.begin(master, CONNECTED.saturating_add(start.wait), start, ask)?;
        known.announce(target);
        Ok((connection, asker, shell))
    }

    /// Goes on over a connection that an earlier run has left.
    fn join(target: &SshTarget, control: PathBuf, start: &Start, ask: &Script) -> Result<Opened> {
        let connection = Connection { target: target.clone(), control };
        let shell = process::spawn(&connection.command("connect over SSH", &start.script.login_line()))?;
        let (asker, shell) = connection.begin(shell, JOINED, start, ask)?;
        Ok((connection, asker, shell))
    }

    /// `shell`: what runs the shell on the server.
    fn begin(&self, shell: Child, limit: Duration, start: &Start, ask: &Script) -> Result<(Asker, (Shell, Ticket))> {
        let (control, ask) = (self.control.clone(), self.command(ask.name, &ask.login_line()));
        let asker = Asker::start(move || {
            connected(&control, limit)?;
            process::spawn(&ask)
        });
        let (shell, first) = Shell::with_first(shell, &start.token, &start.first);
        shell.await_ready(limit, || refused(&self.target, &shell))?;
        Ok((asker, (shell, first)))
    }

    /// The words that run `line` on the server through the held connection.
    pub fn command(&self, purpose: &str, line: &str) -> Command {
        let mut words = vec!["ssh".to_owned(), "-T".to_owned()];
        words.extend(self.through_master());
        words.extend(["-p".to_owned(), self.target.port.to_string(), "-l".to_owned(), self.target.user.clone()]);
        words.extend(["--".to_owned(), self.target.host.clone(), line.to_owned()]);
        Command::new(purpose, words)
    }

    /// Through the master or not at all: without one, ssh would open a connection of its own, with other keys.
    fn through_master(&self) -> Vec<String> {
        let control = format!("ControlPath={}", self.control.display());
        [
            // A person's settings for this host are no business of this run.
            "-F",
            "none",
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
        Kind::Connection.error(format!("the SSH connection to {} was lost:\n{}", self.target, process::indent(&said)))
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
            "the host key of {target} is not the one known. Either the server was set up again, or somebody is in \
             between. Compare its fingerprint over another way; then put the right line into {}\n{}",
            target.variable("SSH_KNOWN_HOSTS"),
            process::indent(said)
        ));
    }
    let said_nothing = said.trim().is_empty();
    if said_nothing || said.contains("not available") || said.contains("nologin") {
        // Nothing that ssh itself says: the connection stood, and the login ended it.
        return Kind::Connection.error(format!(
            "the SSH connection to {target} ended before anything was run. The login shell of {user} has to run commands (see it with \
             `getent passwd {user}`, set it with `chsh -s /bin/bash {user}`), and its start-up files must not end it:\n{}",
            process::indent(if said_nothing { "(it said nothing)" } else { said }),
            user = target.user,
        ));
    }
    Kind::Connection.error(format!("no SSH connection to {target}:\n{}", process::indent(said)))
}

/// A folder for sockets and host keys: its name must be short (a socket's has 104 bytes on some systems) and have no letter that
/// ssh reads as something else (`%`, blanks, quotes).
fn private_folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("xtask-ssh-").tempdir_in(place()?).context("making a private folder")
}

/// Where such a folder may be.
fn place() -> Result<PathBuf> {
    let plain = |path: &Path| {
        let text = path.to_string_lossy();
        text.len() <= LONGEST_FOLDER && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
    };
    let places = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    places.into_iter().find(|place| plain(place) && place.is_dir()).context("there is no temporary folder")
}

/// Leaves room for the folder's own name, and for what ssh adds while it makes a socket.
const LONGEST_FOLDER: usize = 60;

/// How the user's own ssh would get to the host: another name for it, and jump hosts. Nothing else of a person's settings is
/// used, keys least of all.
struct Route {
    /// The name or address that is connected to.
    name: String,
    proxy: Option<String>,
}

impl Route {
    /// `ssh -G` prints the settings that hold for a host, and connects to nothing.
    fn of(target: &SshTarget) -> Result<Route> {
        let words =
            ["ssh", "-G", "-p", &target.port.to_string(), "-l", &target.user, "--", &target.host].map(str::to_owned);
        let settings = process::text(&Command::new("read the settings of ssh", words))?;
        let get = |name: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.filter(|value| *value != "none").map(str::to_owned)
        };
        let name = get("hostname").unwrap_or_else(|| target.host.clone());
        // Jump hosts are reached as the user reaches them, by the user's own agent.
        let agent = std::env::var("SSH_AUTH_SOCK").ok().filter(|agent| !agent.is_empty());
        let agent =
            agent.map_or_else(String::new, |agent| format!("env SSH_AUTH_SOCK={} ", quote(&agent.replace('%', "%%"))));
        let jump = get("proxyjump").map(|jumps| {
            let (before, last) = match jumps.rsplit_once(',') {
                Some((before, last)) => (format!("-J {} ", quote(before)), last.to_owned()),
                None => (String::new(), jumps.clone()),
            };
            format!("{agent}ssh {before}-W '[%h]:%p' -- {}", quote(&destination(&last)))
        });
        Ok(Route { name, proxy: jump.or(get("proxycommand").map(|command| format!("{agent}{command}"))) })
    }

    fn options(&self) -> Vec<String> {
        let proxy = self.proxy.iter().map(|proxy| format!("ProxyCommand={proxy}"));
        [format!("Hostname={}", self.name)].into_iter().chain(proxy).collect()
    }
}

/// `user@host:port` as one word that ssh takes for a destination.
fn destination(jump: &str) -> String {
    if jump.starts_with("ssh://") || !jump.contains(':') { jump.to_owned() } else { format!("ssh://{jump}") }
}

fn master(
    target: &SshTarget,
    folder: &Path,
    socket: [String; 2],
    known: &KnownHosts,
    route: &Route,
    shell: &Script,
) -> Command {
    let mut key = target.key.expose().to_vec();
    key.retain(|byte| *byte != b'\r');
    if !key.ends_with(b"\n") {
        key.push(b'\n'); // secrets stored on GitHub lose it, and OpenSSH refuses a key without
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let mut words: Vec<String> = ["ssh-agent", "-a"].map(str::to_owned).to_vec();
    words.extend([
        path("agent"),
        "bash".into(),
        "-c".into(),
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/ssh_session.sh")).into(),
    ]);
    words.extend(["ssh-session".into(), key.len().to_string(), folder.display().to_string()]);
    words.extend(["ssh".into(), "-F".into(), "none".into(), "-T".into(), "-M".into()]);
    let mut options = socket.to_vec();
    options.extend([
        "BatchMode=yes".to_owned(),
        "ConnectTimeout=15".to_owned(),
        "IdentityFile=none".to_owned(),
        "PubkeyAuthentication=yes".to_owned(),
        "PreferredAuthentications=publickey".to_owned(), // each other way that is tried costs a round trip
        format!("IdentityAgent={}", path("agent")),
        "ForwardAgent=no".to_owned(),
        format!("ServerAliveInterval={ALIVE_INTERVAL_SECONDS}"),
        "ServerAliveCountMax=3".to_owned(),
        "LogLevel=ERROR".to_owned(),
    ]);
    options.extend(known.options());
    options.extend(route.options());
    options.push(format!("HostKeyAlias={}", known_name(target)));
    words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    words.extend(["-p".into(), target.port.to_string(), "-l".into(), target.user.clone(), "--".into()]);
    words.extend([target.host.clone(), shell.login_line()]);
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
            if lookup(target, &given, &[])?.is_empty() {
                return Err(Kind::Configuration.error(format!(
                    "{variable} has no line for {host}: a line is the name as ssh knows it, the kind of key and the key, as in\n  {host} \
                     ssh-ed25519 AAAAC3…\nA key without a name, a fingerprint or quotes around it are none; `ssh-keyscan -p {port} {name}` \
                     prints the lines, to be compared over another way",
                    variable = target.variable("SSH_KNOWN_HOSTS"),
                    host = known_name(target),
                    port = target.port,
                    name = target.host,
                )));
            }
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
            process::indent(fingerprints.trim_end()),
            target.variable("SSH_KNOWN_HOSTS"),
            process::indent(lines.trim_end()),
        ));
    }
}

/// The name of a host as `known_hosts` has it.
fn known_name(target: &SshTarget) -> String {
    if target.port == 22 { target.host.clone() } else { format!("[{}]:{}", target.host, target.port) }
}

/// What `ssh-keygen -F` finds for the host in a file of known hosts, without its comment lines.
fn lookup(target: &SshTarget, file: &Path, extra: &[&str]) -> Result<String> {
    let host = known_name(target);
    let mut words = vec!["ssh-keygen".to_owned()];
    words.extend(extra.iter().map(|word| (*word).to_owned()));
    words.extend(["-F".to_owned(), host, "-f".to_owned(), file.display().to_string()]);
    let found = process::finish(&Command::new("look up the host key", words))?;
    let text = found.text();
    Ok(text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<&str>>().join("\n"))
}
