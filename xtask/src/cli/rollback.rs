//! `cargo xtask rollback`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;
use crate::rules::release::ReleaseId;

/// Go back to a release that is known to be good
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask rollback --env prod --to 20260131-174502-1a2b3c4")]
pub struct Rollback {
    /// The release to go back to; without it the previous known good release
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseId::parse)]
    to: Option<ReleaseId>,
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Rollback {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "rollback", (&self.plan, &self.lock), |session| {
            let release = plan::way_back(&session.observed, self.to.as_ref())?;
            let config = session.settings_of(release)?;
            Ok((plan::rollback(&config, &session.observed, release)?, config))
        })
    }
}
