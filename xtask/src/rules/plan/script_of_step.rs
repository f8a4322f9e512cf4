//! Step → script: which steps are one script on the host, which begin with one, and which.

use crate::rules::config::Config;
use crate::rules::engine::compose::RenderedCompose;
use crate::rules::release::ReleaseId;
use crate::rules::script::{self, Script};

use super::step::Step;

/// What a step has the host run before this side has to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepScript {
    /// The step is this script.
    Whole(Script),
    /// The step begins with this script.
    First(Script),
    /// The step begins on this side.
    None,
}

/// The script of a step.
pub fn of(
    config: &Config,
    release: &ReleaseId,
    compose: &str,
    rendered: Option<&RenderedCompose>,
    step: &Step,
) -> StepScript {
    StepScript::Whole(match step {
        Step::PrivateNginx { switching, live } => script::private_nginx(config, *switching, *live),
        Step::AlignUpstream { live } => script::align_upstream(config, *live),
        Step::TakeImages { from } => script::take_images(config, release, from),
        Step::Build => script::build(config, release, compose, rendered),
        Step::StaticFiles => script::static_files(config, release, rendered),
        Step::Accessories => script::accessories(config, release, compose, rendered),
        Step::Hook { words, slot, .. } => script::hook(config, release, compose, *slot, words),
        Step::Boot { slot } => script::boot(config, release, compose, *slot),
        Step::Hold { slot, secret } => script::hold(config, *slot, secret),
        Step::Share { slot, percent } => script::share(config, *slot, *percent),
        Step::Ramp { slot, seconds } => script::ramp(config, *slot, *seconds),
        Step::EndPreview => script::end_preview(config),
        Step::Switch { switching, to } => script::switch(config, *switching, *to),
        Step::Workers { slot, release, services } => script::workers(config, release, compose, *slot, services),
        Step::UnmanagedWorkers => script::unmanaged_workers(config),
        Step::Drain { slot, seconds } => script::drain(config, *slot, *seconds),
        Step::Stop { containers, .. } => script::stop(config, containers),
        Step::Remove { slot } => script::remove(config, *slot),
        Step::Check => script::check_release(config, release),
        Step::MarkKnownGood => script::mark_known_good(config, release),
        Step::Prune { releases } => script::prune(config, release, releases),
        Step::Render { .. } => return StepScript::First(script::compose_config(config, release, compose)),
        Step::RenderStored { .. } => return StepScript::First(script::stored_project(config, release, compose)),
        Step::Test
        | Step::Package
        | Step::Ship
        | Step::Copy { .. }
        | Step::Carry { .. }
        | Step::AwaitHealth { .. }
        | Step::WarmUp { .. }
        | Step::Rest { .. }
        | Step::Judge { .. }
        | Step::Verify { .. }
        | Step::Bake { .. } => return StepScript::None,
    })
}

/// The scripts of the first of these steps, one of each, that can be sent at once: up to one that has more to do than its
/// script. Each runs only if the one before has succeeded, so nothing is gained by hearing of each before the next is sent.
pub fn row(
    config: &Config,
    release: &ReleaseId,
    compose: &str,
    rendered: Option<&RenderedCompose>,
    steps: &[Step],
) -> Vec<Script> {
    let mut row = Vec::new();
    for step in steps {
        match of(config, release, compose, rendered, step) {
            StepScript::Whole(script) => row.push(script),
            StepScript::First(script) => {
                row.push(script);
                break;
            }
            StepScript::None => break,
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::plan::{self, TestStage};
    use crate::rules::release::Slot;
    use crate::testing::fixtures::{config, release, server};

    #[test]
    fn the_scripts_between_two_steps_of_this_side_are_sent_at_once() {
        let plan = plan::deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Run).unwrap();
        let mut rest = &plan.steps[..];
        let mut rows = Vec::new();
        while let Some((first, then)) = rest.split_first() {
            let row = row(&config(), &release(9), "docker compose", None, rest);
            rows.push(row.iter().map(|script| script.name).collect::<Vec<&str>>());
            rest = if row.is_empty() { then } else { &rest[row.len()..] };
            assert!(!row.is_empty() || of(&config(), &release(9), "", None, first) == StepScript::None);
        }
        let health: [&[&str]; 10] = [
            &[], // tests
            &[], // package
            &[], // ship
            &["read the compose files"],
            &["build the images", "start the accessories", "run the hook", "boot the slot"],
            &[], // await health
            &["run the hook", "switch the traffic"],
            &[], // verify
            &[], // bake
            &["replace the workers", "run the hook", "mark the release", "drain the slot", "stop the slot"],
        ];
        assert_eq!(rows, health);
    }
}
