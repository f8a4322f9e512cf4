//! What a host told us, as plain data. Reading is here, asking is in `scripts/inspect.sh`, deciding is in `plan`.
//!
//! Nothing of it is believed beyond its shape: what a container's labels, an app's answer or a record hold may be anything,
//! and where it is nothing that we know, it counts as not there.

mod containers;
mod others;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::rules::config::{Config, NginxOwner, Slots, SwitchMode};
use crate::rules::health::{self, Answer};
use crate::rules::nginx;
use crate::rules::release::settings::Settings;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

/// The state of a host at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The environment's folder, links resolved.
    pub folder: String,
    /// The slots' ports and nginx's own, as its upstream file has them.
    pub ports: Option<(Slots, u16)>,
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
    /// Why docker does not answer.
    pub docker_problem: Option<String>,
    pub containers: Vec<Container>,
    /// What else there is of this environment: workers and accessories.
    pub others: Vec<Other>,
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
    /// What slots answered to a health check, where they did so within a second.
    pub answers: BTreeMap<Slot, Answer>,
    /// Bytes free where the releases are.
    pub disk_free: u64,
    pub capacity: Capacity,
    /// What a site over TLS is asked with.
    pub curl: bool,
    /// Who asks.
    pub user: String,
    /// Folders of ours in which this user cannot write.
    pub unwritable: Vec<String>,
    /// The folder of the upstream file, where this user cannot write in it.
    pub unwritable_upstream: Option<String>,
    /// The line that has nginx remember whether a file is there, for all sites or this one.
    pub file_cache: Option<String>,
    /// The site, or what it includes, turns that off for itself.
    pub lookups_uncached: bool,
    /// The last line of the record.
    pub last_record: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Other {
    pub service: String,
    pub name: String,
    /// A worker is replaced with each release, an accessory never.
    pub worker: bool,
    /// The web service or a worker as compose started it before the first deploy, or while it was an accessory; stopped since.
    #[serde(skip)]
    pub of_before: bool,
    /// Docker's words, as of a slot's container.
    pub status: String,
    pub health: String,
    pub restarts: u32,
    pub exit_code: i64,
    /// What docker does when it has ended, or the machine has.
    pub restart_policy: String,
    /// Tells whether the compose file has changed since it was started. `None`: it was started by something else.
    pub definition: Option<String>,
    /// Its bind mounts: target and source.
    #[serde(skip)]
    pub binds: Vec<(String, String)>,
}

/// A container of somebody else on a slot's port.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    pub slot: Slot,
    pub container: String,
    pub compose_project: Option<String>,
}

/// A release that is complete on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRelease {
    pub id: ReleaseId,
    /// sha256 of its `.env`, hexadecimal.
    pub env_sum: String,
    /// Seconds since 1970 when it last became the one that serves; `None`: it is not known good.
    pub known_good_at: Option<u64>,
    /// Repositories of the images that were built for it; none, where it never came to that.
    pub built: Vec<String>,
    /// `None`: another version of this tool wrote them.
    pub settings: Option<Settings>,
    pub env: Secret,
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

    /// The release that serves.
    pub fn live_release(&self) -> Option<&ReleaseId> {
        self.occupant(self.live()?).filter(|container| container.running())?.release.as_ref()
    }

    /// Whether this release answered in the slot, and was healthy, when the host was looked at.
    pub fn healthy(&self, config: &Config, slot: Slot, release: &ReleaseId) -> bool {
        self.answers
            .get(&slot)
            .is_some_and(|answer| health::check(answer, &config.health.expect, Some(release)).is_ok())
    }

    /// Whether all images of a release are on the host.
    pub fn has_images(&self, id: &ReleaseId) -> bool {
        let built = self.release(id).map(|release| &release.built).filter(|built| !built.is_empty());
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

/// Reads what `inspect.sh` printed.
///
/// # Errors
/// When the text is cut short or a line is not what the script prints: never guessed around.
pub fn parse(text: &str, config: &Config) -> Result<Observed> {
    if text.lines().next_back() != Some("end") {
        bail!("the host's report is cut short");
    }
    let mut observed = Observed { folder: config.environment.folder.clone(), ..Observed::default() };
    let mut upstream = String::new();
    let mut flag = false;
    observed.ports = ports(text);
    let resolved = observed.ports.map(|(slots, live_port)| config.with_ports(slots, live_port));
    let config = resolved.as_ref().unwrap_or(config);
    // docker prints an empty line for a container that has gone since it was listed.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let read = || format!("reading the host's report, a line `{}`", fields[0].escape_debug());
        if capacity(&fields, &mut observed).with_context(read)? {
            continue;
        }
        match fields[..] {
            ["folder", place] => observed.folder = place.to_owned(),
            ["live", answer] => {
                observed.said = Some(answer.to_owned()).filter(|answer| !answer.is_empty());
                observed.running_slot = nginx::slot_in_answer(answer, &config.project.name);
            }
            ["flag", _] => flag = true,
            ["upstream", text] => {
                upstream = lines(text);
                let own = format!("{}/live/green", config.environment.folder);
                observed.flag_elsewhere = nginx::flag_of_upstream(&upstream).filter(|flag| *flag != own);
            }
            ["bypass", line] => observed.bypasses.push(line.to_owned()),
            ["site-of", file] => observed.site_of_another = Some(file.to_owned()),
            ["site-answer", text] => observed.site = read_answer(&lines(text)),
            ["volume", project, name] => observed.volumes.push((project.to_owned(), name.to_owned())),
            ["site", text] => {
                observed.site_file_found = !text.is_empty();
                observed.switching = nginx::switching_of_site(&lines(text), &config.environment.nginx.upstream);
                observed.lookups_uncached |= nginx::looks_up_uncached(&lines(text));
            }
            ["included", text] => observed.lookups_uncached |= nginx::looks_up_uncached(&lines(text)),
            ["file-cache", line] => observed.file_cache = Some(line.to_owned()).filter(|line| !line.is_empty()),
            ["user", name] => observed.user = name.to_owned(),
            ["unwritable", place] => observed.unwritable.push(place.to_owned()),
            ["unwritable-upstream", place] => observed.unwritable_upstream = Some(place.to_owned()),
            ["curl", _] => observed.curl = true,
            ["nginx", _] => observed.nginx_running = true,
            ["nginx-problem", problem] => observed.nginx_problem = Some(problem.to_owned()),
            ["compose", tool] => observed.compose = Some(tool.to_owned()).filter(|tool| !tool.is_empty()),
            ["docker-problem", problem] => observed.docker_problem = Some(problem.trim().to_owned()),
            ["container", ..] => containers::read(&fields, config, &mut observed).with_context(read)?,
            ["release", id, env_sum, known_good_at, built, settings, env] => {
                observed.releases.extend(read_release([id, env_sum, known_good_at, built, settings, env]));
            }
            ["listening", port] => observed.listening.extend(slot_of(port, config)),
            ["answer", port, text] => observed.answers.extend(slot_of(port, config).zip(read_answer(&lines(text)))),
            ["last-record", record] => observed.last_record = Some(record.to_owned()).filter(|text| !text.is_empty()),
            ["end"] | ["docker", _] | ["ports", _] => {}
            // The line itself may hold anything, an `.env` for one.
            _ => bail!("the host's report has a line `{}` of {} fields", fields[0].escape_debug(), fields.len()),
        }
    }
    let found = observed.switching;
    if let NginxOwner::Private(switching) = config.environment.nginx.owner {
        observed.switching = Some(switching);
        observed.site_file_found = true;
    }
    // Files of the other mode name no slot.
    let mode = observed.switching.filter(|mode| found.is_none_or(|found| found == *mode));
    observed.configured_slot = mode.and_then(|mode| configured_slot(mode, flag, &upstream, config));
    Ok(observed)
}

/// Reads a line of what there is of disk and memory, and what a version takes. `false`: it is another one.
fn capacity(fields: &[&str], observed: &mut Observed) -> Result<bool> {
    let capacity = &mut observed.capacity;
    match fields[..] {
        ["image", bytes, tags] => {
            let bytes = bytes.parse()?;
            let tags: Vec<String> = serde_json::from_str(tags)?;
            observed.images.extend(tags.into_iter().map(|tag| (tag, bytes)));
        }
        ["memory", id, bytes] => drop(capacity.memory_used.insert(id.to_owned(), bytes.parse()?)),
        ["memory-free", bytes] => {
            let bytes: u64 = bytes.parse()?;
            capacity.memory_free = Some(capacity.memory_free.unwrap_or_default().saturating_add(bytes));
        }
        ["docker-disk-free", bytes, place] => capacity.docker_disk = Some((bytes.parse()?, place.to_owned())),
        ["disk-free", bytes, place] => {
            observed.disk_free = bytes.parse()?;
            capacity.releases_place = place.to_owned();
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn slot_of(port: &str, config: &Config) -> Option<Slot> {
    Slot::BOTH.into_iter().find(|slot| config.slots.port(*slot).to_string() == port)
}

/// The slot that nginx's files name.
fn configured_slot(mode: SwitchMode, flag: bool, upstream: &str, config: &Config) -> Option<Slot> {
    match mode {
        SwitchMode::Instant => Some(if flag { Slot::Green } else { Slot::Blue }),
        SwitchMode::Reload => nginx::slot_in_upstream(upstream, &config.environment.nginx.upstream, config.slots),
    }
}

/// A file's text travels as one field: its line ends as carriage returns, its tabs as spaces.
fn lines(text: &str) -> String {
    text.replace('\r', "\n")
}

/// The ports that nginx's file names, the slots' and its own.
fn ports(text: &str) -> Option<(Slots, u16)> {
    let line = text.lines().find_map(|line| line.strip_prefix("ports\t"))?;
    let numbers: Vec<u16> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [blue, green, live_port] = numbers[..] else { return None };
    Some((Slots { blue, green }, live_port))
}

/// A folder that is not named like a release was not made by us and is left alone.
fn read_release([id, env_sum, known_good_at, built, settings, env]: [&str; 6]) -> Option<StoredRelease> {
    Some(StoredRelease {
        id: ReleaseId::parse(id).ok()?,
        env_sum: env_sum.to_owned(),
        known_good_at: known_good_at.parse().ok(),
        built: unescaped(built).lines().map(str::to_owned).filter(|repository| !repository.is_empty()).collect(),
        settings: Settings::read(&unescaped(settings)),
        env: Secret::new(unescaped(env)),
    })
}

/// A field in which tabs, line ends and `\` are written with a `\` before them.
fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some(other) => other,
                None => break,
            },
            _ => letter,
        });
    }
    text
}

/// What is no answer over HTTP is none: it is not healthy.
fn read_answer(text: &str) -> Option<Answer> {
    // Its length is not what it was: carriage returns were taken out on its way.
    Answer::parse(text, usize::MAX).ok()
}

#[cfg(test)]
mod tests;
