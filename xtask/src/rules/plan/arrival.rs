//! How a new version comes to its traffic: all at once, or by shares of all clients.

use anyhow::Result;

use super::step::Step;
use crate::rules::canary::Canary;
use crate::rules::config::{Config, NginxOwner, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::release::Slot;

/// What comes before the switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    AtOnce,
    /// Its share is raised for so many seconds.
    Ramp(u64),
    /// It gets one share after the other, and is judged at each.
    Canary(Canary),
}

impl Arrival {
    /// As the configuration has it, where nginx can do it.
    pub fn of(config: &Config, observed: &Observed) -> Arrival {
        match config.traffic.ramp {
            seconds if seconds > 0 && gives_shares(config, observed) => Arrival::Ramp(seconds),
            _ => Arrival::AtOnce,
        }
    }

    pub fn steps(self, slot: Slot) -> Vec<Step> {
        match self {
            Arrival::AtOnce => Vec::new(),
            Arrival::Ramp(seconds) => vec![Step::Ramp { slot, seconds }],
            Arrival::Canary(canary) => {
                let step = |percent: &u8| {
                    let percent = *percent;
                    [Step::Share { slot, percent }, Step::Judge { slot, percent, seconds: canary.every }]
                };
                canary.steps.iter().flat_map(step).collect()
            }
        }
    }
}

/// The tool's own nginx reads its files before anything else is done.
fn is_private(config: &Config) -> bool {
    config.environment.nginx.owner == NginxOwner::Private(SwitchMode::Instant)
}

/// Whether nginx can give a slot a share of all clients.
fn gives_shares(config: &Config, observed: &Observed) -> bool {
    observed.gives_shares || is_private(config)
}

/// # Errors
/// The same, and where nginx cannot count requests by slot.
pub fn must_count_requests(config: &Config, observed: &Observed) -> Result<()> {
    must_give_shares(config, observed)?;
    match observed.counts_requests || is_private(config) {
        true => Ok(()),
        false => Err(set_up_again(config, "counts no requests by slot")),
    }
}

fn set_up_again(config: &Config, lacks: &str) -> anyhow::Error {
    let environment = &config.environment.name;
    Kind::Preflight
        .error(format!("nginx of this server {lacks} yet: `cargo xtask setup --env {environment}` once more lets it"))
}

/// Why nginx gives no share.
///
/// # Errors
/// [`Kind::Preflight`] where it cannot.
pub fn must_give_shares(config: &Config, observed: &Observed) -> Result<()> {
    if observed.switching == Some(SwitchMode::Reload) {
        let text = "in reload mode nginx looks up nothing at a request, so it gives no slot a share; `setup --mode instant` sets it up so that it can";
        return Err(Kind::Preflight.error(text));
    }
    if !gives_shares(config, observed) {
        return Err(set_up_again(config, "gives no shares"));
    }
    Ok(())
}
