//! What a host told us, as plain data. Reading is here, asking is in `scripts/inspect.sh`, deciding is in `plan`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::config::{Config, NginxOwner, Switching};
use crate::nginx;
use crate::release::{LABEL_PROJECT, LABEL_RELEASE, LABEL_SLOT, ReleaseId, Slot, slot_project};
use crate::verdict::{Answer, judge};

/// The state of a host at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The slot nginx itself says it obeys.
    pub answered: Option<Slot>,
    /// The slot that nginx's files name: what it would obey after a reload.
    pub filed: Option<Slot>,
    pub switching: Option<Switching>,
    pub site_file_found: bool,
    pub nginx_running: bool,
    /// Why this user cannot make nginx reload: sudo's or nginx's own words.
    pub nginx_problem: Option<String>,
    /// `docker compose` or `docker-compose`.
    pub compose: Option<String>,
    /// Why docker does not answer.
    pub docker_problem: Option<String>,
    pub containers: Vec<Container>,
    /// Containers of others that publish a slot's port on the host.
    pub foreign: Vec<(Slot, String)>,
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
    pub room: Room,
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
pub struct Room {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// A release that is complete on the host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredRelease {
    pub id: ReleaseId,
    /// sha256 of its `.env`, hexadecimal.
    pub env_sum: String,
    /// Seconds since 1970 when it last became the one that serves; `None`: it never served well.
    pub served_at: Option<u64>,
}

impl Observed {
    /// The slot that routes: what nginx answers, and where it does not run, what it will obey when it starts.
    pub fn live(&self) -> Option<Slot> {
        self.answered.or(self.filed)
    }

    /// The slot of the next version.
    pub fn free_slot(&self) -> Slot {
        self.live().map_or(Slot::Blue, Slot::other)
    }

    /// Whether somebody listens on a slot's port, and no container of ours that could is there.
    pub fn stranger_listens(&self, slot: Slot) -> bool {
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
        self.answers.get(&slot).is_some_and(|answer| judge(answer, &config.health.expect, Some(release)).is_ok())
    }

    pub fn release(&self, id: &ReleaseId) -> Option<&StoredRelease> {
        self.releases.iter().find(|release| release.id == *id)
    }

    /// Releases that have served well, the latest first.
    pub fn good_releases(&self) -> Vec<&StoredRelease> {
        let mut good: Vec<&StoredRelease> =
            self.releases.iter().filter(|release| release.served_at.is_some()).collect();
        good.sort_by_key(|release| std::cmp::Reverse((release.served_at, release.id.clone())));
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
    let mut observed = Observed::default();
    let mut upstream = String::new();
    let mut flag = false;
    // docker prints an empty line for a container that has gone since it was listed.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let read = || format!("reading the host's report, line {line:?}");
        match fields[..] {
            ["live", answer] => observed.answered = Slot::from_name(answer),
            ["flag", _] => flag = true,
            ["upstream", text] => upstream = lines(text),
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
            ["container", ..] => read_container(&fields, config, &mut observed).with_context(read)?,
            ["image", bytes, tags] => {
                let bytes = bytes.parse().with_context(read)?;
                let tags: Vec<String> = serde_json::from_str(tags).with_context(read)?;
                observed.images.extend(tags.into_iter().map(|tag| (tag, bytes)));
            }
            ["memory", id, bytes] => {
                observed.room.memory_used.insert(id.to_owned(), bytes.parse().with_context(read)?);
            }
            ["memory-free", bytes] => {
                let bytes: u64 = bytes.parse().with_context(read)?;
                observed.room.memory_free = Some(observed.room.memory_free.unwrap_or_default().saturating_add(bytes));
            }
            ["docker-disk-free", bytes, place] => {
                observed.room.docker_disk = Some((bytes.parse().with_context(read)?, place.to_owned()));
            }
            ["release", id, env_sum, served_at] => observed.releases.extend(read_release(id, env_sum, served_at)),
            ["listening", port] => observed.listening.extend(slot_of(port, config)),
            ["answer", port, text] => observed.answers.extend(slot_of(port, config).zip(read_answer(&lines(text)))),
            ["disk-free", bytes, place] => {
                observed.disk_free = bytes.parse().with_context(read)?;
                observed.room.releases_place = place.to_owned();
            }
            ["last-record", record] => observed.last_record = Some(record.to_owned()).filter(|text| !text.is_empty()),
            ["end"] | ["docker", _] => {}
            _ => bail!("{}", read()),
        }
    }
    let found = observed.switching;
    if let NginxOwner::Private(switching) = config.environment.nginx.owner {
        observed.switching = Some(switching);
        observed.site_file_found = true;
    }
    // Files of the other mode name no slot.
    let mode = observed.switching.filter(|mode| found.is_none_or(|found| found == *mode));
    observed.filed = mode.and_then(|mode| filed(mode, flag, &upstream, config));
    Ok(observed)
}

fn slot_of(port: &str, config: &Config) -> Option<Slot> {
    Slot::BOTH.into_iter().find(|slot| config.slots.port(*slot).to_string() == port)
}

/// The slot that nginx's files name.
fn filed(mode: Switching, flag: bool, upstream: &str, config: &Config) -> Option<Slot> {
    match mode {
        Switching::Instant => Some(if flag { Slot::Green } else { Slot::Blue }),
        Switching::Reload => nginx::slot_in_upstream(upstream, &config.environment.nginx.upstream, config.slots),
    }
}

/// A file's text travels as one field: its line ends as carriage returns, its tabs as spaces.
fn lines(text: &str) -> String {
    text.replace('\r', "\n")
}

/// A folder that is not named like a release was not made by us and is left alone.
fn read_release(id: &str, env_sum: &str, served_at: &str) -> Option<StoredRelease> {
    let id = ReleaseId::parse(id).ok()?;
    Some(StoredRelease { id, env_sum: env_sum.to_owned(), served_at: served_at.parse().ok() })
}

/// What is no answer over HTTP is none: it is not healthy.
fn read_answer(text: &str) -> Option<Answer> {
    Answer::parse(text, text.len()).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_port: String,
}

fn read_container(fields: &[&str], config: &Config, observed: &mut Observed) -> Result<()> {
    let [_, id, name, status, health, restarts, started_at, labels, ports, mounts] = fields[..] else {
        bail!("a container with {} fields", fields.len());
    };
    let labels: Option<BTreeMap<String, String>> = serde_json::from_str(labels).context("its labels")?;
    let labels = labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let mounts: Option<Vec<Mount>> = serde_json::from_str(mounts).context("its mounts")?;
    let releases = format!("{}/releases/", config.environment.folder);
    let mounted = mounts.iter().flatten().filter_map(|mount| mount.source.strip_prefix(&releases));
    let project = config.project.name.as_str();
    let ours = label(LABEL_PROJECT) == Some(project);
    let compose_project = label("com.docker.compose.project");
    let one_off = label("com.docker.compose.oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let slot = label(LABEL_SLOT).and_then(Slot::from_name);
    let of_slot = slot.filter(|slot| ours && !one_off && compose_project == Some(&slot_project(project, *slot)));
    if !ours || status == "running" {
        let ids = mounted.filter_map(|path| ReleaseId::parse(path.split('/').next().unwrap_or_default()).ok());
        observed.mounted.extend(ids);
    }
    let ports: Option<BTreeMap<String, Option<Vec<Binding>>>> = serde_json::from_str(ports).context("its ports")?;
    let ports = ports.unwrap_or_default();
    let publishes = |slot: Slot| {
        let port = config.slots.port(slot).to_string();
        ports.values().flatten().flatten().any(|binding| binding.host_port == port)
    };
    let before_us =
        compose_project == Some(project) && label("com.docker.compose.service") == Some(&config.project.web);
    let published = Slot::BOTH.into_iter().find(|slot| publishes(*slot));
    let (slot, release) = match (of_slot, published) {
        (Some(slot), _) => (slot, label(LABEL_RELEASE).and_then(|id| ReleaseId::parse(id).ok())),
        (None, Some(slot)) if before_us && !one_off => (slot, None),
        (None, Some(slot)) if status == "running" => {
            observed.foreign.push((slot, name.trim_start_matches('/').to_owned()));
            return Ok(());
        }
        _ => return Ok(()),
    };
    observed.containers.push(Container {
        id: id.to_owned(),
        name: name.trim_start_matches('/').to_owned(),
        slot,
        release,
        status: status.to_owned(),
        health: health.to_owned(),
        restarts: restarts.parse().context("its restart count")?,
        started_at: started_at.to_owned(),
    });
    Ok(())
}

#[cfg(test)]
mod tests;
