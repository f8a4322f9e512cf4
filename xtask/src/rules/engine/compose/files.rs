//! The files of a deploy: what each service is in a slot, among the workers, among the accessories, for the build.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::images::{self, Origin};
use super::project::{Project, Resource, Service};
use super::{RenderInput, Roles, data, definition};
use crate::rules::release::{Slot, image, live_network, shut_network, slot_service};
use crate::rules::shared_constants::{LABEL_DEFINITION, LABEL_FOLDER, LABEL_PROJECT, LABEL_RELEASE, LABEL_SLOT};

/// The network of a slot: its name, and whether it is internal. It is so only where a worker is on nothing but internal networks:
/// docker looks a name up on those last, and while the first deploy takes over, the old web service has the same name elsewhere.
fn network_of_slot(rendering: &RenderInput, project: &Project, roles: &Roles) -> (String, bool) {
    let shut_in = |worker: &Service| worker.network_keys().iter().all(|key| project.is_internal(key));
    match roles.workers.iter().any(|(_, worker)| shut_in(worker)) {
        true => (shut_network(rendering.project, rendering.slot), true),
        false => (live_network(rendering.project, rendering.slot), false),
    }
}

pub fn slot_file(rendering: &RenderInput, project: &Project, roles: &Roles) -> String {
    let (live, internal) = network_of_slot(rendering, project, roles);
    let webs: Vec<(&str, &Service)> = roles.webs().collect();
    let first = (rendering.web, roles.web, rendering.slots, rendering.web_port);
    let further = roles.more_webs.iter().map(|(web, service)| (web.service.as_str(), *service, web.slots, web.port));
    let services = [first].into_iter().chain(further).map(|(name, web, slots, port)| {
        let mut body = released(rendering, name, web, roles);
        body.insert("ports".to_owned(), json!([format!("127.0.0.1:{}:{port}", slots.port(rendering.slot))]));
        body.remove("mac_address");
        let dependencies = among_webs(web, roles, rendering.slot);
        if !dependencies.is_empty() {
            body.insert("depends_on".to_owned(), Value::Object(dependencies));
        }
        if let Some(Value::String(hostname)) = body.get_mut("hostname") {
            // Docker makes a name of it on every network of the container, healthy or not.
            hostname.push_str(&format!("-{}", rendering.slot));
        }
        (slot_service(name, rendering.slot), with_networks(body, web, &live, &[name]))
    });
    let services = services.collect();
    let labels = json!({LABEL_PROJECT: rendering.project, LABEL_FOLDER: rendering.folder});
    let network = json!({"name": live, "internal": internal, "labels": labels});
    released_file(rendering, project, &webs, services, network)
}

/// What a web service waits for of the others, under the names that they have in the slot.
fn among_webs(web: &Service, roles: &Roles, slot: Slot) -> Map<String, Value> {
    let waited_for = web.dependencies().into_iter().filter(|other| roles.webs().any(|(name, _)| name == *other));
    let entry = |other: &str| (slot_service(other, slot), json!({"condition": web.condition_of(other)}));
    waited_for.map(entry).collect()
}

pub fn workers_file(rendering: &RenderInput, project: &Project, roles: &Roles) -> String {
    let (live, _) = network_of_slot(rendering, project, roles);
    let services = roles.workers.iter().map(|(name, worker)| {
        let mut body = released(rendering, name, worker, roles);
        // The old one has gone before the new one starts, so it can have its ports.
        body.extend(worker.ports.clone().map(|ports| ("ports".to_owned(), ports)));
        body.extend(worker.scale.map(|scale| ("scale".to_owned(), json!(scale))));
        ((*name).to_owned(), with_networks(body, worker, &live, &[]))
    });
    released_file(rendering, project, &roles.workers, services.collect(), json!({"name": live, "external": true}))
}

/// A service of the release: its image, labels and environment; without what ties it to the file it was taken from.
fn released(rendering: &RenderInput, name: &str, service: &Service, roles: &Roles) -> Map<String, Value> {
    let mut body = service.passed_on();
    body.insert("image".to_owned(), json!(images::names(rendering, roles)[name]));
    // No registry has it under this name.
    body.remove("pull_policy");
    if !service.has_restart() {
        body.insert("restart".to_owned(), json!("unless-stopped"));
    }
    let mut environment = service.environment.clone();
    environment.insert("RELEASE_ID".to_owned(), Some(rendering.release.to_string()));
    body.insert("environment".to_owned(), json!(environment));
    let mut labels = service.labels.clone();
    for (label, value) in [
        (LABEL_PROJECT, rendering.project),
        (LABEL_FOLDER, rendering.folder),
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
    rendering: &RenderInput,
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
    // v1 labels a network with its name, v2 with its key, and refuses one labelled otherwise: here they are the same.
    if let Some(name) = live["name"].as_str().map(str::to_owned) {
        networks.insert(name, live);
    }
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(bodies));
    file.insert("networks".to_owned(), Value::Object(networks));
    file.insert("volumes".to_owned(), Value::Object(external(keys(Service::volume_keys), &project.volumes)));
    file.extend(project.secrets_and_configs());
    text(file)
}

/// The accessories as the project has them. An accessory that is built keeps the image it was first built with, because a
/// deploy never restarts it.
pub fn base_file(
    project: &Project,
    roles: &Roles,
    definitions: &BTreeMap<String, String>,
    rendering: &RenderInput,
) -> String {
    let mut services = Map::new();
    // A one-shot has been waited for before, so nobody depends on it any more.
    let stays = |name: &str| {
        roles.accessories.iter().any(|(accessory, _)| *accessory == name) && !roles.one_shots.contains(name)
    };
    for (name, service) in roles.accessories() {
        let mut body = service.whole();
        if !rendering.has_fixed_names()
            && let Some(Value::String(fixed)) = body.remove("container_name")
        {
            called(&mut body, &fixed);
        }
        body.remove("profiles");
        if let Some(Value::Object(dependencies)) = body.get_mut("depends_on") {
            dependencies.retain(|dependency, _| stays(dependency));
        }
        if let Some(Value::Array(dependencies)) = body.get_mut("depends_on") {
            dependencies.retain(|dependency| dependency.as_str().is_some_and(stays));
        }
        if service.build.is_some() {
            // It is built with the release's images, by the context that has no `.env`.
            body.remove("build");
            body.remove("pull_policy");
            body.insert("image".to_owned(), json!(image_of_accessory(rendering, name, service)));
        }
        let mut labels = service.labels.clone();
        let own = [
            (LABEL_PROJECT, rendering.project),
            (LABEL_FOLDER, rendering.folder),
            (LABEL_DEFINITION, definitions[name].as_str()),
        ];
        labels.extend(own.map(|(label, value)| (label.to_owned(), Some(value.to_owned()))));
        body.insert("labels".to_owned(), json!(labels));
        services.insert(name.to_owned(), Value::Object(body));
    }
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(services));
    file.insert("networks".to_owned(), json!(project.networks));
    file.insert("volumes".to_owned(), json!(project.volumes));
    file.extend(project.secrets_and_configs());
    text(file)
}

/// Other containers reach it by this name on its networks, as they would if it were its own.
fn called(body: &mut Map<String, Value>, name: &str) {
    let Some(Value::Object(networks)) = body.get_mut("networks") else { return };
    for settings in networks.values_mut() {
        if settings.is_null() {
            *settings = json!({});
        }
        let Some(settings) = settings.as_object_mut() else { continue };
        match settings.get_mut("aliases") {
            Some(Value::Array(aliases)) => aliases.push(json!(name)),
            _ => drop(settings.insert("aliases".to_owned(), json!([name]))),
        }
    }
}

/// An accessory that is built keeps the image it was built with; one that is defined otherwise gets an image of its own.
pub fn image_of_accessory(rendering: &RenderInput, name: &str, service: &Service) -> String {
    let own = || format!("{}-{name}:{}", rendering.project, definition(service, rendering));
    service.image.clone().unwrap_or_else(own)
}

/// The folder that holds of a release what its commit has, and nothing else: no image can get at the `.env`.
pub fn build_file(rendering: &RenderInput, project: &Project, roles: &Roles) -> String {
    let (release_folder, context) =
        (rendering.release_folder(), format!("{}/releases/.build-{}", rendering.folder, rendering.release));
    let is_built =
        |name: &str, service: &Service| images::origin(rendering, name, service, roles) == Some(Origin::Built);
    let of_release = roles.released().filter(|(name, service)| is_built(name, service));
    let of_release =
        of_release.map(|(name, service)| (name, service, image(rendering.project, name, rendering.release)));
    let accessories =
        roles.accessories().map(|(name, service)| (name, service, image_of_accessory(rendering, name, service)));
    let built = of_release.chain(accessories).filter_map(|(name, service, image)| {
        let mut build = json!(service.build.as_ref()?);
        move_paths(&mut build, &release_folder, &context);
        Some((name.to_owned(), json!({"build": build, "image": image})))
    });
    let mut file = project.head();
    file.insert("services".to_owned(), Value::Object(built.collect()));
    file.extend(project.secrets_and_configs());
    text(file)
}

/// Lets every path below `from` lead below `to`.
fn move_paths(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            if let Some(path) = data::inside(text, from) {
                *text = if path.is_empty() { to.to_owned() } else { format!("{to}/{path}") };
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| move_paths(value, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|value| move_paths(value, from, to)),
        _ => {}
    }
}

fn text(file: Map<String, Value>) -> String {
    escaped(&format!("{:#}\n", Value::Object(file)))
}

/// JSON lets these letters stand for themselves. YAML does not: its readers refuse them, or take some for line ends and
/// make a blank of them. None has a meaning outside of a text, and all have four digits.
pub fn escaped(json: &str) -> String {
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
