//! `cargo xtask build`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, execute};
use crate::rules::failure::Kind;
use crate::rules::plan;
use crate::rules::release::ReleaseId;
use crate::rules::script::Priority;
use crate::run::candidate::Candidate;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// Build a release's images on the host
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask build --env prod --release 20260131-174502-1a2b3c4")]
pub struct Build {
    /// The release to build; without it the release of the committed app
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseId::parse)]
    release: Option<ReleaseId>,
    #[command(flatten)]
    lock: Lock,
}

impl Build {
    /// # Errors
    /// [`Kind::Preflight`] where the release is not on the host.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { config: today, caller, .. } = invocation;
        let session = Session::connect_locked(today, caller, "build", self.lock.lock_wait, Priority::Gentle)?;
        let release = match &self.release {
            Some(release) => release.clone(),
            None => {
                let candidate = Candidate::of(today, caller, false)?;
                session.choose_release(&candidate.base, &candidate.env)?
            }
        };
        if session.observed.release(&release).is_none() {
            return Err(
                Kind::Preflight.error(format!("release {release} is not on the host; `cargo xtask ship` brings it"))
            );
        }
        let config = session.settings_of(&release)?;
        let plan = plan::build(&session.observed, &release);
        execute(invocation, Execution::of_stored(&session, &config, caller, "build"), &plan)
    }
}
