//! `cargo xtask switch`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, dry_run, execute, slot};
use crate::rules::plan;
use crate::rules::release::Slot;
use crate::rules::script::Priority;
use crate::run::execution::Execution;
use crate::run::session::Session;

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
        let Invocation { config, caller, .. } = invocation;
        let plan = |session: &Session| {
            let observed = &session.observed;
            let to = self.slot.unwrap_or_else(|| observed.free_slot());
            let release = observed.occupant(to).and_then(|container| container.release.as_ref());
            let config = release.map_or_else(|| Ok(session.config.clone()), |release| session.settings_of(release))?;
            Ok::<_, anyhow::Error>((plan::switch(&config, observed, to)?, config))
        };
        if self.plan.dry_run {
            return dry_run(invocation, &plan(&Session::connect_read_only(config)?)?.0);
        }
        let session = Session::connect_locked(config, caller, "switch", self.lock.lock_wait, Priority::Full)?;
        let (plan, config) = plan(&session)?;
        execute(invocation, Execution::of_stored(&session, &config, caller, "switch"), &plan)
    }
}
