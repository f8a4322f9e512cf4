//! `cargo xtask restart`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Begin the release that serves anew, in the other slot: without a build, and nobody notices
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask restart --env prod")]
pub struct Restart {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Restart {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "restart", (&self.plan, &self.lock), |session| {
            let config = session.settings_of(plan::serving(&session.observed)?)?;
            Ok((plan::restart(&config, &session.observed)?, config))
        })
    }
}
