//! The compose files of a release: read by the host's compose, kept with the release, built from.

use std::time::Duration;

use super::text::{MINUTES, SHORT, bundle, changing, checking, script};
use super::{Input, Script};
use crate::rules::config::Config;
use crate::rules::engine::compose::RenderedCompose;
use crate::rules::release::{ReleaseId, Slot, image, own_projects, slot_file, workers_file};
use crate::rules::secret::Secret;
use crate::rules::shared_constants::{BASE_FILE, BUILD_FILE};

/// Prints the rendered compose project, and keeps it with the release.
pub fn compose_config(config: &Config, release: &ReleaseId, compose: &str) -> Script {
    project(config, release, compose, "fresh", "read the compose files")
}

/// Prints the compose project that was stored with a release, once its files have been checked; [`crate::rules::shared_constants::FILES_NOT_AS_SHIPPED`] otherwise.
pub fn stored_project(config: &Config, release: &ReleaseId, compose: &str) -> Script {
    project(config, release, compose, "stored", "read what was stored with the release")
}

fn project(config: &Config, release: &ReleaseId, compose: &str, which: &str, name: &'static str) -> Script {
    let folder = config.environment.folder.clone();
    let mut arguments =
        vec![folder, release.to_string(), config.project.name.clone(), compose.to_owned(), which.to_owned()];
    arguments.extend(config.project.compose.iter().cloned());
    script(name, checking!("config.sh"), SHORT, arguments)
}

/// Keeps the rendered files with the release, and makes sure of the folders of data. `live`: the release that serves, in whose
/// folder data may lie.
pub fn store(
    config: &Config,
    release: &ReleaseId,
    slot: Slot,
    files: &RenderedCompose,
    live: Option<&ReleaseId>,
) -> Script {
    let (slot_file, workers_file) = (slot_file(slot), workers_file(slot));
    let mut named = vec![(BASE_FILE, &files.base), (BUILD_FILE, &files.build), (&slot_file, &files.slot)];
    named.extend(files.workers.as_ref().map(|workers| (workers_file.as_str(), workers)));
    let arguments = [config.environment.folder.clone(), release.to_string()];
    let shared = files
        .shared
        .iter()
        .flat_map(|shared| [shared.path.clone(), shared.found.clone().unwrap_or_default(), shared.kind.to_string()]);
    let arguments = arguments.into_iter().chain([live.map(ToString::to_string).unwrap_or_default()]).chain(shared);
    let store = script("keep the rendered compose files", changing!("store.sh"), MINUTES, arguments);
    Script { input: Input::Secret(Secret::new(bundle(&named))), ..store }
}

/// Builds the images of a release.
pub fn build(config: &Config, release: &ReleaseId, compose: &str, files: Option<&RenderedCompose>) -> Script {
    let project = &config.project.name;
    let folder = config.environment.folder.clone();
    let mut arguments = vec![folder, release.to_string(), project.clone(), compose.to_owned()];
    for (files, service) in files.iter().flat_map(|files| files.built.iter().map(move |service| (files, service))) {
        let targets = files.volume_targets.get(service).map(|targets| targets.join(":")).unwrap_or_default();
        arguments.extend([service.clone(), image(project, service, release), targets]);
    }
    for (service, image) in files.iter().flat_map(|files| &files.images_of_accessories) {
        arguments.extend([service.clone(), image.clone(), String::new()]);
    }
    script("build the images", changing!("build.sh"), Duration::from_secs(config.limits.build), arguments)
}

/// Starts the accessories that do not run.
pub fn accessories(config: &Config, release: &ReleaseId, compose: &str, files: Option<&RenderedCompose>) -> Script {
    let seconds = config.limits.accessories.to_string();
    let folder = config.environment.folder.clone();
    let project = config.project.name.clone();
    let own = own_projects(&project).join(" ");
    let mut arguments = vec![folder, release.to_string(), project, seconds, compose.to_owned(), own];
    arguments.extend(files.iter().flat_map(|files| files.accessories.clone()));
    arguments.push("--".to_owned());
    if let Some(files) = files {
        let definition = |service: &String| files.definitions.get(service).cloned().unwrap_or_default();
        arguments.extend(files.one_shots.iter().flat_map(|service| [service.clone(), definition(service)]));
    }
    arguments.push("--".to_owned());
    arguments.push(config.project.web.clone());
    arguments.extend(config.project.workers.iter().cloned());
    arguments.push("--".to_owned());
    if let Some(files) = files {
        let resources = files.resources.iter();
        arguments.extend(resources.flat_map(|(kind, name)| [kind.clone(), name.clone(), "0".to_owned()]));
        for made in &files.made {
            arguments.extend([made.kind.to_owned(), made.name.clone(), made.options.len().to_string()]);
            arguments.extend(made.options.iter().cloned());
        }
    }
    let limit = MINUTES + Duration::from_secs(config.limits.accessories);
    script("start the accessories", changing!("accessories.sh"), limit, arguments)
}
