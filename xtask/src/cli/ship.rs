//! `cargo xtask ship`.

use anyhow::Result;
use clap::Args;

use super::given_images::GivenImages;
use super::{Invocation, Lock, execute};
use crate::io::console;
use crate::rules::plan;
use crate::rules::script::Priority;
use crate::run::candidate::Candidate;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// Bring a release to the host, complete or not at all
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask ship --env prod")]
pub struct Ship {
    /// Include uncommitted changes
    #[arg(long)]
    dirty: bool,
    #[command(flatten)]
    lock: Lock,
    #[command(flatten)]
    images: GivenImages,
}

impl Ship {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { caller, .. } = invocation;
        let config = &self.images.applied(invocation.config)?;
        let candidate = Candidate::of(config, caller, self.dirty)?;
        let purpose = format!("ship of {}", candidate.base);
        let session = Session::connect_locked(config, caller, &purpose, self.lock.lock_wait, Priority::Gentle)?;
        let release = session.choose_release(&candidate.base, &candidate.env)?;
        let plan = plan::ship(config, &session.observed, &release);
        if plan.steps.is_empty() {
            console::note(&format!("release {release} is on the host already"));
        }
        execute(invocation, Execution::of_candidate(&session, caller, "ship", candidate), &plan)
    }
}
