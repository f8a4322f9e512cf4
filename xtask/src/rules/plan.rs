//! From what was observed to the list of steps: pure, and the documentation of the pipeline.
//!
//! `deploy` and `rollback` are one planner with two entries. `--dry-run` prints the value that a run executes.

mod again;
mod arrival;
mod held;
mod prepare;
mod rollback;
pub mod script_of_step;
pub mod step;
mod switch;
mod undo;

use std::collections::BTreeSet;

use anyhow::Result;

use crate::rules::canary::Canary;
use crate::rules::config::{Config, NginxOwner, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::host::observed::{Container, Observed};
use crate::rules::host::preflight;
use crate::rules::plan::step::{HookPoint, Step};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

pub use again::{push_env, restart, served_last, serving, start, stop};
pub use arrival::must_give_shares;
use arrival::{Arrival, must_count_requests};
pub use held::{Held, abort, canary, held, led_to, promote};
pub use prepare::{build, ship};
use rollback::to_running;
pub use rollback::{rollback, way_back};
pub use switch::switch;
pub use undo::{last_started_step, left_running, undo_steps};

/// What will be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub release: ReleaseId,
    /// The live slot and its release, before.
    pub from: Option<Slot>,
    pub from_release: Option<ReleaseId>,
    /// The workers of that release, where it is known which they are.
    pub from_workers: Option<Vec<String>>,
    /// The slot that will be live, after.
    pub to: Slot,
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether its release serves once all is done.
    pub fn proves_that_it_serves(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Verify { .. }))
    }

    /// Whether something that runs does so no more at its end.
    pub fn ends_what_runs(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Stop { .. } | Step::Remove { .. }))
    }

    /// The plan as a person reads it.
    pub fn describe(&self) -> String {
        let count = self.steps.len();
        let steps = self.steps.iter().enumerate();
        let lines: Vec<String> =
            steps.map(|(index, step)| format!("[{}/{count}] {}", index + 1, step.title(&self.release))).collect();
        lines.join("\n")
    }
}

/// Everything a deploy does: prepare the release, then what [`boot_and_cut_over`] does.
///
/// # Errors
/// [`Kind::Preflight`] with everything on the host that is in the way.
pub fn deploy(config: &Config, observed: &Observed, release: &ReleaseId, tests: TestStage) -> Result<Plan> {
    let arrival = Arrival::of(config, observed);
    prepare_and_boot(config, observed, release, tests, arrival, None)
}

/// The same, where the release gets one share of all clients after the other, and is judged by what it answers them.
///
/// # Errors
/// The same, and where nginx cannot do it.
pub fn deploy_by_canary(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    tests: TestStage,
    canary: &Canary,
) -> Result<Plan> {
    must_count_requests(config, observed)?;
    prepare_and_boot(config, observed, release, tests, Arrival::Canary(canary.clone()), None)
}

/// The same up to where the release is healthy: it runs beside the one that serves, and who carries the secret reaches it.
///
/// # Errors
/// The same.
pub fn hold(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    tests: TestStage,
    secret: Secret,
) -> Result<Plan> {
    prepare_and_boot(config, observed, release, tests, Arrival::AtOnce, Some(secret))
}

fn prepare_and_boot(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    tests: TestStage,
    arrival: Arrival,
    hold: Option<Secret>,
) -> Result<Plan> {
    let mut steps = Vec::new();
    if tests == TestStage::Run {
        steps.push(Step::Test);
    }
    if observed.release(release).is_none() {
        steps.extend([Step::Package, Step::Ship]);
    }
    steps.extend(prepare::carry(config, observed, release));
    let preparation = Preparation {
        more: preflight::capacity(config, observed, release).into_iter().chain(preflight::bypasses(observed)).collect(),
        steps,
        render: |slot| Step::Render { slot },
        images_of: None,
        build: true,
        before_boot: &config.hooks.before_boot,
        rest: config.traffic.rest(),
        warm_up: &config.traffic.warm_up,
        arrival,
        hold,
    };
    boot_and_cut_over(config, observed, release, preparation)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestStage {
    Run,
    /// They ran before, in a job of their own.
    Skip,
}

/// What comes before the release can boot.
struct Preparation<'a> {
    /// What there is too little of, and what goes past the switch. A way back is not held up by that: it may be what helps.
    more: Vec<String>,
    steps: Vec<Step>,
    /// How its compose files come to be.
    render: fn(Slot) -> Step,
    /// It has the images of this one, where it would be built in the same way.
    images_of: Option<&'a ReleaseId>,
    /// Its images may be missing.
    build: bool,
    before_boot: &'a [Vec<String>],
    /// Seconds between its health and the switch. A way back is not held up by that either.
    rest: u64,
    /// What it is asked before it serves; not on a way back, for the same reason.
    warm_up: &'a [String],
    /// Not on a way back.
    arrival: Arrival,
    /// It gets no traffic, and is reached by this.
    hold: Option<Secret>,
}

/// The release takes the free slot, then the traffic. In reading order.
fn boot_and_cut_over(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    preparation: Preparation,
) -> Result<Plan> {
    let switching = preflight::host(config, observed, preparation.more)?;
    let live = observed.live();
    let to = observed.free_slot();
    let seconds = config.traffic.drain;
    let mut steps = preparation.steps;

    steps.extend(align(config, observed, switching, live));
    steps.push((preparation.render)(to));
    steps.extend(preparation.images_of.map(|from| Step::TakeImages { from: from.clone() }));
    if preparation.build {
        steps.push(Step::Build);
    }
    if !config.static_files.is_empty() {
        steps.push(Step::StaticFiles);
    }
    steps.push(Step::Accessories);
    if observed.leads_elsewhere() {
        steps.push(Step::EndPreview);
    }
    let left = observed.active_in(to);
    if !left.is_empty() {
        // A standby, or what a deploy has left that was killed after its switch: it may still finish requests.
        steps.push(Step::Drain { slot: to, seconds });
        steps.push(match left.iter().find_map(|container| container.release.as_ref()) {
            // It never came to serve well. While it boots it may not hear the signal to stop, and would be waited for.
            Some(id) if observed.release(id).is_none_or(|release| release.known_good_at.is_none()) => {
                Step::Remove { slot: to }
            }
            _ => Step::Stop { slot: to, containers: ids(&left) },
        });
    }
    steps.extend(hooks(to, HookPoint::BeforeBoot, preparation.before_boot));
    steps.push(Step::Boot { slot: to });
    steps.push(Step::AwaitHealth { slot: to });
    if !preparation.warm_up.is_empty() {
        steps.push(Step::WarmUp { slot: to, paths: preparation.warm_up.to_vec() });
    }
    if let Some(secret) = preparation.hold {
        steps.push(Step::Hold { slot: to, secret });
        return Ok(planned(observed, release, to, steps));
    }
    if preparation.rest > 0 && live.is_some() {
        steps.push(Step::Rest { slot: to, seconds: preparation.rest });
    }
    // Where nothing serves, there is nothing to lead in from.
    let arrival = if observed.live_release().is_some() { preparation.arrival } else { Arrival::AtOnce };
    steps.extend(cut_over(config, observed, release, switching, to, arrival));
    Ok(planned(observed, release, to, steps))
}

fn planned(observed: &Observed, release: &ReleaseId, to: Slot, steps: Vec<Step>) -> Plan {
    // Back to one that crashes is no way back; one of several that still serves is.
    let serves = |slot: &Slot| observed.active_in(*slot).iter().any(|container| container.running());
    let from = observed.live().filter(serves);
    let from_release = from.and_then(|slot| observed.release_in(slot));
    let settings = from_release.and_then(|id| observed.release(id)?.settings.as_ref());
    let from_workers = settings.map(|settings| settings.workers().to_vec());
    Plan { release: release.clone(), from, from_release: from_release.cloned(), from_workers, to, steps }
}

/// What a run has left that was killed: it would lead requests to a slot that is given up. What leads to the next version may stay.
fn end_of_routes(observed: &Observed, to: Slot) -> Option<Step> {
    let is_next = observed.held().is_some_and(|(held, _)| held == to);
    (observed.leads_elsewhere() && !is_next).then_some(Step::EndPreview)
}

/// From a version that is healthy in slot `to` to one that has taken over everything. In reading order.
fn cut_over(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    switching: SwitchMode,
    to: Slot,
    arrival: Arrival,
) -> Vec<Step> {
    let mut steps = hooks(to, HookPoint::BeforeSwitch, &config.hooks.before_switch);
    let arrival = arrival.steps(to);
    let is_led_to = !arrival.is_empty() || observed.held().is_some_and(|(held, _)| held == to);
    steps.extend(arrival);
    steps.push(Step::Switch { switching, to });
    steps.push(Step::Verify { slot: to });
    if config.traffic.watched() > 0 {
        steps.push(Step::Bake { slot: to, seconds: config.traffic.watched() });
    }
    // The last one may have been taken out.
    if !config.project.workers.is_empty() || observed.others.iter().any(|other| other.worker) {
        let services = config.project.workers.clone();
        steps.push(Step::Workers { slot: to, release: release.clone(), services });
    }
    steps.extend(hooks(to, HookPoint::AfterSwitch, &config.hooks.after_switch));
    steps.push(Step::MarkKnownGood);
    // What was led there before still is.
    if is_led_to {
        steps.push(Step::EndPreview);
    }
    let old = observed.live().map(|slot| (slot, observed.active_in(slot))).filter(|(_, active)| !active.is_empty());
    // One that crashes is no standby.
    let stays = |container: &&Container| config.traffic.standby && container.running() && container.release.is_some();
    if let Some((slot, active)) = old.filter(|(_, active)| !active.iter().all(stays)) {
        steps.push(Step::Drain { slot, seconds: config.traffic.drain });
        steps.push(Step::Stop { slot, containers: ids(&active) });
    }
    let expired = expired(config.project.keep, observed, release);
    if !expired.is_empty() {
        steps.push(Step::Prune { releases: expired });
    }
    steps
}

fn ids(containers: &[&Container]) -> Vec<String> {
    containers.iter().map(|container| container.id.clone()).collect()
}

fn hooks(slot: Slot, point: HookPoint, commands: &[Vec<String>]) -> Vec<Step> {
    commands.iter().map(|words| Step::Hook { point, words: words.clone(), slot }).collect()
}

/// Makes nginx, and what it would obey after a reload, agree before anything is built on it.
fn align(config: &Config, observed: &Observed, switching: SwitchMode, live: Option<Slot>) -> Option<Step> {
    if let NginxOwner::Private(switching) = config.environment.nginx.owner {
        return Some(Step::PrivateNginx { switching, live: live.unwrap_or(Slot::Green) });
    }
    match (switching, observed.running_slot, observed.configured_slot) {
        (SwitchMode::Reload, Some(running_slot), configured_slot) if configured_slot != Some(running_slot) => {
            Some(Step::AlignUpstream { live: running_slot })
        }
        _ => None,
    }
}

/// Releases to remove: all but the last `keep` good ones, the one that comes, the one that serves, and those whose
/// files something has mounted. Releases that are not known good count for nothing.
fn expired(keep: usize, observed: &Observed, coming: &ReleaseId) -> Vec<ReleaseId> {
    let mut kept: BTreeSet<&ReleaseId> = [coming].into_iter().chain(observed.live_release()).collect();
    for release in observed.known_good_releases() {
        if kept.len() < keep {
            kept.insert(&release.id);
        }
    }
    let stays = |id: &ReleaseId| kept.contains(id) || observed.mounted.contains(id);
    observed.releases.iter().map(|release| &release.id).filter(|id| !stays(id)).cloned().collect()
}

/// The kind of failure where a step fails. To clear a slot is a part of the boot for which it is cleared.
pub fn failure(plan: &Plan, index: usize) -> Kind {
    match plan.steps[index].failure() {
        Kind::AfterSwitch if plan.steps[index..].iter().any(|step| matches!(step, Step::Boot { .. })) => Kind::Boot,
        kind => kind,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model;
