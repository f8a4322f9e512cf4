//! The steps a plan is made of, as data: what each is called and how its failure counts.

use crate::rules::config::SwitchMode;
use crate::rules::failure::Kind;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

/// One act. What it needs beside the release stands in it, so it can be printed and run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run the tests, on this machine.
    Test,
    /// Make the archive of the release, on this machine.
    Package,
    /// Bring the release to the host, complete or not at all.
    Ship,
    /// Make a release on the host of the files of another one, with another `.env`.
    Copy {
        from: ReleaseId,
    },
    /// Let it have that one's images, where it would be built in the same way.
    TakeImages {
        from: ReleaseId,
    },
    /// Bring images of this machine's docker to the host, by their ids.
    Carry {
        images: Vec<String>,
    },
    /// Make the tool's own nginx run, obeying `live`.
    PrivateNginx {
        switching: SwitchMode,
        live: Slot,
    },
    /// Make the upstream file name what nginx obeys.
    AlignUpstream {
        live: Slot,
    },
    /// Render the compose files of the release for the slot.
    Render {
        slot: Slot,
    },
    /// Render a release that was shipped before: check that its files are as shipped, render what was stored with it.
    RenderStored {
        slot: Slot,
    },
    /// Refuse a release whose files are no longer as they were shipped.
    Check,
    /// Build the release's images.
    Build,
    /// Copy the files that nginx serves itself out of the images of the release.
    StaticFiles,
    /// Start the accessories that do not run.
    Accessories,
    /// Run a hook in a one-off container.
    Hook {
        point: HookPoint,
        words: Vec<String>,
        slot: Slot,
    },
    /// Start the release in the free slot.
    Boot {
        slot: Slot,
    },
    AwaitHealth {
        slot: Slot,
    },
    /// Ask the new version for these pages, so that its first users are not the first who ask.
    WarmUp {
        slot: Slot,
        paths: Vec<String>,
    },
    /// Watch the new version, which is healthy, before it gets traffic.
    Rest {
        slot: Slot,
        seconds: u64,
    },
    /// Let who carries a secret reach the version in a slot that gets no traffic.
    Hold {
        slot: Slot,
        secret: Secret,
    },
    /// Give the version in a slot that does not serve this share of all clients, in hundredths.
    Share {
        slot: Slot,
        percent: u8,
    },
    /// Compare it with the live slot for so many seconds, by nginx's log.
    Judge {
        slot: Slot,
        percent: u8,
        seconds: u64,
    },
    /// Raise that share, step by step, until all but a few have come.
    Ramp {
        slot: Slot,
        seconds: u64,
    },
    /// Let nobody reach a version that is held any more.
    EndPreview,
    /// The one act that moves traffic.
    Switch {
        switching: SwitchMode,
        to: Slot,
    },
    /// Prove through nginx that the new release answers.
    Verify {
        slot: Slot,
    },
    /// Watch the new version while the old one is still there to go back to.
    Bake {
        slot: Slot,
        seconds: u64,
    },
    /// Replace the workers by these of this release, on the network of its slot. Others go.
    Workers {
        slot: Slot,
        release: ReleaseId,
        services: Vec<String>,
    },
    /// Give the work back to the workers that compose had started before the first deploy.
    UnmanagedWorkers,
    /// Wait until the slot's requests in flight have ended.
    Drain {
        slot: Slot,
        seconds: u64,
    },
    /// Stop these containers of the slot.
    Stop {
        slot: Slot,
        containers: Vec<String>,
    },
    /// Remove what runs in the slot: a version that failed.
    Remove {
        slot: Slot,
    },
    /// Mark the release as known good.
    MarkKnownGood,
    /// Remove releases that are no longer kept.
    Prune {
        releases: Vec<ReleaseId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPoint {
    BeforeBoot,
    BeforeSwitch,
    AfterSwitch,
}

impl Step {
    /// The first words of its title, which are the same for every release, slot and figure.
    #[cfg(test)]
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Test => "Run the tests",
            Step::Package => "Package release",
            Step::Ship => "Ship release",
            Step::Copy { .. } => "Copy release",
            Step::TakeImages { .. } => "Take the images",
            Step::Carry { .. } => "Carry images",
            Step::PrivateNginx { .. } => "Make the private nginx run",
            Step::AlignUpstream { .. } => "Make the upstream file say",
            Step::Render { .. } => "Render the compose files",
            Step::RenderStored { .. } => "Render the stored compose files",
            Step::Check => "Check the files",
            Step::Build => "Build the images",
            Step::StaticFiles => "Copy static files",
            Step::Accessories => "Start the accessories",
            Step::Hook { point: HookPoint::BeforeBoot, .. } => "Hook before boot",
            Step::Hook { point: HookPoint::BeforeSwitch, .. } => "Hook before switch",
            Step::Hook { point: HookPoint::AfterSwitch, .. } => "Hook after switch",
            Step::Boot { .. } => "Boot",
            Step::AwaitHealth { .. } => "Waiting for health check",
            Step::WarmUp { .. } => "Warm up the new version",
            Step::Rest { .. } => "Let the new version rest",
            Step::Hold { .. } => "Hold the version",
            Step::Share { .. } => "Give a share",
            Step::Judge { .. } => "Judge the new version",
            Step::Ramp { .. } => "Raise the share",
            Step::EndPreview => "End the preview",
            Step::Switch { .. } => "Switch traffic",
            Step::Verify { .. } => "Verify through nginx",
            Step::Bake { .. } => "Watch the new version",
            Step::Workers { .. } => "Replace the workers",
            Step::UnmanagedWorkers => "Start the unmanaged workers",
            Step::Drain { .. } => "Drain slot",
            Step::Stop { .. } => "Stop slot",
            Step::Remove { .. } => "Remove the failed version",
            Step::MarkKnownGood => "Mark the release as known good",
            Step::Prune { .. } => "Prune old releases",
        }
    }

    /// The name of its stage, as people see it.
    pub fn title(&self, release: &ReleaseId) -> String {
        match self {
            Step::Test => "Run the tests".to_owned(),
            Step::Package => format!("Package release {release}"),
            Step::Ship => format!("Ship release {release}"),
            Step::Copy { from } => format!("Copy release {from} with another env file, as {release}"),
            Step::TakeImages { from } => format!("Take the images of {from}"),
            Step::Carry { images } => format!("Carry images to the host ({})", images.len()),
            Step::PrivateNginx { switching, live } => {
                format!("Make the private nginx run ({switching} mode, live slot {live})")
            }
            Step::AlignUpstream { live } => format!("Make the upstream file say what nginx obeys: {live}"),
            Step::Render { slot } => format!("Render the compose files for slot {slot}"),
            Step::RenderStored { slot } => format!("Render the stored compose files of {release} for slot {slot}"),
            Step::Check => format!("Check the files of {release}"),
            Step::Build => "Build the images".to_owned(),
            Step::StaticFiles => "Copy the static files".to_owned(),
            Step::Accessories => "Start the accessories that do not run".to_owned(),
            Step::Hook { point, words, .. } => format!("Hook {}: {}", point.name(), words.join(" ")),
            Step::Boot { slot } => format!("Boot {release} in slot {slot}"),
            Step::AwaitHealth { .. } => "Waiting for health check".to_owned(),
            Step::WarmUp { paths, .. } => format!("Warm up the new version ({})", paths.join(", ")),
            Step::Rest { seconds, .. } => format!("Let the new version rest for {seconds} s"),
            Step::Hold { slot, .. } => format!("Hold {release} in slot {slot}"),
            Step::Share { slot, percent } => format!("Give slot {slot} a share of {percent}% of all clients"),
            Step::Judge { percent, seconds, .. } => format!("Judge the new version at {percent}% for {seconds} s"),
            Step::Ramp { slot, seconds } => format!("Raise the share of slot {slot} for {seconds} s"),
            Step::EndPreview => "End the preview of a version that was held".to_owned(),
            Step::Switch { switching, to } => format!("Switch traffic to slot {to} ({switching} mode)"),
            Step::Verify { .. } => "Verify through nginx".to_owned(),
            Step::Bake { seconds, .. } => format!("Watch the new version for {seconds} s"),
            Step::Workers { services, .. } if services.is_empty() => {
                "Remove the workers, which this release has not".to_owned()
            }
            Step::Workers { .. } => "Replace the workers".to_owned(),
            Step::UnmanagedWorkers => "Start the unmanaged workers again".to_owned(),
            Step::Drain { slot, seconds } => format!("Drain slot {slot} (at most {seconds} s)"),
            Step::Stop { slot, .. } => format!("Stop slot {slot}"),
            Step::Remove { slot } => format!("Remove the failed version from slot {slot}"),
            Step::MarkKnownGood => "Mark the release as known good".to_owned(),
            Step::Prune { releases } => format!("Prune old releases ({})", releases.len()),
        }
    }

    /// Whether anything on the host is another after it.
    pub fn touches_the_host(&self) -> bool {
        !matches!(
            self,
            Step::Test
                | Step::Package
                | Step::Check
                | Step::AwaitHealth { .. }
                | Step::WarmUp { .. }
                | Step::Rest { .. }
                | Step::Judge { .. }
        )
    }

    /// Whether those who are served could not notice it whatever became of it.
    pub fn is_bookkeeping(&self) -> bool {
        matches!(self, Step::MarkKnownGood | Step::EndPreview | Step::Prune { .. })
    }

    /// The kind of failure when this step fails and says nothing closer.
    pub fn failure(&self) -> Kind {
        match self {
            Step::Test => Kind::Tests,
            Step::Package => Kind::Package,
            Step::Ship | Step::Copy { .. } | Step::Carry { .. } => Kind::Ship,
            Step::PrivateNginx { .. } | Step::AlignUpstream { .. } | Step::RenderStored { .. } | Step::Check => {
                Kind::Preflight
            }
            Step::Render { .. } => Kind::Configuration,
            Step::Build | Step::TakeImages { .. } | Step::StaticFiles => Kind::Build,
            Step::Hook { .. } => Kind::Hook,
            Step::Accessories | Step::Boot { .. } => Kind::Boot,
            Step::AwaitHealth { .. } | Step::WarmUp { .. } | Step::Rest { .. } => Kind::Unhealthy,
            Step::Hold { .. } | Step::Share { .. } | Step::Ramp { .. } | Step::Switch { .. } | Step::Verify { .. } => {
                Kind::Switch
            }
            Step::Judge { .. } | Step::Bake { .. } | Step::Workers { .. } | Step::UnmanagedWorkers => Kind::Bake,
            Step::EndPreview
            | Step::Drain { .. }
            | Step::Stop { .. }
            | Step::Remove { .. }
            | Step::MarkKnownGood
            | Step::Prune { .. } => Kind::AfterSwitch,
        }
    }
}

impl HookPoint {
    pub fn name(self) -> &'static str {
        match self {
            HookPoint::BeforeBoot => "before boot",
            HookPoint::BeforeSwitch => "before switch",
            HookPoint::AfterSwitch => "after switch",
        }
    }
}
