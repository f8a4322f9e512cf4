//! The compose files of a release: read by the host's compose, kept with the release, built from.

use std::path::Path;
use std::time::Duration;

use super::text::{MINUTES, SHORT, bundle, changing, plain, reading, script};
use super::{Input, Script, quote, secret_files};
use crate::rules::config::{Config, SecretSource};
use crate::rules::engine::compose::{Pulled, RenderedCompose};
use crate::rules::host::observed::PulledImage;
use crate::rules::release::{ReleaseId, Slot, image, own_projects, slot_file, workers_file};
use crate::rules::secret::Secret;
use crate::rules::shared_constants::{BASE_FILE, BUILD_FILE, SECRET_FILES};

/// Prints the rendered compose project, and keeps it with the release.
pub fn compose_config(config: &Config, release: &ReleaseId, compose: &str) -> Script {
    project(config, release, compose, "fresh", "read the compose files")
}

/// Prints the folder in which the files lay and what compose makes of them there, and keeps nothing; for any machine. `compose`: how it is
/// called there, or nothing to find out. Ends with [`COMPOSE_REFUSES`](crate::rules::shared_constants::COMPOSE_REFUSES) where the files
/// are at fault.
pub fn read_compose(
    config: &Config,
    release: &ReleaseId,
    compose: &str,
    files: &[u8],
    env: &Secret,
    secrets: &[(String, Secret)],
) -> Script {
    let mut arguments = vec![release.to_string(), config.project.name.clone(), compose.to_owned()];
    arguments.extend(config.project.compose.iter().cloned());
    let limit = Duration::from_secs(config.limits.ship);
    let read = script(
        "read the compose files",
        reading!("secret_files.sh", "unset_variables.sh", "read_compose.sh"),
        limit,
        arguments,
    );
    Script {
        input: Input::Secret(Secret::new(bundle(&[
            ("env", env.expose()),
            ("files", files),
            (SECRET_FILES, &secret_files(secrets)),
        ]))),
        ..read
    }
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
    script(name, changing!("changed_files.sh", "unset_variables.sh", "config.sh"), SHORT, arguments)
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

/// Prints those references that lead to another image than they did. Threes: a reference, the image that it led to, and `there` where it
/// is not pulled.
pub fn moved_images(config: &Config, pulled: &[PulledImage]) -> Script {
    let images = pulled.iter().flat_map(|image| {
        let is_there = if image.is_there { "there" } else { "" };
        [image.reference.clone(), image.digest.clone(), is_there.to_owned()]
    });
    let arguments = [config.environment.folder.clone()].into_iter().chain(images);
    let limit = Duration::from_secs(config.limits.build);
    let moved = script("ask the registries", changing!("registries.sh", "moved_images.sh"), limit, arguments);
    Script { input: registries(config), ..moved }
}

/// Prints of every image of the host its id and its layers.
pub fn layers() -> Script {
    script("list the layers of images", plain!("layers.sh"), SHORT, [] as [&str; 0])
}

/// Takes an image that was saved without the layers that the host has.
pub fn load_image(config: &Config, id: &str, archive: &Path) -> Script {
    let limit = Duration::from_secs(config.limits.ship);
    let load = script("load the image", changing!("load_image.sh"), limit, [&config.environment.folder, id]);
    Script { input: Input::File(archive.to_owned()), ..load }
}

/// The registries that ask for a password, of each its name as docker keeps it, and `user:password`.
fn registries(config: &Config) -> Input {
    let known = config.environment.registries.iter().filter_map(|registry| match &registry.password {
        SecretSource::Content(password) => {
            let name = if registry.server == "docker.io" { "https://index.docker.io/v1/" } else { &registry.server };
            Some((name, [registry.user.as_bytes(), b":", password.expose().trim_ascii()].concat()))
        }
        SecretSource::Path(_) | SecretSource::Missing { .. } => None,
    });
    let known: Vec<(&str, Vec<u8>)> = known.collect();
    if known.is_empty() { Input::Nothing } else { Input::Secret(Secret::new(bundle(&known))) }
}

/// Builds the images of a release, and pulls those that a registry has.
pub fn build(config: &Config, release: &ReleaseId, compose: &str, files: Option<&RenderedCompose>) -> Script {
    let project = &config.project.name;
    let folder = config.environment.folder.clone();
    let cache = config.project.build_cache.clone().unwrap_or_default();
    let mut arguments = vec![folder, release.to_string(), project.clone(), compose.to_owned(), cache];
    if let Some(files) = files {
        let targets = |service: &String| {
            let of_service = files.volumes.iter().filter(|volume| volume.service == *service);
            of_service.map(|volume| volume.target.as_str()).collect::<Vec<&str>>().join(":")
        };
        let of_release = |service: &String| [service.clone(), image(project, service, release), targets(service)];
        let from = |pulled: Option<&Pulled>| {
            let is_there = if pulled.is_some_and(|pulled| pulled.is_there) { "there" } else { "" };
            [pulled.map(|pulled| pulled.reference.clone()).unwrap_or_default(), is_there.to_owned()]
        };
        arguments.extend(files.built.iter().flat_map(|service| of_release(service).into_iter().chain(from(None))));
        let pulled = files.pulled.iter();
        arguments.extend(pulled.flat_map(|(service, image)| of_release(service).into_iter().chain(from(Some(image)))));
        for (service, image) in &files.images_of_accessories {
            arguments.extend([service.clone(), image.clone(), String::new()].into_iter().chain(from(None)));
        }
    }
    let limit = Duration::from_secs(config.limits.build);
    let build = script(
        "build the images",
        changing!("secret_files.sh", "registries.sh", "build_cache.sh", "build.sh"),
        limit,
        arguments,
    );
    Script { input: registries(config), ..build }
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
    arguments.extend(config.webs().map(str::to_owned));
    arguments.extend(config.project.workers.iter().cloned());
    arguments.push("--".to_owned());
    if let Some(files) = files {
        let resources = files.resources.iter();
        arguments.extend(resources.flat_map(|(kind, name)| [kind.clone(), name.clone(), "0".to_owned()]));
        for (volume, old) in &files.replacing {
            // One that is external is told of already.
            let Some(made) = files.made.iter().find(|made| made.kind == "volume" && made.name == volume.name) else {
                continue;
            };
            let options: Vec<String> = made.options.iter().map(|option| quote(option)).collect();
            let words = [old, &volume.service, &volume.target, &made.key, &options.join(" ")].map(String::clone);
            arguments.extend(["instead-volume".to_owned(), volume.name.clone(), words.len().to_string()]);
            arguments.extend(words);
        }
        for made in &files.made {
            arguments.extend([made.kind.to_owned(), made.name.clone(), made.options.len().to_string()]);
            arguments.extend(made.options.iter().cloned());
        }
    }
    let limit = MINUTES + Duration::from_secs(config.limits.accessories);
    let accessories = script("start the accessories", changing!("registries.sh", "accessories.sh"), limit, arguments);
    Script { input: registries(config), ..accessories }
}
