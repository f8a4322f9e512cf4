//! From a project's compose file to the files of a deploy: accessories, images, one slot, workers.
//!
//! What is read is what `docker-compose config` printed (v1 YAML, v2 JSON): anchors, `extends`, several files and
//! variables are resolved there. Both print `$` as `$$`, as `up` reads it again, so values pass through unchanged; both
//! put the values of `env_file` into `environment`, so each file is a secret. The files are JSON, which every compose
//! reads as YAML and which needs no quoting rules of ours.

mod data;
mod interpolation;
pub mod keys;
mod project;
mod refusals;
mod resources;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::config::Slots;
use crate::failure::Kind;
use crate::release::{
    LABEL_DEFINITION, LABEL_FOLDER, LABEL_PROJECT, LABEL_RELEASE, LABEL_SLOT, ReleaseId, Slot, image, live_network,
    slot_service,
};
use project::{Project, Resource, Service};

pub use data::{Commit, Shared};
pub use interpolation::undefined;
pub use resources::Made;

/// What the compose files of a release are rendered for.
pub struct Rendering<'a> {
    /// The environment's name: the base compose project.
    pub project: &'a str,
    /// The environment's folder on the host.
    pub folder: &'a str,
    pub web: &'a str,
    pub workers: &'a [String],
    /// Accessories that `deploy.toml` names as such.
    pub declared_accessories: &'a [String],
    /// Paths that `deploy.toml` says outlive releases.
    pub shared: &'a [String],
    /// The port of the web service inside its container.
    pub web_port: u16,
    pub release: &'a ReleaseId,
    pub slot: Slot,
    /// The slots' ports on the host's loopback.
    pub slots: Slots,
    /// Ports that nginx has.
    pub nginx_ports: &'a [u16],
    /// What the release's commit has.
    pub commit: &'a Commit,
    /// Where containers have what mounted from now: by service and target.
    pub found: &'a BTreeMap<(String, String), String>,
    /// Profiles that are on, where compose does not say by itself.
    pub profiles: Option<&'a str>,
}

impl Rendering<'_> {
    fn release_folder(&self) -> String {
        format!("{}/releases/{}", self.folder, self.release)
    }

    fn shared_place(&self, path: &str) -> String {
        format!("{}/shared/{path}", self.folder)
    }
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
    /// Names of the accessories that stay.
    pub accessories: Vec<String>,
    /// Accessories that run once and end, before those that wait for them.
    pub one_shots: Vec<String>,
    /// What each accessory is defined as, to be compared with what runs.
    pub definitions: BTreeMap<String, String>,
    /// Services with an image of the release.
    pub built: Vec<String>,
    /// Targets of the named volumes of each of them.
    pub volume_targets: BTreeMap<String, Vec<String>>,
    /// Networks and volumes that slots and workers expect to find.
    pub made: Vec<Made>,
    /// Kind and name of what the project expects and nobody here makes.
    pub externals: Vec<(&'static str, String)>,
    pub shared: Vec<Shared>,
    /// What a person should know: parts of the file that a slot cannot have.
    pub notes: Vec<String>,
}

/// The services by what they are to a deploy.
struct Roles<'a> {
    web: &'a Service,
    web_name: &'a str,
    workers: Vec<(&'a str, &'a Service)>,
    accessories: Vec<(&'a str, &'a Service)>,
    /// Others depend on their completion.
    one_shots: BTreeSet<String>,
}

impl<'a> Roles<'a> {
    fn of(project: &'a Project, rendering: &Rendering<'a>) -> Result<Roles<'a>> {
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
        let workers =
            rendering.workers.iter().map(|name| Ok((name.as_str(), service(name)?))).collect::<Result<Vec<_>>>()?;
        let is_accessory = |name: &str| name != rendering.web && workers.iter().all(|(worker, _)| *worker != name);
        let accessories = project.services.iter().filter(|(name, _)| is_accessory(name));
        let one_shots = project.services.values().flat_map(Service::completed_dependencies).collect();
        let accessories = accessories.map(|(name, service)| (name.as_str(), service)).collect();
        Ok(Roles { web, web_name: rendering.web, workers, accessories, one_shots })
    }

    /// The web service and the workers.
    fn released(&self) -> impl Iterator<Item = (&'a str, &'a Service)> {
        [(self.web_name, self.web)].into_iter().chain(self.workers.iter().copied())
    }

    fn accessories(&self) -> impl Iterator<Item = (&'a str, &'a Service)> {
        self.accessories.iter().copied()
    }
}

/// `config` is what compose's `config` printed for the base project, run in the release's folder.
///
/// # Errors
/// When it is not a compose project, lacks a service that `deploy.toml` names, or has what a deploy cannot do: all of it
/// together. No error holds a value of the file.
pub fn render(config: &str, rendering: &Rendering) -> Result<Files> {
    let mut project = Project::read(config)?;
    let named = |name: &str| name == rendering.web || rendering.workers.iter().any(|worker| worker == name);
    project.services.retain(|name, service| named(name) || service.wanted(rendering.profiles));
    let refused = refusals::all(&project, &Roles::of(&project, rendering)?, rendering);
    if !refused.is_empty() {
        return Err(Kind::Configuration.error(format!("a deploy cannot do this:\n- {}", refused.join("\n- "))));
    }
    let mut notes = Vec::new();
    let shared = data::place(&mut project, rendering, &mut notes)?;
    notes.extend(refusals::unknown_keys(&project));
    let roles = Roles::of(&project, rendering)?;
    notes.extend(web_notes(rendering, roles.web));
    notes.extend(without_restart(&roles));
    let released: Vec<(&str, &Service)> = roles.released().collect();
    let (one_shots, accessories): (Vec<String>, Vec<String>) =
        roles.accessories().map(|(name, _)| name.to_owned()).partition(|name| roles.one_shots.contains(name));
    let definitions: BTreeMap<String, String> =
        roles.accessories().map(|(name, service)| (name.to_owned(), definition(service, rendering))).collect();
    let built = released.iter().filter(|(_, service)| service.build.is_some());
    Ok(Files {
        base: base_file(&project, &roles, &definitions, rendering),
        build: build_file(rendering, &project, &released),
        slot: slot_file(rendering, &project, roles.web),
        workers: (!roles.workers.is_empty()).then(|| workers_file(rendering, &project, &roles)),
        built: built.map(|(name, _)| (*name).to_owned()).collect(),
        volume_targets: released.iter().map(|(name, service)| ((*name).to_owned(), service.volume_targets())).collect(),
        made: resources::made(&project, &released, rendering.project)?,
        externals: resources::externals(&project, rendering.project),
        accessories,
        one_shots,
        definitions,
        shared,
        notes,
    })
}

fn slot_file(rendering: &Rendering, project: &Project, web: &Service) -> String {
    let slot_port = rendering.slots.port(rendering.slot);
    let live = live_network(rendering.project, rendering.slot);
    let mut body = released(rendering, rendering.web, web, web);
    body.insert("ports".to_owned(), json!([format!("127.0.0.1:{slot_port}:{}", rendering.web_port)]));
    body.remove("mac_address");
    if let Some(Value::String(hostname)) = body.get_mut("hostname") {
        // Docker makes a name of it on every network of the container, healthy or not.
        hostname.push_str(&format!("-{}", rendering.slot));
    }
    let body = with_networks(body, web, &live, &[rendering.web]);
    let services = Map::from_iter([(slot_service(rendering.web, rendering.slot), body)]);
    // It leads to the slot and nowhere else, so that a worker on an internal network stays shut in.
    let labels = json!({LABEL_PROJECT: rendering.project, LABEL_FOLDER: rendering.folder});
    released_file(rendering, project, &[(rendering.web, web)], services, json!({"internal": true, "labels": labels}))
}

fn workers_file(rendering: &Rendering, project: &Project, roles: &Roles) -> String {
    let live = live_network(rendering.project, rendering.slot);
    let services = roles.workers.iter().map(|(name, worker)| {
        let mut body = released(rendering, name, worker, roles.web);
        // The old one has gone before the new one starts, so it can have its ports.
        body.extend(worker.ports.clone().map(|ports| ("ports".to_owned(), ports)));
        body.extend(worker.scale.map(|scale| ("scale".to_owned(), json!(scale))));
        ((*name).to_owned(), with_networks(body, worker, &live, &[]))
    });
    released_file(rendering, project, &roles.workers, services.collect(), json!({"external": true}))
}

/// What of the web service's ports a slot does not have.
fn web_notes(rendering: &Rendering, web: &Service) -> Vec<String> {
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

fn without_restart(roles: &Roles) -> Option<String> {
    let gone = |service: &Service| !service.restarts();
    let names: Vec<&str> = roles
        .accessories()
        .filter(|(name, service)| gone(service) && !roles.one_shots.contains(*name))
        .map(|(name, _)| name)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "after a reboot nothing starts these accessories, which have no `restart` in the compose file: {}",
            names.join(", ")
        )
    })
}

/// What an accessory is, apart from the release in whose folder its files lie: the same text for the same definition.
fn definition(service: &Service, rendering: &Rendering) -> String {
    let release_folder = rendering.release_folder();
    let body = Value::Object(service.whole()).to_string().replace(&release_folder, ".");
    // FNV-1a (RFC draft-eastlake-fnv): no secret can be read from it, and no program has to be started.
    let sum =
        body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{sum:016x}")
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
    if of.is_some() {
        // There is no registry that has it.
        body.remove("pull_policy");
    }
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
fn base_file(
    project: &Project,
    roles: &Roles,
    definitions: &BTreeMap<String, String>,
    rendering: &Rendering,
) -> String {
    let mut services = Map::new();
    // A one-shot has been waited for before, so nobody depends on it any more.
    let stays = |name: &str| {
        roles.accessories.iter().any(|(accessory, _)| *accessory == name) && !roles.one_shots.contains(name)
    };
    for (name, service) in roles.accessories() {
        let mut body = service.whole();
        body.remove("profiles");
        if let Some(Value::Object(dependencies)) = body.get_mut("depends_on") {
            dependencies.retain(|dependency, _| stays(dependency));
        }
        if let Some(Value::Array(dependencies)) = body.get_mut("depends_on") {
            dependencies.retain(|dependency| dependency.as_str().is_some_and(stays));
        }
        if service.build.is_some() && service.image.is_none() {
            body.insert("image".to_owned(), json!(format!("{}-{name}", rendering.project)));
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

/// The folder that holds of a release what its commit has, and nothing else: no image can get at the `.env`.
fn build_file(rendering: &Rendering, project: &Project, services: &[(&str, &Service)]) -> String {
    let (release_folder, context) =
        (rendering.release_folder(), format!("{}/releases/.build-{}", rendering.folder, rendering.release));
    let built = services.iter().filter_map(|(name, service)| {
        let mut build = json!(service.build.as_ref()?);
        move_paths(&mut build, &release_folder, &context);
        let image = image(rendering.project, name, rendering.release);
        Some(((*name).to_owned(), json!({"build": build, "image": image})))
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
