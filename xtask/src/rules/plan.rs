//! From what was observed to the list of steps: pure, and the documentation of the pipeline.
//!
//! `deploy` and `rollback` are one planner with two entries. `--dry-run` prints the value that a run executes.

mod again;
mod held;
mod prepare;
pub mod script_of_step;
pub mod step;
mod switch;
mod undo;

use std::collections::BTreeSet;

use anyhow::Result;

use crate::rules::config::{Config, NginxOwner, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::host::observed::{Container, Observed};
use crate::rules::host::preflight;
use crate::rules::plan::step::{HookPoint, Step};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

pub use again::{push_env, restart, served_last, serving, start, stop};
pub use held::{Held, abort, canary, held, must_give_shares, promote};
pub use prepare::{build, ship};
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
    prepare_and_boot(config, observed, release, tests, None)
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
    prepare_and_boot(config, observed, release, tests, Some(secret))
}

fn prepare_and_boot(
    config: &Config,
    observed: &Observed,
    release: &ReleaseId,
    tests: TestStage,
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
        ramp: Some(config.traffic.ramp),
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

/// The release to go back to: the wanted one, or the last other one that is known good.
///
/// # Errors
/// [`Kind::Preflight`] where there is none, with those that there are.
pub fn way_back<'a>(observed: &'a Observed, wanted: Option<&'a ReleaseId>) -> Result<&'a ReleaseId> {
    let live = observed.live_release();
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
        None => match good.into_iter().find(|id| Some(*id) != live) {
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
        ramp: None,
        hold: None,
    };
    boot_and_cut_over(config, observed, release, preparation)
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
    /// Seconds for which its share is raised; none on a way back.
    ramp: Option<u64>,
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
    let ramp = preparation.ramp.filter(|_| live.is_some() && gives_shares(config, observed));
    steps.extend(cut_over(config, observed, release, switching, to, ramp));
    Ok(planned(observed, release, to, steps))
}

/// Whether nginx can give a slot a share of all clients, or will once it has read its files.
fn gives_shares(config: &Config, observed: &Observed) -> bool {
    observed.gives_shares || config.environment.nginx.owner == NginxOwner::Private(SwitchMode::Instant)
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

/// Back to a version that still runs: only the traffic moves.
fn rollback_to_standby(config: &Config, observed: &Observed, release: &ReleaseId) -> Result<Option<Plan>> {
    let Some(live) = observed.live() else { return Ok(None) };
    let to = live.other();
    let waits = |container: &&Container| container.running() && container.release.as_ref() == Some(release);
    if observed.occupant(to).filter(waits).is_none() || !observed.missing_in(config, to, Some(release)).is_empty() {
        return Ok(None);
    }
    to_running(config, observed, release, to, None).map(Some)
}

/// All to a release that runs in the other slot.
fn to_running(config: &Config, observed: &Observed, release: &ReleaseId, to: Slot, ramp: Option<u64>) -> Result<Plan> {
    let live = observed.live();
    let switching = preflight::host(config, observed, Vec::new())?;
    let takes_over = cut_over(config, observed, release, switching, to, ramp);
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
    ramp: Option<u64>,
) -> Vec<Step> {
    let mut steps = hooks(to, HookPoint::BeforeSwitch, &config.hooks.before_switch);
    let ramp = ramp.filter(|seconds| *seconds > 0);
    steps.extend(ramp.map(|seconds| Step::Ramp { slot: to, seconds }));
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
    if ramp.is_some() || observed.held().is_some_and(|(held, _)| held == to) {
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
