//! The crash proof without a server: a model of what each step does to a host, and from it every way a run can be cut.
//!
//! For every starting state, every planner and every place to cut: the live slot still runs a version that serves, and
//! planning again from there ends where an uncut run ends, with no manual step. The tests against real servers keep the
//! model honest.

use super::script_of_step::StepScript;
use super::*;
use crate::rules::config::Traffic;
use crate::rules::config::traffic::Pace;
use crate::testing::fixtures::{config, container, release, server, stored, well};

/// The host after a step that ran to its end.
fn apply(before: &Observed, plan: &Plan, step: &Step) -> Observed {
    let mut host = before.clone();
    match step {
        Step::Ship | Step::Copy { .. } => host.releases.push(stored(plan.release.clone(), None)),
        Step::AlignUpstream { live } => host.configured_slot = Some(*live),
        Step::Boot { slot } => {
            host.containers.retain(|container| container.slot != *slot);
            let mut booted = container(*slot, 1, "running");
            booted.id = format!("{slot}-new");
            booted.release = Some(plan.release.clone());
            host.containers.push(booted);
        }
        Step::Hold { slot, .. } => host.previews = [*slot].into(),
        Step::Share { slot, percent } => {
            host.shares.remove(slot);
            host.shares.extend(Some((*slot, *percent)).filter(|(_, percent)| *percent > 0));
        }
        Step::Ramp { slot, .. } => host.shares = [(*slot, 99)].into(),
        Step::EndPreview => {
            host.previews.clear();
            host.shares.clear();
        }
        Step::Switch { to, .. } => (host.configured_slot, host.running_slot) = (Some(*to), Some(*to)),
        Step::Stop { containers, .. } => {
            for container in host.containers.iter_mut().filter(|container| containers.contains(&container.id)) {
                container.status = "exited".to_owned();
            }
        }
        Step::Remove { slot } => host.containers.retain(|container| container.slot != *slot),
        Step::MarkKnownGood => {
            let served = host.releases.iter().filter_map(|release| release.known_good_at).max().unwrap_or(0) + 1;
            for stored in host.releases.iter_mut().filter(|stored| stored.id == plan.release) {
                stored.known_good_at = Some(served);
            }
        }
        Step::Prune { releases } => host.releases.retain(|release| !releases.contains(&release.id)),
        Step::Test
        | Step::Package
        | Step::TakeImages { .. }
        | Step::Carry { .. }
        | Step::PrivateNginx { .. }
        | Step::Render { .. }
        | Step::RenderStored { .. }
        | Step::Check
        | Step::Build
        | Step::StaticFiles
        | Step::Accessories
        | Step::Hook { .. }
        | Step::AwaitHealth { .. }
        | Step::WarmUp { .. }
        | Step::Rest { .. }
        | Step::Judge { .. }
        | Step::Verify { .. }
        | Step::Bake { .. }
        | Step::Workers { .. }
        | Step::UnmanagedWorkers
        | Step::Drain { .. } => {}
    }
    answering(host)
}

/// What is answered follows from what runs.
fn answering(mut host: Observed) -> Observed {
    let runs = |slot: &Slot| host.containers.iter().any(|container| container.slot == *slot && container.running());
    host.listening = Slot::BOTH.into_iter().filter(runs).collect();
    host.answers = host.listening.iter().map(|slot| (*slot, well())).collect();
    host
}

/// The host when the run dies inside a step: the states between nothing of it and all of it.
fn halves(before: &Observed, plan: &Plan, step: &Step) -> Vec<Observed> {
    match step {
        // The upstream file is renamed, nginx not yet reloaded.
        Step::Switch { switching: SwitchMode::Reload, to } => {
            vec![Observed { configured_slot: Some(*to), ..before.clone() }]
        }
        // What was in the slot is removed, the new container not yet started; or created, not yet running.
        Step::Boot { slot } => {
            let empty = apply(before, plan, &Step::Remove { slot: *slot });
            let mut created = apply(before, plan, step);
            created.containers.iter_mut().filter(|c| c.slot == *slot).for_each(|c| c.status = "created".to_owned());
            vec![empty, created]
        }
        _ => Vec::new(),
    }
}

fn finish(host: &Observed, plan: &Plan) -> Observed {
    plan.steps.iter().fold(host.clone(), |host, step| apply(&host, plan, step))
}

fn assert_serves(host: &Observed, place: &str) {
    assert!(host.live_release().is_some(), "nothing serves {place}: {host:#?}");
    for (slot, percent) in &host.shares {
        assert!(
            host.occupant(*slot).is_some_and(Container::running),
            "{percent}% of all get nothing {place}: {host:#?}"
        );
    }
}

/// What an uncut deploy leaves: the release serves, nothing else runs but a standby, files and nginx agree.
fn assert_done(config: &Config, host: &Observed, wanted: &ReleaseId, place: &str) {
    assert_eq!(host.live_release(), Some(wanted), "{place}: {host:#?}");
    assert_eq!(host.running_slot, host.configured_slot, "{place}");
    assert!(host.previews.is_empty() && host.shares.is_empty(), "{place}: a preview is left");
    let running = host.containers.iter().filter(|container| container.running()).count();
    assert!((1..=1 + usize::from(config.traffic.standby)).contains(&running), "{place}: {host:#?}");
}

fn starting_states() -> Vec<Observed> {
    let mut states = Vec::new();
    for live in Slot::BOTH {
        for switching in [SwitchMode::Instant, SwitchMode::Reload] {
            for other in ["running", "exited", "created", "restarting"] {
                for configured_slot in Slot::BOTH {
                    if switching == SwitchMode::Instant && configured_slot != live {
                        continue; // one flag is both
                    }
                    let mut state = Observed {
                        switching: Some(switching),
                        configured_slot: Some(configured_slot),
                        ..server(live, 3)
                    };
                    state.containers = vec![container(live, 3, "running"), container(live.other(), 2, other)];
                    states.push(answering(state));
                }
            }
        }
    }
    states
}

#[test]
fn a_run_cut_anywhere_leaves_a_version_that_serves_and_the_next_run_ends_well() {
    cut_anywhere(&config());
}

#[test]
fn the_same_with_a_standby() {
    cut_anywhere(&Config { traffic: Traffic { standby: true, ..config().traffic }, ..config() });
}

#[test]
fn the_same_of_a_deploy_that_raises_its_share() {
    cut_anywhere(&Config { traffic: Traffic { ramp: 5, ..config().traffic }, ..config() });
}

#[test]
fn the_same_of_a_gentle_deploy() {
    cut_anywhere(&Config { traffic: Traffic { pace: Pace::Gentle, ..config().traffic }, ..config() });
}

fn cut_anywhere(config: &Config) {
    let mut cases = 0;
    for start in starting_states() {
        let plans = [
            deploy(config, &start, &release(9), TestStage::Run).unwrap(),
            deploy(config, &start, &release(3), TestStage::Skip).unwrap(),
            rollback(config, &start, way_back(&start, None).unwrap()).unwrap(),
        ];
        for plan in plans {
            assert_done(config, &finish(&start, &plan), &plan.release, "after an uncut run");
            cases += cut_each_step(config, &start, &plan);
        }
    }
    assert!(cases > 1000, "only {cases} cases");
}

/// Cuts a plan in each step. Gives how many places there were.
fn cut_each_step(config: &Config, start: &Observed, plan: &Plan) -> usize {
    let mut cases = 0;
    let mut host = start.clone();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut cuts = vec![host.clone()];
        cuts.extend(halves(&host, plan, step));
        for cut in cuts {
            let place = format!("cut in step {} of\n{}", index + 1, plan.describe());
            assert_serves(&cut, &place);
            let again = deploy(config, &cut, &release(9), TestStage::Run).unwrap();
            for prefix in 0..again.steps.len() {
                let part = Plan { steps: again.steps[..prefix].to_vec(), ..again.clone() };
                assert_serves(
                    &finish(&cut, &part),
                    &format!("{place}\nthen after {prefix} steps of\n{}", again.describe()),
                );
            }
            assert_done(config, &finish(&cut, &again), &release(9), &place);
            if let Ok(wanted) = way_back(&cut, None) {
                let back = rollback(config, &cut, wanted).unwrap();
                for prefix in 0..back.steps.len() {
                    let part = Plan { steps: back.steps[..prefix].to_vec(), ..back.clone() };
                    let place = format!("{place}\nthen after {prefix} steps of\n{}", back.describe());
                    assert_serves(&finish(&cut, &part), &place);
                }
                assert_done(config, &finish(&cut, &back), wanted, &place);
            }
            cases += 1;
        }
        host = apply(&host, plan, step);
    }
    cases
}

/// A run that was cut after a step, and one that is cut once more at the same place, leave the planner the same work.
#[test]
fn a_run_that_is_cut_twice_at_the_same_place_has_no_more_to_do() {
    for start in starting_states() {
        let plan = deploy(&config(), &start, &release(9), TestStage::Run).unwrap();
        let mut host = start;
        for step in &plan.steps {
            host = apply(&host, &plan, step);
            let again = deploy(&config(), &host, &release(9), TestStage::Run).unwrap();
            let done = finish(&host, &again);
            let once_more = deploy(&config(), &done, &release(9), TestStage::Run).unwrap();
            // The second one ends in the same state but for the slot, which moves with each deploy.
            let settled = finish(&done, &once_more);
            assert_eq!(settled.live_release(), done.live_release(), "{}", step.title(&plan.release));
            assert_eq!(settled.live(), done.live().map(Slot::other), "{}", once_more.describe());
            assert_eq!(
                once_more.steps.len(),
                deploy(&config(), &settled, &release(9), TestStage::Run).unwrap().steps.len()
            );
        }
    }
}

#[test]
fn an_undone_failure_leaves_the_old_version_alone_and_serving() {
    for start in starting_states() {
        let plan = deploy(&config(), &start, &release(9), TestStage::Run).unwrap();
        let mut host = start.clone();
        for (index, step) in plan.steps.iter().enumerate() {
            let undo = undo_steps(&plan, index);
            let mut failed = vec![host.clone(), apply(&host, &plan, step)];
            failed.extend(halves(&host, &plan, step));
            for failed in failed {
                let place = format!("failed in step {} of\n{}", index + 1, plan.describe());
                let undone = undo.iter().fold(failed, |host, step| apply(&host, &plan, step));
                assert_serves(&undone, &place);
                let marked = plan.steps[..=index].contains(&Step::MarkKnownGood);
                let expected = if marked { &plan.release } else { &release(3) };
                assert_eq!(undone.live_release(), Some(expected), "{place}");
            }
            host = apply(&host, &plan, step);
        }
    }
}

/// What a person would see of a host: who serves, and what is in the other slot.
fn describe(host: &Observed) -> String {
    let name = |id: Option<&ReleaseId>| match id {
        Some(id) if *id == release(9) => "new",
        Some(id) if *id == release(3) => "before",
        Some(_) => "older",
        None => "none",
    };
    let other = host.live().and_then(|live| host.occupant(live.other()));
    let other = other.map_or("empty".to_owned(), |other| format!("{} {}", other.status, name(other.release.as_ref())));
    format!("live {}, other slot {other}", name(host.live_release()))
}

/// Where a deploy may be when it is killed at a stage. The crash matrix holds these lines against real servers.
#[test]
fn a_deploy_that_is_killed_at_a_stage_is_in_one_of_these_states() {
    for switching in [SwitchMode::Instant, SwitchMode::Reload] {
        let start = Observed { switching: Some(switching), ..server(Slot::Blue, 3) };
        let plan = deploy(&config(), &start, &release(9), TestStage::Skip).unwrap();
        let mut host = start;
        let mut states: Vec<Vec<String>> = Vec::new();
        for step in &plan.steps {
            let after = apply(&host, &plan, step);
            let mut of_step = vec![describe(&host)];
            of_step.extend(halves(&host, &plan, step).iter().map(describe));
            of_step.push(describe(&after));
            states.push(of_step);
            host = after;
        }
        // Scripts that wait, judge or ask nothing are sent ahead, and the host may have begun the next before it hears of the end.
        let sent_ahead = |step: &Step| {
            matches!(super::script_of_step::of(&config(), &plan.release, "", None, step), StepScript::Whole(_))
        };
        for index in 1..plan.steps.len() {
            if sent_ahead(&plan.steps[index - 1]) && sent_ahead(&plan.steps[index]) {
                let next = states[index].clone();
                states[index - 1].extend(next);
            }
        }
        let line = |(step, mut states): (&Step, Vec<String>)| {
            let mut seen = std::collections::BTreeSet::new();
            states.retain(|state| seen.insert(state.clone()));
            format!("{}: {}", step.kind(), states.join(" | "))
        };
        let lines: Vec<String> = plan.steps.iter().zip(states).map(line).collect();
        insta::assert_snapshot!("states", lines.join("\n"));
    }
}

mod ways;
