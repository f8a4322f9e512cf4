//! A version that is held: it runs beside the one that serves, until it is given the traffic or removed.

use anyhow::Result;

use super::arrival::Arrival;
use super::step::Step;
use super::{Plan, planned, to_running};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::release::{ReleaseId, Slot};

/// Where a version is held, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub slot: Slot,
    pub release: ReleaseId,
}

/// The version that is held.
///
/// # Errors
/// [`Kind::Preflight`] where there is none, with what is in the other slot.
pub fn held(observed: &Observed) -> Result<Held> {
    if let Some((slot, release)) = observed.held() {
        return Ok(Held { slot, release: release.clone() });
    }
    let to = observed.free_slot();
    let there = match observed.occupant(to) {
        Some(container) => match &container.release {
            Some(release) => format!("slot {to} has release {release}, {}, which is not held", container.status),
            None => format!("what is in slot {to} was started by something else than this tool"),
        },
        None => format!("slot {to} is empty"),
    };
    Err(Kind::Preflight.error(format!("nothing is held: {there}; `deploy --hold` boots a version and holds it")))
}

/// The same of one that may have ended since: it can be taken back, whatever became of it.
///
/// # Errors
/// The same, where no request is led to it either.
pub fn led_to(observed: &Observed) -> Result<Held> {
    match observed.led_to() {
        Some((slot, release)) => Ok(Held { slot, release: release.clone() }),
        None => held(observed),
    }
}

/// Gives it the traffic, and all that a deploy does from the switch on. `config` has the settings that it was made with.
///
/// # Errors
/// [`Kind::Preflight`] where something is in the way, or a web service of it does not run.
pub fn promote(config: &Config, observed: &Observed, Held { slot, release }: &Held) -> Result<Plan> {
    let missing = observed.missing_in(config, *slot, Some(release));
    if !missing.is_empty() {
        let text =
            format!("slot {slot} does not run {} of release {release}; `deploy` boots it anew", missing.join(", "));
        return Err(Kind::Preflight.error(text));
    }
    to_running(config, observed, release, *slot, Arrival::of(config, observed))
}

/// Removes it. What serves is not touched.
pub fn abort(config: &Config, observed: &Observed, Held { slot, release }: &Held) -> Plan {
    let drain = Step::Drain { slot: *slot, seconds: config.traffic.drain };
    planned(observed, release, *slot, vec![Step::EndPreview, drain, Step::Remove { slot: *slot }])
}

/// Gives it a share of all clients, in hundredths; 0 takes it back.
pub fn canary(observed: &Observed, Held { slot, release }: &Held, percent: u8) -> Plan {
    let health = (percent > 0).then_some(Step::AwaitHealth { slot: *slot });
    let steps = health.into_iter().chain([Step::Share { slot: *slot, percent }]).collect();
    planned(observed, release, *slot, steps)
}
