//! `cargo xtask stop`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Stop the app: web services and workers, but no accessory. The site answers no more until `start`
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask stop --env prod")]
pub struct Stop {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Stop {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "stop", (&self.plan, &self.lock), |session| {
            let config = session.settings_of(plan::serving(&session.observed)?)?;
            Ok((plan::stop(&config, &session.observed)?, config))
        })
    }
}
