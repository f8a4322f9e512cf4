//! `cargo xtask promote`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Give the traffic to the version that `deploy --hold` holds
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask promote --env prod")]
pub struct Promote {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Promote {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "promote", (&self.plan, &self.lock), |session| {
            let held = plan::held(&session.observed)?;
            let config = session.settings_of(&held.release)?;
            Ok((plan::promote(&config, &session.observed, &held)?, config))
        })
    }
}
