//! What is undone of a plan that ended before its end.

use super::Plan;
use super::step::{HookPoint, Step};
use crate::rules::release::Slot;

/// Seconds that requests of a version that is taken back may take to end: who cancels a deploy waits for this.
pub(super) const UNDO_DRAIN: u64 = 4;

/// The last step that had begun when a plan failed at step `failed`: of the steps before `sent_until`, whose scripts were sent
/// without waiting for each, the last `never_began` had not. A signal may come before the first of them is waited for.
pub fn last_started_step(failed: usize, sent_until: usize, never_began: usize) -> usize {
    failed.max(sent_until.saturating_sub(never_began + 1))
}

/// What to undo when step `last_started` of `plan` is the last that had begun. Before the switch the new slot goes; from the switch
/// on, while the old slot still runs, the traffic goes back first; after that the new version serves and nothing is undone.
///
/// A courtesy: a killed run does without it, and the next deploy must work all the same.
pub fn undo_steps(plan: &Plan, last_started: usize) -> Vec<Step> {
    let started = &plan.steps[..=last_started.min(plan.steps.len().saturating_sub(1))];
    let any = |wanted: fn(&Step) -> bool| started.iter().any(wanted);
    // What runs in the slot of a warm rollback was there before.
    let booted = any(|step| matches!(step, Step::Boot { .. } | Step::Hook { point: HookPoint::BeforeBoot, .. }));
    let served = any(|step| matches!(step, Step::MarkKnownGood));
    let switched = started.iter().find_map(|step| match step {
        Step::Switch { switching, .. } => Some(*switching),
        _ => None,
    });
    let ramped = any(|step| matches!(step, Step::Ramp { .. } | Step::Share { .. }));
    if served || (!booted && !ramped && switched.is_none()) {
        return Vec::new();
    }
    let mut undo = Vec::new();
    // What has a share already, before it is promoted, has not served well.
    if ramped || (switched.is_some() && plan.steps.contains(&Step::EndPreview)) {
        undo.push(Step::Share { slot: plan.to, percent: 0 });
    }
    if let (Some(switching), Some(from)) = (switched, plan.from) {
        undo.push(Step::Switch { switching, to: from });
        if any(|step| matches!(step, Step::Workers { .. })) {
            undo.extend(match (&plan.from_release, &plan.from_workers) {
                (Some(release), Some(services)) => {
                    Some(Step::Workers { slot: from, release: release.clone(), services: services.clone() })
                }
                // Compose had started them before the first deploy.
                (None, _) => Some(Step::UnmanagedWorkers),
                (Some(_), None) => None,
            });
        }
    }
    if ramped || (switched.is_some() && plan.from.is_some()) {
        // What it was given before may still be under way in it.
        undo.push(Step::Drain { slot: plan.to, seconds: UNDO_DRAIN });
    }
    if any(|step| matches!(step, Step::Hold { .. })) {
        undo.push(Step::EndPreview);
    }
    if booted {
        undo.push(Step::Remove { slot: plan.to });
    }
    undo
}

/// The slot that may run on where step `last_started` of `plan` is the last that had begun: what served before is stopped once its
/// requests have ended, and who cancels a deploy does not wait for those.
pub fn left_running(plan: &Plan, last_started: usize) -> Option<Slot> {
    let served = plan.steps.iter().take(last_started + 1).any(|step| *step == Step::MarkKnownGood);
    let stops = |step: &Step| matches!(step, Step::Stop { slot, .. } if Some(*slot) == plan.from);
    plan.from.filter(|_| served && plan.steps.iter().skip(last_started).any(stops))
}
