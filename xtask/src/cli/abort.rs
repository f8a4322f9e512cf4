//! `cargo xtask abort`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Remove the version that `deploy --hold` holds; what serves is not touched
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask abort --env prod")]
pub struct Abort {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Abort {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "abort", (&self.plan, &self.lock), |session| {
            let held = plan::led_to(&session.observed)?;
            // One whose files are gone is removed all the same.
            let config = session.settings_of(&held.release).unwrap_or_else(|_| session.config.clone());
            Ok((plan::abort(&config, &session.observed, &held), config))
        })
    }
}
