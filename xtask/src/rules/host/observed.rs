//! What a host told us, as plain data. Reading is in `observed/reading.rs`, asking is in `scripts/inspect.sh`, deciding is in `plan`.
//!
//! Nothing of it is believed beyond its shape: what a container's labels, an app's answer or a record hold may be anything,
//! and where it is nothing that we know, it counts as not there.

mod containers;
mod others;
mod reading;

pub use reading::parse;
pub(in crate::rules) use reading::unescaped;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::rules::config::{Config, Health, Slots, SwitchMode};
use crate::rules::engine::compose::MountedVolume;
use crate::rules::health::{self, Answer};
use crate::rules::maintenance::Closed;
use crate::rules::release::settings::Settings;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

/// The state of a host at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// How slots and site were asked for their health.
    pub asked: Health,
    /// The environment's folder, links resolved.
    pub folder: String,
    /// The slots' ports and nginx's own, as its upstream file has them.
    pub ports: Option<Ports>,
    /// Slots that are reached by a secret.
    pub previews: BTreeSet<Slot>,
    /// Slots that are not live and have a share of all clients, in hundredths.
    pub shares: BTreeMap<Slot, u8>,
    /// nginx leads who carries one.
    pub leads_previews: bool,
    /// nginx can give a slot a share of all clients.
    pub gives_shares: bool,
    /// nginx can be told to count requests by slot.
    pub counts_requests: bool,
    /// nginx can be told to close the site.
    pub can_close: bool,
    /// The site is closed.
    pub maintenance: Option<Closed>,
    /// What nginx said when it was asked which slot it obeys.
    pub said: Option<String>,
    /// The slot nginx itself says it obeys, for this environment.
    pub running_slot: Option<Slot>,
    /// The slot that nginx's files name: what it would obey after a reload.
    pub configured_slot: Option<Slot>,
    pub switching: Option<SwitchMode>,
    pub site_file_found: bool,
    pub nginx_running: bool,
    /// Why this user cannot make nginx reload: sudo's or nginx's own words.
    pub nginx_problem: Option<String>,
    /// `docker compose` or `docker-compose`.
    pub compose: Option<String>,
    /// What answers as docker is Podman.
    pub podman: bool,
    /// Why docker does not answer.
    pub docker_problem: Option<String>,
    pub containers: Vec<Container>,
    /// Containers of further web services in slots, each with its service.
    pub more_containers: Vec<(String, Container)>,
    /// Named volumes in containers of this environment that run.
    pub mounted_volumes: Vec<MountedVolume>,
    /// What else there is of this environment: workers and accessories.
    pub others: Vec<Other>,
    /// Variables of the instant mode to which a `server` block of the site passes requests without including the switch.
    pub without_switch: Vec<String>,
    /// Containers of others that publish a slot's port on the host.
    pub foreign: Vec<Foreign>,
    /// Containers that carry the environment's name and belong to another folder: the container and that folder.
    pub namesakes: Vec<(String, String)>,
    /// Containers of the environment's folder that carry another name: the container and its compose project.
    pub tenants: Vec<(String, String)>,
    /// Before the first deploy: volumes on the host, by compose project and name.
    pub volumes: Vec<(String, String)>,
    /// Lines of nginx's configuration that lead to a slot's port past the switch.
    pub bypasses: Vec<String>,
    /// The file of another site that has the environment's address, which its own site file does not name.
    pub site_of_another: Option<String>,
    /// What the site answered to a health check, as its users ask it.
    pub site: Option<Answer>,
    /// The flag that nginx's upstream file looks for, where it is not this environment's.
    pub flag_elsewhere: Option<String>,
    pub releases: Vec<StoredRelease>,
    /// Releases whose files a container of any kind has mounted.
    pub mounted: BTreeSet<ReleaseId>,
    /// Bytes of the web service's images, by `repository:tag`.
    pub images: BTreeMap<String, u64>,
    /// Slots on whose port somebody listens.
    pub listening: BTreeSet<Slot>,
    /// Ports of slots on which somebody listens, those of further web services too.
    pub listening_ports: BTreeSet<u16>,
    /// Slots whose port takes a connection and keeps it; asked for only where nothing else is.
    pub connectable: BTreeSet<Slot>,
    /// What slots answered to a health check, where they did so within a second.
    pub answers: BTreeMap<Slot, Answer>,
    /// Bytes free where the releases are.
    pub disk_free: u64,
    pub capacity: Capacity,
    /// What a site over TLS is asked with.
    pub curl: bool,
    /// Processors for which the host can run programs, as docker calls them. Empty: that is not known.
    pub processors: BTreeSet<String>,
    /// Who asks.
    pub user: String,
    /// Folders of ours in which this user cannot write.
    pub unwritable: Vec<String>,
    /// The folder of the upstream file, where this user cannot write in it.
    pub unwritable_upstream: Option<String>,
    /// The line that has nginx remember whether a file is there, for all sites or this one.
    pub file_cache: Option<String>,
    /// What the site, or what it includes, passes requests of further web services to.
    pub routed: BTreeSet<String>,
    /// Paths below which the site, or what it includes, has nginx serve files of slots.
    pub static_paths: BTreeSet<String>,
    /// The site, or what it includes, turns that off for itself.
    pub lookups_uncached: bool,
    /// The last line of the record.
    pub last_record: Option<String>,
}

/// Ports as nginx's file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    pub slots: Slots,
    /// Where nginx says which slot it obeys.
    pub live: u16,
    /// Of further web services, by upstream, also of those that are configured no more.
    pub further: BTreeMap<String, Slots>,
}

/// What there is of disk and memory, and what a version takes. What could not be found out is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    /// The file system of the releases.
    pub releases_place: String,
    /// Bytes free where docker keeps images, and that file system.
    pub docker_disk: Option<(u64, String)>,
    /// Bytes of memory, swap included, that can be had without taking it from anybody.
    pub memory_free: Option<u64>,
    /// Bytes of memory by container, those of cached files not counted.
    pub memory_used: BTreeMap<String, u64>,
}

/// A container that runs, or ran, in a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub slot: Slot,
    /// `None`: started by something else than this tool (the compose file itself, before the first deploy).
    pub release: Option<ReleaseId>,
    /// Docker's word: `running`, `exited`, `restarting`, …
    pub status: String,
    /// Docker's word: `healthy`, `starting`, `unhealthy`; empty without a health check.
    pub health: String,
    pub restarts: u32,
    /// RFC 3339.
    pub started_at: String,
    /// Ports of the host that it publishes.
    #[serde(skip)]
    pub ports: Vec<u16>,
    /// Bind mounts: target and source.
    #[serde(skip)]
    pub binds: Vec<(String, String)>,
}

impl Container {
    pub fn running(&self) -> bool {
        self.status == "running"
    }

    /// Whether it runs, or will again by itself: Docker restarts one that crashes over and over.
    pub fn active(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }
}

/// A container of the environment that is in no slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Other {
    pub service: String,
    #[serde(skip)]
    pub id: String,
    pub name: String,
    /// A worker is replaced with each release, an accessory never.
    pub worker: bool,
    /// The web service or a worker as compose started it before the first deploy, or while it was an accessory; stopped since.
    #[serde(skip)]
    pub unmanaged: bool,
    /// Docker's words, as of a slot's container.
    pub status: String,
    pub health: String,
    pub restarts: u32,
    pub exit_code: i64,
    /// What docker does when it has ended, or the machine has.
    pub restart_policy: String,
    /// Tells whether the compose file has changed since it was started. `None`: it was started by something else.
    pub definition: Option<String>,
    /// Ports of the host that it publishes.
    #[serde(skip)]
    pub ports: Vec<u16>,
    /// Its bind mounts: target and source.
    #[serde(skip)]
    pub binds: Vec<(String, String)>,
}

/// An image that a release has from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledImage {
    /// What it is called there.
    pub reference: String,
    /// Which one that was.
    pub digest: String,
    /// It is not pulled: it came to the host in another way.
    pub is_there: bool,
}

/// A container of somebody else on a slot's port.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    pub slot: Slot,
    /// The slot's port that it publishes.
    pub port: u16,
    pub container: String,
    pub compose_project: Option<String>,
}

/// A release that is complete on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRelease {
    pub id: ReleaseId,
    /// sha256 of its `.env`, hexadecimal.
    pub env_sum: String,
    /// The same of its files that are not in its commit; empty where there are none.
    pub files_sum: String,
    /// Seconds since 1970 when it last became the one that serves; `None`: it is not known good.
    pub known_good_at: Option<u64>,
    /// Repositories of the images that were built for it; none, where it never came to that.
    pub built: Vec<String>,
    /// The images of registries that it has.
    pub pulled: Vec<PulledImage>,
    /// `None`: another version of this tool wrote them.
    pub settings: Option<Settings>,
    pub env: Secret,
    /// Those files, one after the other, for masking.
    pub files: Secret,
}

impl Observed {
    /// The slot that routes: what nginx answers, and where it does not run, what it will obey when it starts.
    pub fn live(&self) -> Option<Slot> {
        self.running_slot.or(self.configured_slot)
    }

    /// The slot of the next version.
    pub fn free_slot(&self) -> Slot {
        self.live().map_or(Slot::Blue, Slot::other)
    }

    /// Whether some requests are led elsewhere than to the live slot, or were until it became live.
    pub fn leads_elsewhere(&self) -> bool {
        !self.previews.is_empty() || !self.shares.is_empty()
    }

    /// The version that is held: it runs beside the one that serves, and is reached by a secret or has a share of all clients.
    pub fn held(&self) -> Option<(Slot, &ReleaseId)> {
        let (slot, release) = self.led_to()?;
        self.occupant(slot).filter(|container| container.running())?;
        Some((slot, release))
    }

    /// The same, whether it runs or not: some requests are led to it all the same.
    pub fn led_to(&self) -> Option<(Slot, &ReleaseId)> {
        let slot = self.free_slot();
        if !self.previews.contains(&slot) && !self.shares.contains_key(&slot) {
            return None;
        }
        let of_slot = self.occupant(slot).and_then(|container| container.release.as_ref());
        Some((slot, of_slot.or(self.live_release())?))
    }

    /// Whether somebody listens on a slot's port, and no container of ours that could is there.
    pub fn port_taken_by_other(&self, slot: Slot) -> bool {
        let ours = self.containers.iter().any(|container| container.slot == slot && container.status != "exited");
        self.listening.contains(&slot) && !ours
    }

    /// What is in a slot: the container that runs, before one that is stopped.
    pub fn occupant(&self, slot: Slot) -> Option<&Container> {
        let of_slot = || self.containers.iter().filter(move |container| container.slot == slot);
        of_slot().find(|container| container.running()).or_else(|| of_slot().next())
    }

    /// Which of these volumes take the place of another one that a container of the same service has now, and of which.
    pub fn replaced_volumes(&self, volumes: &[MountedVolume]) -> Vec<(MountedVolume, String)> {
        let replaced = |volume: &MountedVolume| {
            let same = |one: &&MountedVolume| one.service == volume.service && one.target == volume.target;
            let old = self.mounted_volumes.iter().filter(same).find(|one| one.name != volume.name)?;
            Some((volume.clone(), old.name.clone()))
        };
        volumes.iter().filter_map(replaced).collect()
    }

    /// Containers of further web services in a slot.
    pub fn further(&self, slot: Slot) -> impl Iterator<Item = &(String, Container)> {
        self.more_containers.iter().filter(move |(_, container)| container.slot == slot)
    }

    /// Whether a container of this further web service may be what listens on its port in a slot.
    pub fn further_may_listen(&self, slot: Slot, service: &str) -> bool {
        self.further(slot).any(|(of, container)| of == service && container.status != "exited")
    }

    /// All that run, or will again by themselves, of the web services in a slot.
    pub fn active_in(&self, slot: Slot) -> Vec<&Container> {
        let first = self.occupant(slot).into_iter();
        let all = first.chain(self.further(slot).map(|(_, container)| container));
        all.filter(|container| container.active()).collect()
    }

    /// Further web services that do not run this release in a slot.
    pub fn missing_in(&self, config: &Config, slot: Slot, release: Option<&ReleaseId>) -> Vec<String> {
        let runs = |service: &str| {
            self.further(slot)
                .any(|(of, container)| of == service && container.running() && container.release.as_ref() == release)
        };
        config.more_webs.iter().map(|web| web.service.clone()).filter(|service| !runs(service)).collect()
    }

    /// The release that serves.
    pub fn live_release(&self) -> Option<&ReleaseId> {
        self.occupant(self.live()?).filter(|container| container.running())?.release.as_ref()
    }

    /// The release of what runs in a slot: that of the first web service, if it does.
    pub fn release_in(&self, slot: Slot) -> Option<&ReleaseId> {
        self.active_in(slot).into_iter().filter(|one| one.running()).find_map(|one| one.release.as_ref())
    }

    /// Whether this release answered in the slot, and was healthy, when the host was looked at.
    pub fn healthy(&self, config: &Config, slot: Slot, release: &ReleaseId) -> bool {
        self.answers_well(config, slot, Some(release))
    }

    /// Whether what listens in a slot answered, when the host was looked at, as a healthy version does. `false` where it was asked
    /// for something else: then it is not known.
    pub fn answers_well(&self, config: &Config, slot: Slot, release: Option<&ReleaseId>) -> bool {
        let well = |answer: &Answer| health::check(answer, &config.health, release).is_ok();
        let answered = match config.health.connect {
            true => self.connectable.contains(&slot),
            false => self.answers.get(&slot).is_some_and(well),
        };
        answered && self.asked.asks_like(&config.health)
    }

    /// Whether all images of a release are on the host.
    pub fn has_images(&self, id: &ReleaseId) -> bool {
        let named = |release: &&StoredRelease| release.settings.as_ref().is_some_and(Settings::names_all_images);
        let built = self.release(id).filter(named).map(|release| &release.built).filter(|built| !built.is_empty());
        built
            .is_some_and(|built| built.iter().all(|repository| self.images.contains_key(&format!("{repository}:{id}"))))
    }

    pub fn release(&self, id: &ReleaseId) -> Option<&StoredRelease> {
        self.releases.iter().find(|release| release.id == *id)
    }

    /// Releases that are known good, the latest first.
    pub fn known_good_releases(&self) -> Vec<&StoredRelease> {
        let mut good: Vec<&StoredRelease> =
            self.releases.iter().filter(|release| release.known_good_at.is_some()).collect();
        good.sort_by_key(|release| std::cmp::Reverse((release.known_good_at, release.id.clone())));
        good
    }
}

#[cfg(test)]
mod tests;
