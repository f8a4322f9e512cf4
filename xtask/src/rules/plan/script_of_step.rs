//! Step → script: which steps are one script on the host, and which.

use crate::rules::config::Config;
use crate::rules::engine::compose::RenderedCompose;
use crate::rules::release::ReleaseId;
use crate::rules::script::{self, Script};

use super::step::Step;

/// The script of a step that is one script on the host. The conductor runs those that are more than that.
pub fn of(
    config: &Config,
    release: &ReleaseId,
    compose: &str,
    files: Option<&RenderedCompose>,
    step: &Step,
) -> Option<Script> {
    Some(match step {
        Step::PrivateNginx { switching, live } => script::private_nginx(config, *switching, *live),
        Step::AlignUpstream { live } => script::align_upstream(config, *live),
        Step::Build => script::build(config, release, compose, files),
        Step::Accessories => script::accessories(config, release, compose, files),
        Step::Hook { words, slot, .. } => script::hook(config, release, compose, *slot, words),
        Step::Boot { slot } => script::boot(config, release, compose, *slot),
        Step::Switch { switching, to } => script::switch(config, *switching, *to),
        Step::Workers { slot, release, services } => script::workers(config, release, compose, *slot, services),
        Step::UnmanagedWorkers => script::unmanaged_workers(config),
        Step::Drain { slot, seconds } => script::drain(config, *slot, *seconds),
        Step::Stop { containers, .. } => script::stop(config, containers),
        Step::Remove { slot } => script::remove(config, *slot),
        Step::Check => script::check_release(config, release),
        Step::MarkKnownGood => script::mark_known_good(config, release),
        Step::Prune { releases } => script::prune(config, release, releases),
        Step::Test
        | Step::Package
        | Step::Ship
        | Step::Render { .. }
        | Step::Restore { .. }
        | Step::AwaitHealth { .. }
        | Step::Verify { .. }
        | Step::Bake { .. } => return None,
    })
}
