//! What serves, once more: begun anew in the other slot, stopped, started.

use anyhow::Result;

use super::arrival::Arrival;
use super::step::Step;
use super::{Plan, Preparation, boot_and_cut_over, ids, planned};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::release::{ReleaseId, Slot};

/// The release that serves.
///
/// # Errors
/// [`Kind::Preflight`] where none does.
pub fn serving(observed: &Observed) -> Result<&ReleaseId> {
    observed.live_release().ok_or_else(|| {
        Kind::Preflight.error("no release serves; `start` boots the one that served last, `deploy` a new one")
    })
}

/// The release that served last, where none serves now.
///
/// # Errors
/// [`Kind::Preflight`] where one does, or none ever did.
pub fn served_last(observed: &Observed) -> Result<&ReleaseId> {
    if let Some(release) = observed.live_release() {
        return Err(Kind::Preflight.error(format!("release {release} serves; `restart` begins it anew")));
    }
    // What lies stopped in the live slot, or else what served well last.
    let stopped = observed.live().and_then(|slot| observed.occupant(slot)?.release.as_ref());
    let stopped = stopped.filter(|id| observed.release(id).is_some_and(|release| release.known_good_at.is_some()));
    let last = stopped.or_else(|| observed.known_good_releases().into_iter().map(|release| &release.id).next());
    last.ok_or_else(|| Kind::Preflight.error("no release ever served here; `deploy` boots one"))
}

/// The release that serves takes the other slot, then the traffic. `config` has the settings that it was made with.
///
/// # Errors
/// [`Kind::Preflight`] where something is in the way.
pub fn restart(config: &Config, observed: &Observed) -> Result<Plan> {
    again(config, observed, serving(observed)?, config.traffic.rest())
}

/// The release that served last serves again.
///
/// # Errors
/// The same.
pub fn start(config: &Config, observed: &Observed) -> Result<Plan> {
    again(config, observed, served_last(observed)?, 0)
}

/// As it is stored on the host: without a build where its images are there, and without migrations, which it has had.
fn again(config: &Config, observed: &Observed, release: &ReleaseId, rest: u64) -> Result<Plan> {
    let preparation = Preparation {
        more: Vec::new(),
        steps: Vec::new(),
        render: |slot| Step::RenderStored { slot },
        images_of: None,
        build: !observed.has_images(release),
        before_boot: &[],
        rest,
        warm_up: &config.traffic.warm_up,
        arrival: Arrival::of(config, observed),
        hold: None,
    };
    boot_and_cut_over(config, observed, release, preparation)
}

/// The release that serves with another `.env` and other files that are not committed: a release of its own, `release`, of the same code and
/// images. Its migrations have run.
///
/// # Errors
/// [`Kind::Preflight`] where something is in the way.
pub fn push_env(config: &Config, observed: &Observed, release: &ReleaseId) -> Result<Plan> {
    let from = serving(observed)?;
    let is_there = observed.release(release).is_some();
    let preparation = Preparation {
        more: Vec::new(),
        steps: if is_there { Vec::new() } else { vec![Step::Copy { from: from.clone() }] },
        render: |slot| Step::Render { slot },
        images_of: Some(from).filter(|_| !is_there),
        build: true,
        before_boot: &[],
        rest: config.traffic.rest(),
        warm_up: &config.traffic.warm_up,
        arrival: Arrival::of(config, observed),
        hold: None,
    };
    boot_and_cut_over(config, observed, release, preparation)
}

/// Ends all that is of a release: web services and workers, in both slots. Accessories run on, and what was stopped stays so when the machine
/// starts anew.
///
/// # Errors
/// [`Kind::Preflight`] where nothing runs.
pub fn stop(config: &Config, observed: &Observed) -> Result<Plan> {
    let release = serving(observed)?;
    let live = observed.live().unwrap_or(Slot::Blue);
    let mut steps = Vec::new();
    if observed.leads_elsewhere() {
        steps.push(Step::EndPreview);
    }
    let workers = observed
        .others
        .iter()
        .filter(|other| other.worker && matches!(other.status.as_str(), "running" | "restarting" | "paused"));
    let mut workers: Vec<String> = workers.map(|worker| worker.id.clone()).collect();
    for slot in [live.other(), live] {
        let mut containers = ids(&observed.active_in(slot));
        if containers.is_empty() {
            continue;
        }
        steps.push(Step::Drain { slot, seconds: config.traffic.drain });
        if slot == live {
            containers.append(&mut workers);
        }
        steps.push(Step::Stop { slot, containers });
    }
    Ok(planned(observed, release, live, steps))
}
