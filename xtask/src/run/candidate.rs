//! The release that `deploy`, `ship` and `build` are about, before a host is asked.

use std::cell::Cell;

use anyhow::Result;

use crate::io::console;
use crate::io::local::dotenv::{self, Env};
use crate::io::local::package;
use crate::rules::config::Config;
use crate::rules::release::ReleaseId;
use crate::rules::report::Caller;
use crate::run::review::Ahead;

/// A release to be made from this machine's tree and the environment's `.env`.
pub struct Candidate {
    pub base: ReleaseId,
    pub env: Env,
    pub source: package::Source,
    /// Compose reads it already; taken by who needs that first.
    ahead: Cell<Option<Ahead>>,
}

impl Candidate {
    /// `dirty`: uncommitted changes belong to it.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the environment or its `.env` is not whole, [`Kind::Package`] where this
    /// machine's tree cannot be released.
    pub fn of(config: &Config, caller: &Caller, dirty: bool) -> Result<Candidate> {
        config.require_for_shipping()?;
        let source = package::source(config)?;
        if !dirty {
            source.refuse_dirty()?;
        }
        let env = dotenv::env_file(config)?;
        console::mask(env.values.iter().cloned());
        dotenv::check_compose_files(config, &env)?;
        dotenv::notes_of_compose_files(config, &env).iter().for_each(|told| console::warning(told));
        let base = source.release_id(caller.started_at)?;
        let ahead = Cell::new(Some(Ahead::begin(config, &source, &base, &env)));
        Ok(Candidate { base, source, env, ahead })
    }

    /// What compose has begun to read, once.
    pub fn ahead(&self) -> Option<Ahead> {
        self.ahead.take()
    }
}
