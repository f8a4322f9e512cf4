//! What a deploy does before anything that runs is changed, by itself.

use std::collections::BTreeSet;

use super::step::Step;
use super::{Plan, planned};
use crate::rules::config::{Config, GivenImage};
use crate::rules::host::observed::Observed;
use crate::rules::release::{ReleaseId, Slot};

/// The release alone, brought to the host with its images. Nothing, where it is there already.
pub fn ship(config: &Config, observed: &Observed, release: &ReleaseId) -> Plan {
    let shipped = match observed.release(release) {
        Some(_) => Vec::new(),
        None => vec![Step::Package, Step::Ship],
    };
    prepare_only(observed, release, |_| shipped.into_iter().chain(carry(config, observed, release)).collect())
}

/// Brings the images that this machine has, where the release has not all of its images yet.
pub(super) fn carry(config: &Config, observed: &Observed, release: &ReleaseId) -> Option<Step> {
    let local = config.images.values().filter_map(|image| match image {
        GivenImage::Local(id) => Some(id.clone()),
        GivenImage::Registry(_) => None,
    });
    let images: BTreeSet<String> = local.collect();
    let needed = !images.is_empty() && !observed.has_images(release);
    needed.then(|| Step::Carry { images: images.into_iter().collect() })
}

/// The images alone, of a release that is on the host.
pub fn build(observed: &Observed, release: &ReleaseId) -> Plan {
    prepare_only(observed, release, |to| vec![Step::RenderStored { slot: to }, Step::Build])
}

/// A part of a deploy that changes nothing that runs.
fn prepare_only(observed: &Observed, release: &ReleaseId, steps: impl FnOnce(Slot) -> Vec<Step>) -> Plan {
    let to = observed.free_slot();
    planned(observed, release, to, steps(to))
}
