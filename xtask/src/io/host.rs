//! The host a deploy goes to: this machine or one behind SSH. Runs scripts there, copies files, has it ask its own ports.

pub mod admin;
pub mod ask;
pub mod probe;
pub mod receipt;
pub mod shell;
pub mod ssh;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::io::host::ask::Asker;
use crate::io::host::shell::{Shell, Show, Ticket};
use crate::io::host::ssh::{Connection, Start};
use crate::io::process::{self, Child, Command, Finished};
use crate::io::random;
use crate::rules::config::{Config, Reach};
use crate::rules::failure::Kind;
use crate::rules::script::{self, Priority, Script};

/// A host that can be reached.
pub struct Host {
    // The connection ends with it.
    shell: Shell,
    reach: Connected,
    /// Scripts and copies beside those of the shell.
    beside: AtomicU32,
    asker: Asker,
}

enum Connected {
    Local,
    Ssh(Box<Connection>),
}

/// Who holds the lock, in one line; how many seconds to wait for it; how the run takes the host's processors.
pub struct Claim<'a> {
    pub holder: &'a str,
    pub wait_seconds: u64,
    pub priority: Priority,
}

impl Host {
    /// Connects where the environment is behind SSH, takes the lock where it is claimed, and has the `first` script run,
    /// which is to be waited for first.
    ///
    /// # Errors
    /// Where somebody else has the lock, or there is no connection.
    pub fn connect(config: &Config, claim: Option<&Claim>, first: Script) -> Result<(Host, Ticket)> {
        // A word that no script prints by accident, nor an app on purpose.
        let token = format!("deploy-shell.{}", random::token()?);
        let wait_seconds = claim.map_or(0, |claim| claim.wait_seconds);
        let priority = claim.map_or(Priority::Gentle, |claim| claim.priority);
        let script = script::shell(config, &token, claim.map(|claim| claim.holder), wait_seconds, &first, priority);
        // Besides, it waits for the last script of a run that has died.
        let start = Start {
            script,
            token,
            first,
            wait: Duration::from_secs(wait_seconds).saturating_add(script::GRACE * 2),
            alone: claim.is_some(),
        };
        let ask = script::ask();
        let (reach, asker, (shell, ticket)) = match &config.environment.reach {
            Reach::Local => {
                let shell = local(&start)?;
                (
                    Connected::Local,
                    Asker::start(move || process::spawn(&Command::new(ask.name, ask.words()).in_clean_environment())),
                    shell,
                )
            }
            Reach::Ssh(target) => {
                let (connection, asker, shell) = Connection::open(target, &config.root.join(".deploy"), &start, &ask)?;
                (Connected::Ssh(Box::new(connection)), asker, shell)
            }
            Reach::Missing(variables) => return Err(config.missing(variables)),
        };
        shell.watch(&asker);
        Ok((Host { shell, reach, beside: AtomicU32::new(1), asker }, ticket))
    }

    /// Sends scripts that run in this order, each only if the one before has succeeded, and are to be waited for in this
    /// order. To send several at once saves a round trip each.
    ///
    /// # Errors
    /// [`Kind::Connection`] where the host is not reached any more.
    pub fn send(&self, scripts: Vec<Script>) -> Result<VecDeque<Ticket>> {
        self.shell.send(scripts)
    }

    /// However it ends; gives what it printed.
    ///
    /// # Errors
    /// [`Kind::Connection`] where the shell there has ended, [`Kind::Interrupted`] after a signal; where it took too
    /// long.
    pub fn wait(&self, ticket: Ticket) -> Result<Finished> {
        self.end_of(ticket, Show::Nothing)
    }

    /// Must succeed; shows what it prints.
    ///
    /// # Errors
    /// The same, and where it fails.
    pub fn wait_showing(&self, ticket: Ticket) -> Result<()> {
        self.end_of(ticket, Show::Lines)?.success().map(drop)
    }

    fn end_of(&self, ticket: Ticket, show: Show) -> Result<Finished> {
        let name = ticket.script.name;
        let finished = self.shell.wait(ticket, show)?;
        finished.ok_or_else(|| self.lost()).with_context(|| format!("while trying to {name}"))
    }

    /// Ends what was sent ahead. Gives how many of those never began.
    ///
    /// # Errors
    /// Where the host is not reached any more.
    pub fn forget_ahead(&self) -> Result<usize> {
        self.shell.forget_ahead()
    }

    /// However it ends; gives what it printed.
    ///
    /// # Errors
    /// As [`Host::wait`].
    pub fn finish(&self, script: &Script) -> Result<Finished> {
        let finished = self.shell.run(script.clone(), Show::Nothing)?;
        finished.ok_or_else(|| self.lost()).with_context(|| format!("while trying to {}", script.name))
    }

    /// Must succeed; gives what it printed.
    ///
    /// # Errors
    /// The same, and where it fails.
    pub fn text(&self, script: &Script) -> Result<String> {
        Ok(self.finish(script)?.success()?.text())
    }

    /// Why the shell on the host has ended.
    fn lost(&self) -> anyhow::Error {
        match &self.reach {
            Connected::Local => ended(&self.shell.tail()),
            Connected::Ssh(connection) => connection.lost(&self.shell),
        }
    }

    /// # Errors
    /// Where the host can no longer be reached.
    pub fn check(&self) -> Result<()> {
        if self.shell.alive()? { Ok(()) } else { Err(self.lost()) }
    }

    /// A script that stays; it ends when what is returned is dropped, or when this process ends.
    ///
    /// # Errors
    /// Where no process can be started for it.
    pub fn spawn(&self, script: &Script) -> Result<Child> {
        process::spawn(&self.command(script))
    }

    /// Runs a script beside the shell, for an input that may take long: meanwhile the shell hears that we live.
    ///
    /// # Errors
    /// [`Kind::Connection`] where the host is not reached or takes no further session; where the script fails.
    pub fn send_beside(&self, script: &Script) -> Result<()> {
        let finished = process::finish(&self.command(script).reading(script.input.clone()).within(script.limit))?;
        if finished.code != Some(0) {
            self.check_soon()?;
        }
        if finished.tail.contains("Session open refused by peer") || finished.tail.contains("open failed") {
            return Err(Kind::Connection.error(format!(
                "the server's sshd refuses a third session on one connection, and a deploy needs four: set `MaxSessions 10`, which is sshd's \
                 default, in /etc/ssh/sshd_config and reload it:\n{}",
                process::indent(&finished.tail)
            )));
        }
        finished.success().map(drop)
    }

    /// A script that runs beside the shell.
    fn command(&self, script: &Script) -> Command {
        self.beside.fetch_add(1, Ordering::Relaxed);
        match &self.reach {
            Connected::Local => Command::new(script.name, script.words()).in_clean_environment(),
            Connected::Ssh(connection) => connection.command(script.name, &script.login_line()),
        }
    }

    /// The same as [`Host::check`], where something else has just ended: what runs over ssh ends a moment before it.
    fn check_soon(&self) -> Result<()> {
        match &self.reach {
            Connected::Local => Ok(()),
            Connected::Ssh(connection) => connection.check(&self.shell),
        }
    }

    /// What asks on the host over HTTP.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Scripts and copies sent to a remote host so far.
    pub fn commands(&self) -> u32 {
        match &self.reach {
            Connected::Local => 0,
            Connected::Ssh(_) => self.shell.sent() + self.beside.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Host {
    /// A connection ends by itself and takes along what belongs to it; to wait for that would cost a round trip.
    fn drop(&mut self) {
        if let Connected::Ssh(_) = self.reach {
            self.shell.detach();
        }
    }
}

fn local(start: &Start) -> Result<(Shell, Ticket)> {
    let child = process::spawn(&Command::new(start.script.name, start.script.words()).in_clean_environment())?;
    let (shell, first) = Shell::with_first(child, &start.token, &start.first);
    shell.await_ready(start.wait, || ended(&shell.tail()))?;
    Ok((shell, first))
}

fn ended(said: &str) -> anyhow::Error {
    anyhow!("the shell that runs the scripts has ended:\n{}", process::indent(said))
}
