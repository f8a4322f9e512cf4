//! The host a deploy goes to: this machine or one behind SSH. Runs scripts, copies files, leads to its loopback ports.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::Script;
use crate::config::{Config, Reach};
use crate::proc::{self, Command, Finished, Held};
use crate::session::Session;

/// A host that can be reached.
pub struct Host {
    reach: Connected,
    commands: AtomicU32,
}

enum Connected {
    Local,
    Ssh(Box<Session>),
}

impl Host {
    /// Connects where the environment is behind SSH.
    pub fn connect(config: &Config) -> Result<Host> {
        let reach = match &config.environment.reach {
            Reach::Local => Connected::Local,
            Reach::Ssh(target) => {
                let environment = &config.environment;
                let ports = [config.slots.blue, config.slots.green, environment.nginx.live_port, environment.url.port];
                Connected::Ssh(Box::new(Session::open(target, &ports, &config.root.join(".deploy"))?))
            }
            Reach::Missing(variables) => return Err(config.missing(variables)),
        };
        Ok(Host { reach, commands: AtomicU32::new(0) })
    }

    /// Runs to the end, whatever the exit code.
    pub fn finish(&self, script: &Script) -> Result<Finished> {
        let finished = proc::finish(&self.command(script))?;
        self.check(finished)
    }

    /// Must succeed; gives what it printed.
    pub fn text(&self, script: &Script) -> Result<String> {
        Ok(self.finish(script)?.success()?.text())
    }

    /// Must succeed; shows what it prints.
    pub fn stream(&self, script: &Script) -> Result<()> {
        let finished = proc::stream(&self.command(script))?;
        self.check(finished)?.success().map(drop)
    }

    /// A script that stays; it ends when what is returned is dropped, or when this process ends.
    pub fn hold(&self, script: &Script) -> Result<Held> {
        proc::hold(&self.command(script))
    }

    /// Copies a file to an absolute path on the host.
    pub fn put(&self, from: &Path, to: &str) -> Result<()> {
        match &self.reach {
            Connected::Local => {
                let copied = std::fs::copy(from, to);
                copied.with_context(|| format!("copying {} to {to}", from.display())).map(drop)
            }
            Connected::Ssh(session) => {
                self.commands.fetch_add(1, Ordering::Relaxed);
                let finished = proc::finish(&session.copy(from, to).within(Duration::from_secs(600)))?;
                self.check(finished)?.success().map(drop)
            }
        }
    }

    /// The port on this machine that leads to a loopback port of the host.
    pub fn port(&self, port: u16) -> Result<u16> {
        match &self.reach {
            Connected::Local => Ok(port),
            Connected::Ssh(session) => session.forwarded(port),
        }
    }

    /// Commands and copies sent to a remote host so far.
    pub fn commands(&self) -> u32 {
        self.commands.load(Ordering::Relaxed)
    }

    fn command(&self, script: &Script) -> Command {
        let command = match &self.reach {
            Connected::Local => Command::new(script.name, script.words()),
            Connected::Ssh(session) => {
                self.commands.fetch_add(1, Ordering::Relaxed);
                session.command(script.name, &script.remote_line())
            }
        };
        command.reading(script.input.clone()).within(script.limit)
    }

    /// ssh ends with 255 for reasons of its own; a lost connection is told from a failed command.
    fn check(&self, finished: Finished) -> Result<Finished> {
        if let (Connected::Ssh(session), Some(255)) = (&self.reach, finished.code) {
            session.check()?;
        }
        Ok(finished)
    }
}
