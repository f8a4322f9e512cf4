//! `status`: what serves, and whether nginx, containers and record agree.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::rules::config::{Config, SwitchMode};
use crate::rules::host::observed::{Container, Observed, Other};
use crate::rules::host::preflight;
use crate::rules::maintenance::Closed;
use crate::rules::public_site::PublicSite;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::report::Report;

#[derive(Debug, Serialize)]
pub struct Status {
    pub environment: String,
    pub url: String,
    pub mode: Option<SwitchMode>,
    pub live_slot: Option<Slot>,
    pub live_release: Option<ReleaseId>,
    pub slots: Vec<SlotStatus>,
    pub workers: Vec<Other>,
    pub accessories: Vec<Other>,
    /// Releases on the host, the latest that served first, then those that never did.
    pub releases: Vec<ReleaseId>,
    /// How many of those never came to serve well.
    pub never_served: usize,
    pub disk_free: u64,
    /// The site as its users reach it; what is wrong there is no problem of the host.
    pub public: Option<PublicSite>,
    /// The site is closed by `maintenance on`.
    pub maintenance: Option<Closed>,
    /// Where things do not agree. Empty: there is no problem.
    pub problems: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct SlotStatus {
    pub slot: Slot,
    pub port: u16,
    pub live: bool,
    /// What runs there waits for `promote`.
    pub held: bool,
    /// The share of all clients that it has all the same, in hundredths.
    pub share: Option<u8>,
    pub container: Option<Container>,
    /// Of further web services.
    pub further: BTreeMap<String, Container>,
}

/// `site`: what a request through nginx gave, or why it counts as unhealthy.
pub fn status(config: &Config, observed: &Observed, site: Result<(), String>) -> Status {
    let live = observed.live();
    let slots: Vec<SlotStatus> = Slot::BOTH
        .into_iter()
        .map(|slot| SlotStatus {
            slot,
            port: config.slots.port(slot),
            live: live == Some(slot),
            held: observed.held().is_some_and(|(held, _)| held == slot),
            share: observed.shares.get(&slot).copied().filter(|_| live != Some(slot)),
            container: observed.occupant(slot).cloned(),
            further: observed.further(slot).cloned().collect(),
        })
        .collect();
    let mut releases: Vec<ReleaseId> =
        observed.known_good_releases().into_iter().map(|release| release.id.clone()).collect();
    releases.extend(
        observed.releases.iter().filter(|release| release.known_good_at.is_none()).map(|release| release.id.clone()),
    );
    let never_served = observed.releases.iter().filter(|release| release.known_good_at.is_none()).count();
    Status {
        never_served,
        environment: config.environment.name.clone(),
        url: config.environment.url.to_string(),
        mode: observed.switching,
        live_slot: live,
        live_release: observed.live_release().cloned(),
        slots,
        workers: observed.others.iter().filter(|other| other.worker).cloned().collect(),
        accessories: observed.others.iter().filter(|other| !other.worker && !other.unmanaged).cloned().collect(),
        releases,
        disk_free: observed.disk_free,
        public: None,
        maintenance: observed.maintenance.clone(),
        problems: problems(config, observed, site),
    }
}

fn problems(config: &Config, observed: &Observed, site: Result<(), String>) -> Vec<String> {
    let mut problems = Vec::new();
    if observed.podman {
        problems.push(preflight::PODMAN.to_owned());
    } else if let Some(problem) = &observed.docker_problem {
        problems.push(format!("docker does not answer: {problem}"));
    }
    if !observed.nginx_running {
        problems.push("nginx does not run".to_owned());
    }
    problems.extend(preflight::whose(config, observed));
    problems.extend(preflight::standing_problems(config, observed));
    problems.extend(preflight::bypasses(observed));
    problems.extend(observed.unwell(true));
    problems.extend(missing_workers(config, observed));
    problems.extend(observed.unwell(false));
    if observed.switching.is_none() {
        problems.push(format!("{} does not route to the slots", config.environment.nginx.site_file));
    }
    match (observed.running_slot, observed.configured_slot) {
        (Some(running_slot), Some(configured_slot)) if running_slot != configured_slot => {
            problems.push(format!(
                "nginx obeys slot {running_slot}, but its file names {configured_slot}: a reload would move the traffic"
            ));
        }
        (Some(running_slot), None) if observed.switching == Some(SwitchMode::Reload) => problems.push(format!(
            "nginx obeys slot {running_slot}, but the upstream file {} names no slot any more; the next deploy rewrites it",
            config.environment.nginx.upstream_file
        )),
        _ => {}
    }
    match observed.live().map(|slot| (slot, observed.occupant(slot))) {
        None => problems.push("no slot is live".to_owned()),
        Some((slot, None)) => problems.push(format!("slot {slot} is live and nothing runs in it")),
        Some((slot, Some(container))) if !container.running() => {
            problems.push(format!("slot {slot} is live and its container {} is {}", container.name, container.status));
        }
        Some((slot, Some(container))) => {
            if container.restarts > 0 {
                problems.push(format!("the container of live slot {slot} has restarted {} times", container.restarts));
            }
            problems.extend(recorded(observed, container));
            let restarted =
                observed.further(slot).filter(|(_, container)| container.running() && container.restarts > 0);
            problems.extend(restarted.map(|(service, container)| {
                format!("the container of `{service}` in live slot {slot} has restarted {} times", container.restarts)
            }));
        }
    }
    problems.extend(missing_webs(config, observed));
    let held = observed.held().map(|(slot, _)| slot);
    let led: BTreeSet<Slot> = observed.previews.iter().chain(observed.shares.keys()).copied().collect();
    problems.extend(led.into_iter().filter(|slot| Some(*slot) != held).map(|slot| {
        format!("some requests are still led to slot {slot}, where nothing is held any more; the next deploy ends that")
    }));
    if let Err(problem) = site {
        problems.push(problem);
    }
    problems
}

/// Further web services that do not serve with the first one.
fn missing_webs(config: &Config, observed: &Observed) -> Vec<String> {
    let (Some(live), Some(release)) = (observed.live(), observed.live_release()) else { return Vec::new() };
    let missing = observed.missing_in(config, live, Some(release)).into_iter();
    missing
        .map(|service| {
            format!(
                "the web service {service} of release {release} does not run in live slot {live}; a deploy starts it"
            )
        })
        .collect()
}

/// Workers that should run beside the live release and are not there at all.
fn missing_workers(config: &Config, observed: &Observed) -> Vec<String> {
    let deployed = observed.live_release().is_some();
    let missing =
        config.project.workers.iter().filter(|worker| {
            deployed && !observed.others.iter().any(|other| other.worker && other.service == **worker)
        });
    missing.map(|worker| format!("the worker {worker} does not run: it has no container")).collect()
}

/// The record is never an input to a decision, but a person wants to know when it tells something else.
fn recorded(observed: &Observed, live: &Container) -> Option<String> {
    let record: Report = serde_json::from_str(observed.last_record.as_deref()?).ok()?;
    let recorded = record.serves?;
    let serves = live.release.as_ref().map_or("none", ReleaseId::as_str);
    (recorded.as_str() != serves)
        .then(|| format!("the record's last line says release {recorded} serves, but it is {serves}"))
}

impl Status {
    pub fn describe(&self) -> String {
        let mode = self.mode.map(|mode| mode.to_string()).unwrap_or_else(|| "unknown".to_owned());
        let mut lines = vec![format!("environment  {} ({}, {mode} mode)", self.environment, self.url)];
        for slot in &self.slots {
            let mark = match (slot.live, slot.held) {
                (true, _) => "live",
                (false, true) => "held",
                (false, false) => "    ",
            };
            let state = slot.container.as_ref().map_or("empty".to_owned(), |container| {
                let release = container.release.as_ref().map_or("an unmanaged container", ReleaseId::as_str);
                let health = if container.health.is_empty() || !container.running() {
                    String::new()
                } else {
                    format!(", {}", container.health)
                };
                let since = container.started_at.split('.').next().unwrap_or_default();
                format!("{release}  {}{health}, started {since}Z", container.status)
            });
            let share = slot.share.map(|percent| format!("; {percent}% of all clients")).unwrap_or_default();
            lines.push(format!("{:<11}  {mark} {} {state}{share}", format!("slot {}", slot.slot), slot.port));
            let further = slot.further.iter().filter(|(_, container)| container.running());
            lines.extend(further.map(|(service, container)| format!("{:<18}{service} {}", "", container.status)));
        }
        for (what, others) in [("workers", &self.workers), ("accessories", &self.accessories)] {
            let told: Vec<String> = others.iter().map(|other| format!("{} {}", other.service, other.status)).collect();
            if !told.is_empty() {
                lines.push(format!("{what:<11}  {}", told.join(", ")));
            }
        }
        let good = self.releases.len() - self.never_served;
        let told = |(number, release): (usize, &ReleaseId)| match number < good {
            true => release.to_string(),
            false => format!("{release} (never served)"),
        };
        let releases: Vec<String> = self.releases.iter().enumerate().map(told).collect();
        lines.push(format!(
            "releases     {}",
            if releases.is_empty() { "none".to_owned() } else { releases.join(", ") }
        ));
        if let Some(closed) = &self.maintenance {
            lines.push(format!("maintenance  {}", closed.describe()));
        }
        if let Some(public) = &self.public {
            lines.push(format!("public       {}", public.describe()));
        }
        lines.push(match self.problems.is_empty() {
            true => "all agree    nginx, containers and record".to_owned(),
            false => format!("problems     {}", self.problems.join("\n             ")),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{config, container, server};

    #[test]
    fn a_status_reads_like_this() {
        let mut observed = server(Slot::Blue, 2);
        for (service, worker) in [("mailer", true), ("db", false)] {
            let status = "running".to_owned();
            observed.others.push(Other { service: service.to_owned(), status, worker, ..Other::default() });
        }
        observed.containers.iter_mut().for_each(|one| one.started_at = "2026-01-31T17:45:02.5Z".to_owned());
        insta::assert_snapshot!("all_agree", status(&config(), &observed, Ok(())).describe());
        let mut held = observed.clone();
        held.containers
            .push(Container { started_at: "2026-02-01T08:00:00Z".to_owned(), ..container(Slot::Green, 9, "running") });
        held.previews.insert(Slot::Green);
        insta::assert_snapshot!("held", status(&config(), &held, Ok(())).describe());
        observed.previews.insert(Slot::Green);
        observed.containers = vec![Container { release: None, ..container(Slot::Blue, 1, "running") }];
        observed.configured_slot = Some(Slot::Green);
        let site = Err("https://shop.example/health does not answer".to_owned());
        insta::assert_snapshot!("problems", status(&config(), &observed, site).describe());
    }

    #[test]
    fn a_record_that_tells_something_else_is_a_problem_and_one_that_cannot_be_read_is_none() {
        let told = |record: &str| {
            let observed = Observed { last_record: Some(record.to_owned()), ..server(Slot::Blue, 2) };
            status(&config(), &observed, Ok(())).problems.iter().any(|problem| problem.contains("the record"))
        };
        let record = |serves: u32| {
            format!(
                r#"{{"command":"deploy","environment":"prod","url":"u","by":"b","started_at":"s","release":"20260131-174502-1a2b3c4",
                "from_release":null,"slot":"blue","serves":"20260131-1745{serves:02}-1a2b3c4","outcome":{{"result":"succeeded"}},
                "undone":[],"stages":[],"seconds":1.0,"receipt":null,"commands":0,"run_url":null}}"#
            )
        };
        assert!(!told(&record(2)) && told(&record(1)));
        assert!(!told("{") && !told("") && !told("{\"serves\":7}"));
    }
}
