//! A server as its administrator reaches it: over the person's own ssh, with the keys, settings and known hosts that it has.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::io::process::{self, Command, Finished};
use crate::rules::failure::Kind;
use crate::rules::script::{self, Input, Script};

/// How ssh ends where it could not connect (ssh(1), "Exit status").
const NO_CONNECTION: i32 = 255;

/// For `bash -c` of another user: reads a script from standard input, and runs it as that user would.
const AT_HOME: &str = r#"HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME && cd && unset DOCKER_HOST DOCKER_CONTEXT || exit
[ ! -S "/run/user/$(id -u)/docker.sock" ] || export DOCKER_HOST="unix:///run/user/$(id -u)/docker.sock"
exec bash -s -- "$@""#;

/// The words that have bash read a script from standard input.
fn as_script<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    ["bash", "-s", "--"].into_iter().chain(arguments.iter().copied()).collect()
}

/// A connection for each script: a server is set up once.
pub struct Admin {
    /// `[user@]host`, or a name of the person's ssh settings.
    destination: String,
    port: Option<u16>,
    /// Runs a command as root; empty where the administrator is root.
    as_root: &'static str,
}

/// Where ssh goes for a destination.
pub struct Place {
    pub host: String,
    pub port: u16,
}

impl Admin {
    /// Connects, and finds out how to become root.
    ///
    /// # Errors
    /// [`Kind::Usage`] where the destination is none; [`Kind::Connection`] with ssh's own words; [`Kind::Preflight`] where the administrator is neither
    /// root nor may become it without a password.
    pub fn connect(destination: &str, port: Option<u16>) -> Result<Admin> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@[]%".contains(&b);
        if destination.is_empty() || destination.starts_with('-') || !destination.bytes().all(plain) {
            return Err(Kind::Usage.error(format!("--admin {destination:?}: as ssh takes it, as in root@203.0.113.7")));
        }
        process::require("ssh", "sudo apt-get install openssh-client")?;
        let mut admin = Admin { destination: destination.to_owned(), port, as_root: "" };
        let who = admin
            .run(
                "find out who the administrator is",
                "id -u; if sudo -n true 2>/dev/null; then echo sudo; fi",
                &[],
                Duration::from_secs(60),
            )?
            .text();
        let mut words = who.split_whitespace();
        admin.as_root = match (words.next(), words.next()) {
            (Some("0"), _) => "",
            (Some(_), Some("sudo")) => "sudo -n ",
            _ => {
                return Err(Kind::Preflight.error(format!(
                    "{destination} is not root, and may not become it without a password (`sudo -n true`): give the name of one who may, as in \
                     --admin root@HOST"
                )));
            }
        };
        Ok(admin)
    }

    /// Where it is, by the person's own settings.
    ///
    /// # Errors
    /// Where ssh does not say.
    pub fn place(&self) -> Result<Place> {
        let mut words = vec!["ssh".to_owned(), "-G".to_owned()];
        words.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        words.extend(["--".to_owned(), self.destination.clone()]);
        let settings = process::text(&Command::new("read the settings of ssh", words))?;
        let value = |key: &str| settings.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let host = value("hostname").context("ssh names no host")?.to_owned();
        let port = value("port").and_then(|port| port.parse().ok()).context("ssh names no port")?;
        Ok(Place { host, port })
    }

    /// Runs a bash script as root, and shows each line that it prints. It must succeed.
    ///
    /// # Errors
    /// [`Kind::Connection`] where there is none; else what the script said last.
    pub fn run_showing(&self, purpose: &str, text: &str, arguments: &[&str], limit: Duration) -> Result<()> {
        self.ended(process::stream(&self.command(purpose, text, &as_script(arguments), limit))?).map(|_| ())
    }

    /// The same, with what it printed.
    ///
    /// # Errors
    /// The same.
    pub fn run(&self, purpose: &str, text: &str, arguments: &[&str], limit: Duration) -> Result<Finished> {
        self.ended(process::finish(&self.command(purpose, text, &as_script(arguments), limit))?)
    }

    /// Runs a script as another user of the server, at home, with the docker that is that user's, and shows each line that it prints.
    ///
    /// # Errors
    /// The same.
    pub fn run_as(&self, user: &str, script: &Script) -> Result<()> {
        let shell = ["runuser", "-u", user, "--", "bash", "-c", AT_HOME, "bash"];
        let words: Vec<&str> = shell.into_iter().chain(script.arguments.iter().map(String::as_str)).collect();
        self.ended(process::stream(&self.command(script.name, script.text, &words, script.limit))?).map(|_| ())
    }

    /// The text goes through standard input; what varies is quoted for the shell of the other side.
    fn command(&self, purpose: &str, text: &str, words: &[&str], limit: Duration) -> Command {
        let quoted: Vec<String> = words.iter().map(|word| script::quote(word)).collect();
        let remote = format!("{}{}", self.as_root, quoted.join(" "));
        // Nobody can be asked: this runs apart from the terminal.
        let mut words =
            ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15"].map(str::to_owned).to_vec();
        words.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        words.extend(["--".to_owned(), self.destination.clone(), remote]);
        Command::new(purpose, words).reading(Input::Bytes(text.as_bytes().to_vec())).within(limit)
    }

    fn ended(&self, finished: Finished) -> Result<Finished> {
        if finished.code != Some(NO_CONNECTION) {
            return finished.success();
        }
        let destination = &self.destination;
        let advice = match finished.tail.contains("Permission denied") {
            true => format!(
                "The server lets none of your keys in as that user. Name another user, or give ssh the key that it knows (`IdentityFile` in \
                 ~/.ssh/config, or `ssh-add`), until `ssh {destination}` asks for nothing"
            ),
            false => format!(
                "Connect once by hand (`ssh {destination}`), so that its host key is known, and have the key of a passphrase in an agent (`ssh-add`)"
            ),
        };
        let said = process::indent(&finished.tail);
        Err(Kind::Connection.error(format!("no connection to {destination} as its administrator:\n{said}\n{advice}")))
    }
}
