//! From a project's compose file to the files of a deploy: accessories, images, one slot, workers.
//!
//! What is read is what `docker-compose config` printed (v1 YAML, v2 JSON): anchors, `extends`, several files and
//! variables are resolved there. Both print `$` as `$$`, as `up` reads it again, so values pass through unchanged; both
//! put the values of `env_file` into `environment`, so each file is a secret. The files are JSON, which every compose
//! reads as YAML and which needs no quoting rules of ours.

mod build;
mod data;
mod dockerfile;
mod files;
mod images;
mod interpolation;
pub mod keys;
mod project;
pub mod proposal;
mod published;
mod refusals;
mod resources;
pub mod review;
mod start_period;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::rules::config::{GivenImage, Slots, Web};
use crate::rules::failure::Kind;
use crate::rules::release::{ReleaseId, Slot};
use files::{base_file, build_file, slot_file, workers_file};
use project::{Project, Service};

pub use data::{Commit, Shared};
pub use files::escaped;
pub use images::Pulled;
/// The names by which compose finds its file; of several this tool takes the first of these.
pub const FILE_NAMES: [&str; 4] = ["docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml"];

pub use interpolation::{required, split_values, undefined, variables};
pub use resources::{Made, MountedVolume};

/// What the compose files of a release are rendered for.
pub struct RenderInput<'a> {
    /// The environment's name: the base compose project.
    pub project: &'a str,
    /// That of the environment `prod`, as `[project]` names it. In others, names that docker knows once on a host are left out.
    pub production: &'a str,
    /// The environment's folder on the host.
    pub folder: &'a str,
    pub web: &'a str,
    /// Web services beside that one.
    pub more_webs: &'a [Web],
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
    /// Images that a command names in the place of the file's, by service.
    pub images: &'a BTreeMap<String, GivenImage>,
    /// Services that are left out.
    pub off: &'a [String],
    /// What the release's commit has.
    pub commit: &'a Commit,
    /// Where containers have what mounted from now: by service and target.
    pub found: &'a BTreeMap<(String, String), String>,
    /// Processors for which the host can run programs, as docker calls them. Empty: that is not known.
    pub processors: &'a BTreeSet<String>,
    /// Profiles that are on, where compose does not say by itself.
    pub profiles: Option<&'a str>,
}

impl RenderInput<'_> {
    /// The services of the release by name: web services first.
    fn is_released(&self, name: &str) -> bool {
        self.is_web(name) || self.workers.iter().any(|worker| worker == name)
    }

    /// Whether it is left out: by `off`, or because its profile is not on.
    fn is_off(&self, name: &str, service: &Service) -> bool {
        self.off.iter().any(|off| off == name) || !(self.is_released(name) || service.wanted(self.profiles))
    }

    /// Whether the compose file's names of containers are this environment's.
    fn has_fixed_names(&self) -> bool {
        self.project == self.production
    }

    fn is_web(&self, name: &str) -> bool {
        name == self.web || self.more_webs.iter().any(|web| web.service == name)
    }

    fn release_folder(&self) -> String {
        format!("{}/releases/{}", self.folder, self.release)
    }

    fn shared_place(&self, path: &str) -> String {
        format!("{}/shared/{path}", self.folder)
    }
}

/// The rendered files, each a JSON text with values of the env file in it: 0600.
#[derive(Default)]
pub struct RenderedCompose {
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
    /// Services whose image is built for the release.
    pub built: Vec<String>,
    /// The image of each service of the release.
    pub images: BTreeMap<String, String>,
    /// Those whose image a registry has.
    pub pulled: BTreeMap<String, Pulled>,
    /// Accessories that are built, once, each with its image.
    pub images_of_accessories: BTreeMap<String, String>,
    /// What the health check of a web service, its own, grants it to start.
    pub start_periods: BTreeMap<String, Duration>,
    /// Where services of the release have named volumes.
    pub volumes: Vec<MountedVolume>,
    /// Those of them that take the place of another one: with that one's name.
    pub replacing: Vec<(MountedVolume, String)>,
    /// Networks and volumes that slots and workers expect to find.
    pub made: Vec<Made>,
    /// What a host has once, by kind and name: `external-network`, `own-volume`, `own-container`, or `port-db` of the service `db`.
    pub resources: Vec<(String, String)>,
    pub shared: Vec<Shared>,
    /// What a person should know: parts of the file that a slot cannot have.
    pub notes: Vec<String>,
}

/// The services by what they are to a deploy.
struct Roles<'a> {
    web: &'a Service,
    web_name: &'a str,
    more_webs: Vec<(&'a Web, &'a Service)>,
    workers: Vec<(&'a str, &'a Service)>,
    accessories: Vec<(&'a str, &'a Service)>,
    /// Others depend on their completion.
    one_shots: BTreeSet<String>,
}

impl<'a> Roles<'a> {
    fn of(project: &'a Project, rendering: &RenderInput<'a>) -> Result<Roles<'a>> {
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
        let more_webs =
            rendering.more_webs.iter().map(|web| Ok((web, service(&web.service)?))).collect::<Result<Vec<_>>>()?;
        let accessories = project.services.iter().filter(|(name, _)| !rendering.is_released(name));
        let one_shots = project.services.values().flat_map(Service::completed_dependencies).collect();
        let accessories = accessories.map(|(name, service)| (name.as_str(), service)).collect();
        Ok(Roles { web, web_name: rendering.web, more_webs, workers, accessories, one_shots })
    }

    /// The web services, the first one first.
    fn webs(&self) -> impl Iterator<Item = (&'a str, &'a Service)> {
        let further = self.more_webs.iter().map(|(web, service)| (web.service.as_str(), *service));
        [(self.web_name, self.web)].into_iter().chain(further)
    }

    /// The web services and the workers.
    fn released(&self) -> impl Iterator<Item = (&'a str, &'a Service)> {
        self.webs().chain(self.workers.iter().copied())
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
pub fn render(config: &str, rendering: &RenderInput) -> Result<RenderedCompose> {
    let mut project = Project::read(config)?;
    let mut notes = unknown_off(&project, rendering);
    project.leave_out(|name, service| rendering.is_off(name, service));
    let refused = refusals::all(&project, &Roles::of(&project, rendering)?, rendering);
    if !refused.is_empty() {
        let refused: Vec<String> = refused.into_iter().map(|refusal| refusal.text).collect();
        return Err(Kind::Configuration.error(format!("a deploy cannot do this:\n- {}", refused.join("\n- "))));
    }
    project.forget_unused_secrets_and_configs();
    let shared = data::place(&mut project, rendering, &mut notes);
    notes.extend(refusals::unknown_keys(&project));
    let roles = Roles::of(&project, rendering)?;
    notes.extend(web_notes(rendering.web, rendering.web_port, roles.web));
    notes.extend(roles.more_webs.iter().flat_map(|(web, service)| web_notes(&web.service, web.port, service)));
    notes.extend(without_restart(&roles));
    notes.extend(secret_arguments(&project));
    let released: Vec<(&str, &Service)> = roles.released().collect();
    let (one_shots, accessories): (Vec<String>, Vec<String>) =
        roles.accessories().map(|(name, _)| name.to_owned()).partition(|name| roles.one_shots.contains(name));
    let one_shots = in_order(&project, one_shots);
    let definitions: BTreeMap<String, String> =
        roles.accessories().map(|(name, service)| (name.to_owned(), definition(service, rendering))).collect();
    Ok(RenderedCompose {
        base: base_file(&project, &roles, &definitions, rendering),
        build: build_file(rendering, &project, &roles),
        slot: slot_file(rendering, &project, &roles),
        workers: (!roles.workers.is_empty()).then(|| workers_file(rendering, &project, &roles)),
        start_periods: roles
            .webs()
            .filter_map(|(name, web)| Some((name.to_owned(), start_period::start_period(web)?)))
            .collect(),
        built: images::built(rendering, &roles),
        pulled: images::pulled(rendering, &roles),
        images: images::names(rendering, &roles),
        volumes: resources::volumes(&project, &released, rendering.project),
        replacing: Vec::new(),
        made: resources::made(&project, &released, rendering.project)?,
        resources: resources::used(&project, &roles, rendering),
        accessories,
        one_shots,
        images_of_accessories: roles
            .accessories()
            .filter(|(_, service)| service.build.is_some())
            .map(|(name, service)| (name.to_owned(), files::image_of_accessory(rendering, name, service)))
            .collect(),
        definitions,
        shared,
        notes,
    })
}

/// Compose v2 does not print a service whose profile is not on.
fn unknown_off(project: &Project, rendering: &RenderInput) -> Vec<String> {
    let unknown = rendering.off.iter().filter(|name| !project.services.contains_key(*name));
    unknown
        .map(|name| format!("`off` ([project] in deploy.toml) names `{name}`, and compose prints no such service"))
        .collect()
}

/// Those first that others of them wait for.
fn in_order(project: &Project, mut left: Vec<String>) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    while !left.is_empty() {
        let waits = |name: &String| {
            let dependencies = project.services.get(name).map(Service::dependencies).unwrap_or_default();
            dependencies.iter().any(|dependency| left.iter().any(|other| other == dependency && other != name))
        };
        // In a circle, which compose refuses, anyone is as good as another.
        let next = left.iter().position(|name| !waits(name)).unwrap_or_default();
        ordered.push(left.remove(next));
    }
    ordered
}

/// What of the web service's ports a slot does not have.
fn web_notes(name: &str, port: u16, web: &Service) -> Vec<String> {
    let ports = web.published();
    let mut notes: Vec<String> = ports
        .iter()
        .filter(|published| published.inside != port)
        .map(|published| {
            format!(
                "service `{name}` also publishes port {} of its container. Two versions cannot publish it at the same time, so a slot \
                 does not publish it",
                published.inside
            )
        })
        .collect();
    if !ports.is_empty() && ports.iter().all(|published| published.inside != port) {
        notes.push(format!("service `{name}` is asked on port {port}, which it does not publish; `web_port` in deploy.toml says on which it listens"));
    }
    notes
}

/// An image keeps the arguments it was built with, for everybody who has it.
fn secret_arguments(project: &Project) -> Vec<String> {
    let built = project.services.iter().filter_map(|(name, service)| Some((name, service.build.as_ref()?)));
    let told = built.flat_map(|(name, build)| {
        build.secret_arguments().into_iter().map(move |argument| {
            format!(
                "service `{name}` is built with the argument `{argument}`, and its image keeps the value where everybody who has the image \
                 reads it (`docker history`); if it is a secret, give it to the build as one (`secrets` below `build`, and \
                 `RUN --mount=type=secret` in the Dockerfile)"
            )
        })
    });
    told.collect()
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
fn definition(service: &Service, rendering: &RenderInput) -> String {
    let release_folder = rendering.release_folder();
    let mut body = Value::Object(service.whole()).to_string().replace(&release_folder, ".");
    // What it has mounted of the release is a part of what it is.
    for (path, _) in data::of_release(service, &release_folder) {
        body.push_str(&rendering.commit.fingerprint(&path));
    }
    // FNV-1a (RFC draft-eastlake-fnv): no secret can be read from it, and no program has to be started.
    let sum =
        body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests;
