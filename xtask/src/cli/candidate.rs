//! The release that `deploy`, `ship` and `build` are about, before a host is asked.

use anyhow::Result;

use super::Invocation;
use crate::io::console;
use crate::io::local::dotenv::{self, Env};
use crate::io::local::package;
use crate::rules::release::ReleaseId;
use crate::rules::report::Caller;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// A release to be made from this machine's tree and the environment's `.env`.
pub struct Candidate {
    pub base: ReleaseId,
    pub env: Env,
    source: package::Source,
}

impl Candidate {
    /// `dirty`: uncommitted changes belong to it.
    pub fn of(invocation: &Invocation, dirty: bool) -> Result<Candidate> {
        let Invocation { config, caller, .. } = invocation;
        config.require_for_shipping()?;
        let source = package::source(config)?;
        if !dirty {
            source.refuse_dirty()?;
        }
        let env = dotenv::env_file(config)?;
        console::mask(env.values.iter().cloned());
        dotenv::check_compose_files(config, &env)?;
        Ok(Candidate { base: source.release_id(caller.started_at)?, source, env })
    }

    /// A run that makes it.
    pub fn execution<'a>(self, session: &'a Session, caller: &'a Caller) -> Execution<'a> {
        let mut execution = Execution::new(session, &session.config, caller, "deploy");
        (execution.source, execution.env) = (Some(self.source), Some(self.env));
        execution
    }
}
