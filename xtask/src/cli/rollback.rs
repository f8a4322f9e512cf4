//! `cargo xtask rollback`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, dry_run, execute};
use crate::io::console;
use crate::rules::host::preflight;
use crate::rules::plan;
use crate::rules::release::ReleaseId;
use crate::rules::script::Priority;
use crate::run::execution::Execution;
use crate::run::session::Session;

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
        let Invocation { config, caller, .. } = invocation;
        let plan = |session: &Session| {
            let release = plan::way_back(&session.observed, self.to.as_ref())?;
            let config = session.settings_of(release)?;
            Ok::<_, anyhow::Error>((plan::rollback(&config, &session.observed, release)?, config))
        };
        if self.plan.dry_run {
            return dry_run(invocation, &plan(&Session::connect_read_only(config)?)?.0);
        }
        let session = Session::connect_locked(config, caller, "rollback", self.lock.lock_wait, Priority::Full)?;
        preflight::bypasses(&session.observed).iter().for_each(|line| console::warning(line));
        let (plan, config) = plan(&session)?;
        execute(invocation, Execution::of_stored(&session, &config, caller, "rollback"), &plan)
    }
}
