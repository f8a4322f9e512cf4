//! Back to a release that served before.

use anyhow::Result;

use super::arrival::Arrival;
use super::step::Step;
use super::{Plan, Preparation, align, boot_and_cut_over, cut_over, end_of_routes, planned};
use crate::rules::config::{Config, NginxOwner};
use crate::rules::failure::Kind;
use crate::rules::host::observed::{Container, Observed};
use crate::rules::host::preflight;
use crate::rules::release::{ReleaseId, Slot};

/// The release to go back to: the wanted one, or the last other one that is known good.
///
/// # Errors
/// [`Kind::Preflight`] where there is none, with those that there are.
pub fn way_back<'a>(observed: &'a Observed, wanted: Option<&'a ReleaseId>) -> Result<&'a ReleaseId> {
    let live = observed.live_release();
    let in_live_slot = observed.live().and_then(|slot| observed.occupant(slot)?.release.as_ref());
    let good: Vec<&ReleaseId> = observed.known_good_releases().into_iter().map(|release| &release.id).collect();
    let refuse = |text: String| Err(Kind::Preflight.error(text));
    match wanted {
        Some(wanted) if Some(wanted) == live => refuse(format!("release {wanted} is the one that serves now")),
        Some(wanted) if !good.contains(&wanted) => {
            let there = good.iter().map(|id| id.as_str()).collect::<Vec<&str>>().join(", ");
            let why = if observed.release(wanted).is_some() { "is not known good" } else { "is not on the host" };
            refuse(format!("release {wanted} {why}; these are known good: {there}"))
        }
        Some(wanted) => Ok(wanted),
        // One that lies dead in the live slot is what is to be left.
        None => match good.into_iter().find(|id| Some(*id) != live && Some(*id) != in_live_slot) {
            Some(previous) => Ok(previous),
            None => refuse("there is nothing to roll back to: no other release on the host is known good".into()),
        },
    }
}

/// Back to a release that is known good: a deploy of what is there already, by the settings it was made with (`config`).
///
/// Without the hooks before boot: a migration of the old code would meet a database that is ahead of it.
///
/// # Errors
/// [`Kind::Preflight`] where nothing is there to go back to, or something is in the way.
pub fn rollback(config: &Config, observed: &Observed, release: &ReleaseId) -> Result<Plan> {
    if let Some(plan) = rollback_to_standby(config, observed, release)? {
        return Ok(plan);
    }
    let preparation = Preparation {
        more: Vec::new(),
        steps: Vec::new(),
        render: |slot| Step::RenderStored { slot },
        images_of: None,
        build: !observed.has_images(release),
        before_boot: &[],
        rest: 0,
        warm_up: &[],
        arrival: Arrival::AtOnce,
        hold: None,
    };
    boot_and_cut_over(config, observed, release, preparation)
}

/// Back to a version that still runs: only the traffic moves.
fn rollback_to_standby(config: &Config, observed: &Observed, release: &ReleaseId) -> Result<Option<Plan>> {
    let Some(live) = observed.live() else { return Ok(None) };
    let to = live.other();
    let waits = |container: &&Container| container.running() && container.release.as_ref() == Some(release);
    if observed.occupant(to).filter(waits).is_none() || !observed.missing_in(config, to, Some(release)).is_empty() {
        return Ok(None);
    }
    to_running(config, observed, release, to, Arrival::AtOnce).map(Some)
}

/// All to a release that runs in the other slot.
pub(super) fn to_running(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    to: Slot,
    arrival: Arrival,
) -> Result<Plan> {
    let live = observed.live();
    let switching = preflight::host(config, observed, Vec::new())?;
    let takes_over = cut_over(config, observed, release, switching, to, arrival);
    // What is started of it comes from its files; what runs has them.
    let starts = |step: &Step| matches!(step, Step::Workers { .. } | Step::Hook { .. });
    let mut steps: Vec<Step> = end_of_routes(observed, to).into_iter().collect();
    if takes_over.iter().any(starts) {
        steps.push(Step::Check);
    }
    // One that does as it should is left alone. That of the tool's own may have the paths of a version that failed.
    let obeys = live.is_some() && observed.running_slot == live && observed.configured_slot == live;
    if config.environment.nginx.owner != NginxOwner::System || !obeys || observed.switching != Some(switching) {
        steps.extend(align(config, observed, switching, live));
    }
    // It is asked no second time what it has just answered.
    if !observed.healthy(config, to, release) || !config.more_webs.is_empty() {
        steps.push(Step::AwaitHealth { slot: to });
    }
    steps.extend(takes_over);
    Ok(planned(observed, release, to, steps))
}
