//! `cargo xtask switch`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored, slot};
use crate::rules::plan;
use crate::rules::release::Slot;

/// Move the traffic to the other slot, which must be healthy
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask switch green --env prod")]
pub struct Switch {
    /// blue or green; without it the slot that is not live
    #[arg(value_parser = slot)]
    slot: Option<Slot>,
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl Switch {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        run_stored(invocation, "switch", (&self.plan, &self.lock), |session| {
            let observed = &session.observed;
            let to = self.slot.unwrap_or_else(|| observed.free_slot());
            let release = observed.occupant(to).and_then(|container| container.release.as_ref());
            let config = release.map_or_else(|| Ok(session.config.clone()), |release| session.settings_of(release))?;
            Ok((plan::switch(&config, observed, to)?, config))
        })
    }
}
