//! `cargo xtask health`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{Invocation, print, slot};
use crate::rules::failure::Kind;
use crate::rules::release::{ReleaseId, Slot};
use crate::run::session::Session;
use crate::run::steps;

#[derive(Serialize)]
struct Healthy {
    slot: Slot,
    release: ReleaseId,
    seconds: f64,
}

/// Wait until a slot is healthy
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask health --env prod")]
pub struct Health {
    /// blue or green; without it the live slot
    #[arg(value_parser = slot)]
    slot: Option<Slot>,
}

impl Health {
    /// # Errors
    /// [`Kind::Unhealthy`] where it does not become healthy in time, or runs no release.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let config = invocation.config;
        let session = Session::connect_read_only(config)?;
        let observed = &session.observed;
        let slot = self.slot.or(observed.live()).ok_or_else(|| Kind::Preflight.error("no slot is live; name one"))?;
        let release = observed.occupant(slot).and_then(|container| container.release.clone());
        let Some(release) = release else {
            return Err(Kind::Unhealthy.error(format!("slot {slot} runs no release")));
        };
        let config = &session.settings_of(&release)?;
        let begun = std::time::Instant::now();
        steps::await_health_of_all(config, &session.host, &release, slot, &BTreeMap::new())?;
        let healthy = Healthy { slot, release, seconds: begun.elapsed().as_secs_f64() };
        print(invocation, &healthy, |healthy| {
            format!("slot {} is healthy: release {} after {:.2} s", healthy.slot, healthy.release, healthy.seconds)
        })
    }
}
