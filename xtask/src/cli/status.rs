//! `cargo xtask status`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, print};
use crate::rules::failure::Kind;
use crate::rules::host::status;
use crate::run::public;
use crate::run::session::{self, Session};

/// Which slot and release serve, and whether nginx, containers and record agree
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask status --env prod --json")]
pub struct Status {}

impl Status {
    /// # Errors
    /// [`Kind::Drift`] where they do not agree.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let mut session = Session::connect_read_only(invocation.config)?;
        // The live release is asked and judged by its own settings.
        let live = session.observed.live_release().and_then(|release| session.settings_of(release).ok());
        if let Some(live) = live.as_ref().filter(|live| !session.observed.asked.asks_like(&live.health)) {
            session.observed = session::inspect(live, &session.host)?;
        }
        let config = live.as_ref().unwrap_or(&session.config);
        let asked = public::start(config, session.observed.live_release());
        let site = session::site(config, &session.observed);
        let public = asked.map(public::Running::finish);
        let status = status::Status { public, ..status::status(config, &session.observed, site) };
        let agree = status.problems.is_empty();
        print(invocation, &status, status::Status::describe)?;
        match agree {
            true => Ok(()),
            false => Err(Kind::Drift.error("there are problems; they are listed above")),
        }
    }
}
