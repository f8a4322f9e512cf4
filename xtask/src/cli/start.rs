//! `cargo xtask start`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Start the release that served last, after `stop`
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask start --env prod")]
pub struct Start {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Start {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "start", (&self.plan, &self.lock), |session| {
            let config = session.settings_of(plan::served_last(&session.observed)?)?;
            Ok((plan::start(&config, &session.observed)?, config))
        })
    }
}
