//! From a project's compose file to the files of a deploy: accessories, images, one slot, workers.
//!
//! What is read is what `docker-compose config` printed (v1 YAML, v2 JSON): anchors, `extends`, several files and
//! variables are resolved there. Both print `$` as `$$`, as `up` reads it again, so values pass through unchanged; both
//! put the values of `env_file` into `environment`, so each file is a secret. The files are JSON, which every compose
//! reads as YAML and which needs no quoting rules of ours.

mod project;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::config::Slots;
use crate::release::{LABEL_PROJECT, LABEL_RELEASE, LABEL_SLOT, ReleaseId, Slot, image, live_network, slot_service};
use project::{Project, Resource, Service};

/// What the compose files of a release are rendered for.
pub struct Rendering<'a> {
    /// The base compose project.
    pub project: &'a str,
    pub web: &'a str,
    pub workers: &'a [String],
    /// The port of the web service inside its container.
    pub web_port: u16,
    pub release: &'a ReleaseId,
    pub slot: Slot,
    /// The slots' ports on the host's loopback.
    pub slots: Slots,
}

/// The rendered files, each a JSON text with values of the env file in it: 0600.
pub struct Files {
    /// Accessories; compose project `<project>`.
    pub base: String,
    /// Everything that is built, with its image names.
    pub build: String,
    /// The web service; compose project `<project>-<slot>`.
    pub slot: String,
    /// The workers; compose project `<project>-workers`.
    pub workers: Option<String>,
    /// Names of the accessories.
    pub accessories: Vec<String>,
    /// Services with an image of the release.
    pub built: Vec<String>,
    /// Key and name of each network and volume that slots and workers expect to find.
    pub networks: Vec<(String, String)>,
    pub volumes: Vec<(String, String)>,
    /// Kind and name of what the project expects and nobody here makes.
    pub externals: Vec<(&'static str, String)>,
    /// What a person should know: parts of the file that a slot cannot have.
    pub notes: Vec<String>,
}

/// `config` is what compose's `config` printed for the base project, run in the release's folder.
///
/// # Errors
/// When it is not a compose project, lacks a service that `deploy.toml` names, or has the web service do what two
/// versions of it cannot do side by side. No error holds a value of the file.
pub fn render(config: &str, rendering: &Rendering) -> Result<Files> {
    let mut project = Project::read(config)?;
    let named = |name: &str| name == rendering.web || rendering.workers.iter().any(|worker| worker == name);
    project.services.retain(|name, service| named(name) || service.wanted(project.active_profiles.as_deref()));
    let service = |name: &str| {
        project.services.get(name).with_context(|| {
            let there: Vec<&str> = project.services.keys().map(String::as_str).collect();
            format!(
                "there is no service `{name}`, which deploy.toml names; there are: {}. One that has `profiles` is there only \
                 while its profile is on: `COMPOSE_PROFILES` in the .env",
                there.join(", ")
            )
        })
    };
    let web = service(rendering.web)?;
    refuse_what_cannot_be_two(rendering.web, web)?;
    let workers =
        rendering.workers.iter().map(|name| Ok((name.as_str(), service(name)?))).collect::<Result<Vec<_>>>()?;
    for (name, worker) in &workers {
        refuse_unrendered(name, worker)?;
    }
    let of_release: Vec<(&str, &Service)> = [(rendering.web, web)].into_iter().chain(workers.iter().copied()).collect();
    let is_accessory = |name: &str| of_release.iter().all(|(released, _)| *released != name);
    let accessories: Vec<String> = project.services.keys().filter(|name| is_accessory(name)).cloned().collect();
    for name in &accessories {
        refuse_what_is_forgotten(name, &project.services[name], rendering.web, web)?;
    }
    for (name, service) in project.services.iter().filter(|(name, _)| *name != rendering.web) {
        refuse_a_port_of_a_slot(name, service, rendering.slots)?;
    }

    let used = |select: fn(&Service) -> Vec<String>| -> BTreeMap<String, ()> {
        of_release.iter().flat_map(|(_, service)| select(service)).map(|key| (key, ())).collect()
    };
    let expected = |keys: BTreeMap<String, ()>, resources: &BTreeMap<String, Option<Resource>>| {
        let owned = keys.into_keys().filter(|key| !Resource::external(resources, key));
        owned.map(|key| (key.clone(), Resource::name(resources, &key, rendering.project))).collect()
    };
    let live_network = live_network(rendering.project, rendering.slot);
    let worker_file = || {
        let services = workers.iter().map(|(name, worker)| {
            let mut body = released(rendering, name, worker, web);
            // The old one has gone before the new one starts, so it can have its ports.
            body.extend(worker.ports.clone().map(|ports| ("ports".to_owned(), ports)));
            ((*name).to_owned(), with_networks(body, worker, &live_network, &[]))
        });
        released_file(rendering, &project, &workers, services.collect(), json!({"external": true}))
    };
    let slot_port = rendering.slots.port(rendering.slot);
    let mut slot_body = released(rendering, rendering.web, web, web);
    slot_body.insert("ports".to_owned(), json!([format!("127.0.0.1:{slot_port}:{}", rendering.web_port)]));
    let slot_body = with_networks(slot_body, web, &live_network, &[rendering.web]);
    let slot_services = Map::from_iter([(slot_service(rendering.web, rendering.slot), slot_body)]);
    Ok(Files {
        base: base_file(&project, &accessories, rendering.project),
        build: build_file(rendering, &project, &of_release),
        slot: released_file(rendering, &project, &[(rendering.web, web)], slot_services, json!({})),
        workers: (!workers.is_empty()).then(worker_file),
        accessories,
        built: of_release
            .iter()
            .filter(|(_, service)| service.build.is_some())
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        networks: expected(used(Service::network_keys), &project.networks),
        volumes: expected(used(Service::volume_keys), &project.volumes),
        externals: externals(&project, rendering.project),
        notes: notes(rendering, web),
    })
}

/// What services use and this project does not make.
fn externals(project: &Project, base: &str) -> Vec<(&'static str, String)> {
    let used =
        |kind: &'static str, select: fn(&Service) -> Vec<String>, resources: &BTreeMap<String, Option<Resource>>| {
            let keys: BTreeSet<String> = project.services.values().flat_map(select).collect();
            let external = keys.iter().filter(|key| Resource::external(resources, key));
            external.map(|key| (kind, Resource::name(resources, key, base))).collect::<Vec<_>>()
        };
    let networks = used("external-network", Service::network_keys, &project.networks);
    networks.into_iter().chain(used("external-volume", Service::volume_keys, &project.volumes)).collect()
}

/// What of the web service's ports a slot does not have.
fn notes(rendering: &Rendering, web: &Service) -> Vec<String> {
    let (name, port) = (rendering.web, rendering.web_port);
    let ports = web.published();
    let mut notes: Vec<String> = ports
        .iter()
        .filter(|published| published.inside != port)
        .map(|published| {
            format!(
                "service `{name}` publishes port {} of its container too, which two versions cannot do at once: in a slot \
                 it is not published",
                published.inside
            )
        })
        .collect();
    if !ports.is_empty() && ports.iter().all(|published| published.inside != port) {
        notes.push(format!("service `{name}` is asked on port {port}, which it does not publish; `web_port` in deploy.toml says on which it listens"));
    }
    notes
}

/// A service of the release's own code that no deploy would renew: accessories stay as they are.
fn refuse_what_is_forgotten(name: &str, service: &Service, web_name: &str, web: &Service) -> Result<()> {
    let same_build = matches!((&service.build, &web.build), (Some(own), Some(webs)) if own.source() == webs.source());
    let same_image =
        service.build.is_none() && web.build.is_some() && service.image.is_some() && service.image == web.image;
    if same_build || same_image {
        bail!(
            "service `{name}` runs the same code as `{web_name}`, and deploy.toml names it nowhere, so it would keep its \
             first version for ever. Add it to `workers`, which are replaced at each deploy; or, if it is not for \
             servers, give it a profile (`profiles: [tools]`)"
        );
    }
    Ok(())
}

/// On a slot's port nobody else may listen.
fn refuse_a_port_of_a_slot(name: &str, service: &Service, slots: Slots) -> Result<()> {
    let ports = service.published();
    let taken = |slot: &Slot| ports.iter().any(|published| published.outside == Some(slots.port(*slot)));
    if let Some(slot) = Slot::BOTH.into_iter().find(taken) {
        bail!(
            "service `{name}` publishes port {}, which is that of slot {slot}: give the service another one (`ports` in \
             the compose file), or the slot (`[slots]` in deploy.toml)",
            slots.port(slot)
        );
    }
    Ok(())
}

/// What would let two versions of the web service collide.
fn refuse_what_cannot_be_two(name: &str, web: &Service) -> Result<()> {
    refuse_unrendered(name, web)?;
    let replicas = web.deploy.as_ref().and_then(|deploy| deploy.get("replicas")).and_then(Value::as_u64);
    for count in [replicas, web.scale].into_iter().flatten() {
        if count != 1 {
            bail!(
                "service `{name}` asks for {count} containers; a slot is one container on one port, so let the server inside it have more workers"
            );
        }
    }
    Ok(())
}

/// What refers to other services in ways that do not survive being taken out of the file.
fn refuse_unrendered(name: &str, service: &Service) -> Result<()> {
    if let Some(mode) = &service.network_mode {
        bail!(
            "service `{name}` has `network_mode: {mode}`; a deploy needs it on networks, where two versions are told apart"
        );
    }
    if service.rest.contains_key("volumes_from") {
        bail!("service `{name}` has `volumes_from`; name the volume or folder itself");
    }
    if let Some(alias) = service.links.iter().flatten().find(|link| link.contains(':')) {
        bail!("service `{name}` has the link `{alias}`; services find each other by their names, so use the name");
    }
    Ok(())
}

/// A service of the release: its image, labels and environment; without what ties it to the file it was taken from.
fn released(rendering: &Rendering, name: &str, service: &Service, web: &Service) -> Map<String, Value> {
    let mut body = service.passed_on();
    let shares_image = service.build.is_none() && service.image.is_some() && service.image == web.image;
    let of = match (&service.build, shares_image && web.build.is_some()) {
        (Some(_), _) => Some(name),
        (None, true) => Some(rendering.web),
        (None, false) => None,
    };
    let chosen =
        of.map(|service| image(rendering.project, service, rendering.release)).or_else(|| service.image.clone());
    body.insert("image".to_owned(), json!(chosen));
    let mut environment = service.environment.clone();
    environment.insert("RELEASE_ID".to_owned(), Some(rendering.release.to_string()));
    body.insert("environment".to_owned(), json!(environment));
    let mut labels = service.labels.clone();
    for (label, value) in [
        (LABEL_PROJECT, rendering.project),
        (LABEL_SLOT, rendering.slot.name()),
        (LABEL_RELEASE, rendering.release.as_str()),
    ] {
        labels.insert(label.to_owned(), Some(value.to_owned()));
    }
    body.insert("labels".to_owned(), json!(labels));
    body
}

/// The service's networks and the slot's own, on which alone it has `aliases` and those of its file: a name must lead to
/// a slot that is ready, and on the base network a container has its names as soon as it starts.
fn with_networks(mut body: Map<String, Value>, service: &Service, live: &str, aliases: &[&str]) -> Value {
    let mut networks = Map::new();
    let mut names: Vec<String> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
    for (key, settings) in service.networks_or_default() {
        let mut settings = settings.unwrap_or_default();
        if !aliases.is_empty() {
            let own = settings.remove("aliases").and_then(|own| serde_json::from_value::<Vec<String>>(own).ok());
            names.extend(own.unwrap_or_default());
            settings.remove("ipv4_address");
            settings.remove("ipv6_address");
        }
        networks.insert(key, Value::Object(settings));
    }
    networks.insert(live.to_owned(), if names.is_empty() { json!({}) } else { json!({ "aliases": names }) });
    body.insert("networks".to_owned(), Value::Object(networks));
    Value::Object(body)
}

/// A file of services of the release. Networks and volumes are those of the base project; the slot's own network is made
/// by the slot's file and found by the workers'.
fn released_file(
    rendering: &Rendering,
    project: &Project,
    services: &[(&str, &Service)],
    bodies: Map<String, Value>,
    live: Value,
) -> String {
    let external = |keys: Vec<String>, resources: &BTreeMap<String, Option<Resource>>| -> Map<String, Value> {
        let name = |key: &String| Resource::name(resources, key, rendering.project);
        keys.into_iter().map(|key| (key.clone(), json!({"external": true, "name": name(&key)}))).collect()
    };
    let keys = |select: fn(&Service) -> Vec<String>| services.iter().flat_map(|(_, service)| select(service)).collect();
    let mut networks = external(keys(Service::network_keys), &project.networks);
    let mut live = live;
    // v1 labels a network with its name, v2 with its key, and refuses one labelled otherwise: here they are the same.
    let name = live_network(rendering.project, rendering.slot);
    live["name"] = json!(name);
    networks.insert(name, live);
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(bodies));
    file.insert("networks".to_owned(), Value::Object(networks));
    file.insert("volumes".to_owned(), Value::Object(external(keys(Service::volume_keys), &project.volumes)));
    file.extend(project.secrets_and_configs());
    text(file)
}

/// The accessories as the project has them. An accessory that is built keeps the image it was first built with, because a
/// deploy never restarts it.
fn base_file(project: &Project, accessories: &[String], base: &str) -> String {
    let mut services = Map::new();
    for name in accessories {
        let Some(service) = project.services.get(name) else { continue };
        let mut body = service.whole();
        if let Some(Value::Object(dependencies)) = body.get_mut("depends_on") {
            dependencies.retain(|dependency, _| accessories.contains(dependency));
        }
        if let Some(Value::Array(dependencies)) = body.get_mut("depends_on") {
            dependencies
                .retain(|dependency| dependency.as_str().is_some_and(|name| accessories.iter().any(|a| a == name)));
        }
        if service.build.is_some() && service.image.is_none() {
            body.insert("image".to_owned(), json!(format!("{base}-{name}")));
        }
        services.insert(name.clone(), Value::Object(body));
    }
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(services));
    file.insert("networks".to_owned(), json!(project.networks));
    file.insert("volumes".to_owned(), json!(project.volumes));
    file.extend(project.secrets_and_configs());
    text(file)
}

fn build_file(rendering: &Rendering, project: &Project, services: &[(&str, &Service)]) -> String {
    let built = services.iter().filter_map(|(name, service)| {
        let build = service.build.as_ref()?;
        let image = image(rendering.project, name, rendering.release);
        Some(((*name).to_owned(), json!({"build": build, "image": image})))
    });
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(built.collect()));
    text(file)
}

fn text(file: Map<String, Value>) -> String {
    escaped(&format!("{:#}\n", Value::Object(file)))
}

/// JSON lets these letters stand for themselves. YAML does not: its readers refuse them, or take some for line ends and
/// make a blank of them. None has a meaning outside of a text, and all have four digits.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests;
