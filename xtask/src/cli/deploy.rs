//! `cargo xtask deploy`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, dry_run, execute};
use crate::rules::plan;
use crate::run::candidate::Candidate;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// Test, package, ship, build, boot, switch, drain: everything
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask deploy --env prod --dry-run")]
pub struct Deploy {
    /// Include uncommitted changes
    #[arg(long)]
    dirty: bool,
    #[command(flatten)]
    lock: Lock,
    /// Skip the tests: an earlier job has run them
    #[arg(long)]
    skip_tests: bool,
    #[command(flatten)]
    plan: PlanOnly,
}

impl Deploy {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { config, caller, .. } = invocation;
        let candidate = Candidate::of(config, caller, self.dirty)?;
        let tests = if self.skip_tests { plan::TestStage::Skip } else { plan::TestStage::Run };
        let plan = |session: &Session| {
            let release = session.choose_release(&candidate.base, &candidate.env)?;
            plan::deploy(&session.config, &session.observed, &release, tests)
        };
        if self.plan.dry_run {
            return dry_run(invocation, &plan(&Session::connect_read_only(config)?)?);
        }
        let session =
            Session::connect_locked(config, caller, &format!("deploy of {}", candidate.base), self.lock.lock_wait)?;
        let plan = plan(&session)?;
        execute(invocation, Execution::of_candidate(&session, caller, "deploy", candidate), &plan)
    }
}
