//! `cargo xtask ship`.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::candidate::Candidate;
use super::{Invocation, Lock, print};
use crate::rules::plan;
use crate::rules::release::ReleaseId;
use crate::run::session::Session;

#[derive(Serialize)]
struct Shipped {
    release: ReleaseId,
    /// It was there already, nothing was sent.
    present: bool,
    /// Bytes of the archive that was sent.
    bytes: u64,
}

/// Bring a release to the host, complete or not at all
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask ship --env prod")]
pub struct Ship {
    /// Take uncommitted changes along
    #[arg(long)]
    dirty: bool,
    #[command(flatten)]
    lock: Lock,
}

impl Ship {
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { config, caller, .. } = invocation;
        let candidate = Candidate::of(invocation, self.dirty)?;
        let session =
            Session::connect_locked(config, caller, &format!("ship of {}", candidate.base), self.lock.lock_wait)?;
        let release = session.choose_release(&candidate.base, &candidate.env)?;
        let present = session.observed.release(&release).is_some();
        let mut bytes = 0;
        if !present {
            let plan = plan::ship(&session.observed, &release);
            let mut execution = candidate.execution(&session, caller);
            (0..plan.steps.len()).try_for_each(|index| execution.step(&plan, index))?;
            bytes = execution.package.map_or(0, |package| package.bytes);
        }
        print(invocation, &Shipped { release, present, bytes }, |shipped| {
            let how = if shipped.present { "is there already" } else { "was shipped" };
            format!("release {} {how}", shipped.release)
        })
    }
}
