//! Whose a container is. An environment on a host is its name and its folder: what carries both is its own, what carries the
//! name alone and no label of ours is from before the first deploy, all else is somebody else's.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::rules::config::Config;
use crate::rules::engine::compose::MountedVolume;
use crate::rules::release::{ReleaseId, Slot, slot_project, slot_service, workers_project};

use super::{Container, Foreign, Observed, Other};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
    #[serde(default)]
    destination: String,
    #[serde(default)]
    r#type: String,
    /// Of a volume.
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_port: String,
}

/// Labels, in the order in which the script prints them; one that a container lacks is empty.
struct Labels {
    project: String,
    folder: String,
    slot: String,
    release: String,
    definition: String,
    compose_project: String,
    service: String,
    one_off: bool,
    working_dir: String,
}

impl Labels {
    fn read(text: &str) -> Result<Labels> {
        let labels: Vec<String> = serde_json::from_str(text).context("its labels")?;
        let [project, folder, slot, release, definition, compose_project, service, one_off, working_dir] =
            <[String; 9]>::try_from(labels).ok().context("its labels")?;
        let one_off = one_off.eq_ignore_ascii_case("true");
        Ok(Labels { project, folder, slot, release, definition, compose_project, service, one_off, working_dir })
    }

    /// The folder of the environment it was made for. Before there was a label for it, its compose file lay in a release.
    fn made_for(&self) -> Option<&str> {
        let by_release = || Some(self.working_dir.split_once("/releases/")?.0);
        Some(self.folder.as_str()).filter(|folder| !folder.is_empty()).or_else(by_release)
    }
}

/// Whose a container is.
#[derive(PartialEq)]
enum Owner {
    /// This environment, or compose under its name before the first deploy.
    Us,
    Namesake(String),
    Tenant,
    Somebody,
}

fn owner(labels: &Labels, config: &Config, observed: &Observed) -> Owner {
    let name = config.project.name.as_str();
    let folders = [config.environment.folder.as_str(), observed.folder.as_str()];
    let named = labels.project == name || (labels.project.is_empty() && labels.compose_project == name);
    let here = labels.made_for().map(|folder| folders.contains(&folder));
    let app = config.project.app.trim_matches('/');
    let below = config.project.compose.first().and_then(|file| file.rsplit_once('/')).map_or("", |(folder, _)| folder);
    let places = [String::new(), format!("/{below}"), format!("/{app}"), format!("/{app}/{below}")];
    let lies_here = |folder: &str| {
        let rest = labels.working_dir.strip_prefix(folder).map(|rest| rest.trim_end_matches('/'));
        rest.is_some_and(|rest| places.iter().any(|place| place.trim_end_matches('/') == rest))
    };
    let by_hand_here = folders.into_iter().any(lies_here) && config.webs().any(|web| web == labels.service);
    match (named, here) {
        (true, Some(false)) => Owner::Namesake(labels.made_for().unwrap_or_default().to_owned()),
        (true, _) => Owner::Us,
        (false, Some(true)) => Owner::Tenant,
        (false, None) if by_hand_here => Owner::Tenant,
        (false, _) => Owner::Somebody,
    }
}

/// Reads the line of a container.
///
/// # Errors
/// Where it is not what the script prints.
pub fn read(fields: &[&str], config: &Config, observed: &mut Observed) -> Result<()> {
    let [_, id, name, status, health, restarts, started_at, labels, ports, mounts, _] = fields[..] else {
        bail!("a container with {} fields", fields.len());
    };
    let labels = Labels::read(labels)?;
    let name = name.trim_start_matches('/').to_owned();
    let mounts: Option<Vec<Mount>> = serde_json::from_str(mounts).context("its mounts")?;
    let mounts = mounts.unwrap_or_default();
    let owner = owner(&labels, config, observed);
    let slot_of_ours = Slot::from_name(&labels.slot).filter(|slot| {
        owner == Owner::Us
            && labels.project == config.project.name
            && !labels.one_off
            && labels.compose_project == slot_project(&config.project.name, *slot)
    });
    // A stopped container of ours is made anew where it is needed; one of anybody else may start again.
    if slot_of_ours.is_none() || status == "running" {
        observed.mounted.extend(mounted(&mounts, config, observed));
    }
    let ports = host_ports(ports)?;
    let web = web_of(&labels, slot_of_ours);
    let published = published(&ports, config);
    let running = status == "running";
    match &owner {
        Owner::Namesake(folder) => observed.namesakes.push((name.clone(), folder.clone())),
        Owner::Tenant => {
            let project = if labels.project.is_empty() { &labels.compose_project } else { &labels.project };
            observed.tenants.push((name.clone(), project.clone()));
        }
        Owner::Us | Owner::Somebody => {}
    }
    let binds = binds(&mounts);
    if owner == Owner::Us && running && !labels.one_off {
        observed.mounted_volumes.extend(named_volumes(&mounts, &web));
    }
    let is_web = config.webs().any(|web| web == labels.service);
    // Started by compose, or as an accessory before it became a web service.
    let before_us = owner == Owner::Us && labels.compose_project == config.project.name && is_web;
    let (slot, release) = match (slot_of_ours, published) {
        (Some(slot), _) => (slot, ReleaseId::parse(&labels.release).ok()),
        (None, Some((slot, _))) if before_us && !labels.one_off => (slot, None),
        (None, Some((slot, port))) if running && owner != Owner::Us => {
            let compose_project = Some(labels.compose_project).filter(|project| !project.is_empty());
            observed.foreign.push(Foreign { slot, port, container: name, compose_project });
            return Ok(());
        }
        _ if owner == Owner::Us && !labels.one_off && !labels.service.is_empty() => {
            observed.others.push(Other { ports, ..other(fields, labels, binds, config) });
            return Ok(());
        }
        _ => return Ok(()),
    };
    let container = Container {
        id: id.to_owned(),
        name,
        slot,
        release,
        status: status.to_owned(),
        health: health.to_owned(),
        restarts: restarts.parse().context("its restart count")?,
        started_at: started_at.to_owned(),
        ports,
        binds,
    };
    observed.more_containers.push((web, container));
    Ok(())
}

/// The slot of which a container has a port, of any web service, and that port.
fn published(ports: &[u16], config: &Config) -> Option<(Slot, u16)> {
    let slots = [config.slots].into_iter().chain(config.more_webs.iter().map(|web| web.slots));
    let of_slots = slots.flat_map(|slots| Slot::BOTH.map(|slot| (slot, slots.port(slot))));
    of_slots.into_iter().find(|(_, port)| ports.contains(port))
}

/// The web service that a container runs: in a slot, or as compose started it before the first deploy.
fn web_of(labels: &Labels, slot: Option<Slot>) -> String {
    let service = labels.service.as_str();
    let end = slot.map(|slot| slot_service("", slot)).unwrap_or_default();
    service.strip_suffix(end.as_str()).unwrap_or(service).to_owned()
}

/// Once the releases are known too: which containers are of the first web service. A release says itself which one that was, whatever
/// the services are called by now.
pub fn tell_webs_apart(config: &Config, observed: &mut Observed) {
    let all = std::mem::take(&mut observed.more_containers);
    for (service, container) in all {
        let release = container.release.as_ref().and_then(|id| observed.release(id)?.settings.as_ref());
        let is_first = match release {
            Some(settings) => settings.web() == service,
            None => !config.more_webs.iter().any(|web| web.service == service),
        };
        match is_first {
            true => observed.containers.push(container),
            false => observed.more_containers.push((service, container)),
        }
    }
}

/// A container of the environment that is in no slot.
fn other(fields: &[&str], labels: Labels, binds: Vec<(String, String)>, config: &Config) -> Other {
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let (exit_code, restart_policy) = field(10).split_once(' ').unwrap_or((field(10), ""));
    Other {
        worker: labels.compose_project == workers_project(&config.project.name),
        unmanaged: labels.compose_project != workers_project(&config.project.name)
            && (config.webs().any(|web| web == labels.service) || config.project.workers.contains(&labels.service)),
        service: labels.service,
        id: field(1).to_owned(),
        name: field(2).trim_start_matches('/').to_owned(),
        status: field(3).to_owned(),
        health: field(4).to_owned(),
        restarts: field(5).parse().unwrap_or_default(),
        exit_code: exit_code.parse().unwrap_or_default(),
        restart_policy: restart_policy.to_owned(),
        ports: Vec::new(),
        definition: Some(labels.definition).filter(|definition| !definition.is_empty()),
        binds,
    }
}

/// Target and source.
fn binds(mounts: &[Mount]) -> Vec<(String, String)> {
    let binds = mounts.iter().filter(|mount| mount.r#type == "bind");
    binds.map(|mount| (mount.destination.clone(), mount.source.clone())).collect()
}

fn named_volumes(mounts: &[Mount], service: &str) -> Vec<MountedVolume> {
    // One without a name of its own has 64 hexadecimal digits, and goes with its container.
    let has_name = |name: &str| name.len() != 64 || !name.bytes().all(|b| b.is_ascii_hexdigit());
    let volumes = mounts.iter().filter(|mount| mount.r#type == "volume" && has_name(&mount.name));
    volumes
        .map(|mount| MountedVolume {
            service: service.to_owned(),
            target: mount.destination.clone(),
            name: mount.name.clone(),
        })
        .collect()
}

/// Releases whose files a container has mounted.
fn mounted(mounts: &[Mount], config: &Config, observed: &Observed) -> Vec<ReleaseId> {
    let folders = [&config.environment.folder, &observed.folder].map(|folder| format!("{folder}/releases/"));
    let inside =
        |source: &str| folders.iter().find_map(|folder| source.strip_prefix(folder.as_str()).map(str::to_owned));
    let releases = mounts.iter().filter_map(|mount| inside(&mount.source));
    releases.filter_map(|path| ReleaseId::parse(path.split('/').next().unwrap_or_default()).ok()).collect()
}

/// The ports of the host that a container publishes.
fn host_ports(ports: &str) -> Result<Vec<u16>> {
    let ports: Option<BTreeMap<String, Option<Vec<Binding>>>> = serde_json::from_str(ports).context("its ports")?;
    let bindings = ports.unwrap_or_default().into_values().flatten().flatten();
    Ok(bindings.filter_map(|binding| binding.host_port.parse().ok()).collect())
}
