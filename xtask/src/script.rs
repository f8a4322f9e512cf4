//! Step → script: the only place that knows which words docker, compose and nginx get on the host.
//!
//! Time limits stand here, beside the words, because only who writes a command knows how long is too long.

use std::time::Duration;

use crate::command::{Input, Script, Secret};
use crate::compose::Files;
use crate::config::{Config, Environment, NginxOwner, Slots, Switching};
use crate::nginx::{self, Upstream};
use crate::release::{ReleaseId, Slot, image, slot_service};
use crate::step::Step;

/// A script that changes the host: the prelude, then its own text.
macro_rules! changing {
    ($file:literal) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/prelude.sh")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))
        )
    };
}

/// The same, with what checks the files of a release.
macro_rules! checking {
    ($file:literal) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/prelude.sh")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/changed_files.sh")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))
        )
    };
}

/// A script that only reads.
macro_rules! reading {
    ($file:literal) => {
        include_str!(concat!("scripts/", $file))
    };
}

mod shipping;

pub use shipping::{Archive, NOT_AS_SHIPPED, Parts, check_release, manifest, receive, ship};

const SHORT: Duration = Duration::from_secs(60);
const MINUTES: Duration = Duration::from_secs(60 * 10);
/// A deploying side that is silent for this long has died.
const SILENCE: Duration = Duration::from_secs(30);
/// How long what it had begun may go on, so that a container that is being stopped gets its grace period.
pub const GRACE: Duration = Duration::from_secs(20);

fn script<A: Into<String>>(
    name: &'static str,
    text: &'static str,
    limit: Duration,
    arguments: impl IntoIterator<Item = A>,
) -> Script {
    Script { name, text, arguments: arguments.into_iter().map(Into::into).collect(), input: Input::Nothing, limit }
}

pub fn inspect(config: &Config) -> Script {
    let Environment { folder, nginx, compose, url, .. } = &config.environment;
    let private_pid = match nginx.owner {
        NginxOwner::Private(_) => format!("{folder}/nginx/nginx.pid"),
        NginxOwner::System => String::new(),
    };
    let Slots { blue, green } = config.slots;
    let mut given = Vec::new();
    given.extend(config.fixed.slots.then(|| format!("{blue} {green}")));
    given.extend(config.fixed.live_port.then(|| nginx.live_port.to_string()));
    let arguments = [
        folder.clone(),
        config.project.name.clone(),
        nginx.upstream_file.clone(),
        nginx.site_file.clone(),
        nginx.live_port.to_string(),
        blue.to_string(),
        green.to_string(),
        private_pid,
        compose.clone().unwrap_or_default(),
        config.health.path.clone(),
        nginx.upstream.clone(),
        if url.tls { "https" } else { "http" }.to_owned(),
        url.authority(),
        url.port.to_string(),
        given.join(" "),
        url.path.clone(),
    ];
    script("inspect the host", reading!("inspect.sh"), SHORT, arguments)
}

/// The shell that runs all other scripts. `holder`: who, since when, for which release, in one line; without one, it does
/// not take the lock. `first`: the script it runs before it is asked for any, which reads no input.
pub fn shell(config: &Config, token: &str, holder: Option<&str>, wait_seconds: u64, first: &Script) -> Script {
    let arguments = [
        token.to_owned(),
        config.environment.folder.clone(),
        holder.unwrap_or_default().replace('\n', " "),
        wait_seconds.to_string(),
        SILENCE.as_secs().to_string(),
        GRACE.as_secs().to_string(),
        first.remote_line(),
    ];
    script("run scripts on the host", reading!("shell.sh"), Duration::MAX, arguments)
}

/// Asks addresses of the host over HTTP, for as long as the run.
pub fn ask() -> Script {
    script("ask the host's own addresses", reading!("ask.sh"), Duration::MAX, [] as [&str; 0])
}

/// Prints the rendered compose project, and keeps it with the release.
pub fn compose_config(config: &Config, release: &ReleaseId, compose: &str) -> Script {
    project(config, release, compose, "fresh", "read the compose files")
}

/// Prints the compose project that was stored with a release, once its files have been checked; [`NOT_AS_SHIPPED`] otherwise.
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
pub fn store(config: &Config, release: &ReleaseId, slot: Slot, files: &Files, live: Option<&ReleaseId>) -> Script {
    let slot_file = format!("compose.slot-{slot}.json");
    let workers_file = format!("compose.workers-{slot}.json");
    let mut named =
        vec![("compose.base.json", &files.base), ("compose.build.json", &files.build), (&slot_file, &files.slot)];
    named.extend(files.workers.as_ref().map(|workers| (workers_file.as_str(), workers)));
    let arguments = [config.environment.folder.clone(), release.to_string()];
    let shared = files
        .shared
        .iter()
        .flat_map(|shared| [shared.path.clone(), shared.found.clone().unwrap_or_default(), shared.kind.to_string()]);
    let arguments = arguments.into_iter().chain([live.map(ToString::to_string).unwrap_or_default()]).chain(shared);
    let store = script("keep the rendered compose files", changing!("store.sh"), MINUTES, arguments);
    Script { input: Input::Secret(Secret::new(parcel(&named))), ..store }
}

/// Several files as one stream: name, size, bytes.
fn parcel<Content: AsRef<[u8]>>(files: &[(&str, Content)]) -> Vec<u8> {
    let part = |(name, content): &(&str, Content)| {
        let content = content.as_ref();
        [format!("{name} {}\n", content.len()).as_bytes(), content].concat()
    };
    files.iter().flat_map(part).collect()
}

/// Reports the state of a slot's container until it ends.
pub fn watch(config: &Config, slot: Slot) -> Script {
    let arguments = [config.project.name.clone(), slot.to_string(), config.health.path.clone()];
    script("watch the container", reading!("watch.sh"), Duration::MAX, arguments)
}

/// How much is free where the releases are.
pub fn space(config: &Config) -> Script {
    let releases = format!("{}/releases", config.environment.folder);
    script("look how much disk is free", reading!("space.sh"), SHORT, [releases])
}

pub fn logs(config: &Config, slot: Slot, lines: usize) -> Script {
    let arguments = [config.project.name.clone(), slot.to_string(), lines.to_string(), config.health.path.clone()];
    script("read the container's log", reading!("logs.sh"), SHORT, arguments)
}

pub fn record(config: &Config, line: &str) -> Script {
    let record = script("write the record", changing!("record.sh"), SHORT, [config.environment.folder.clone()]);
    Script { input: Input::Bytes(format!("{line}\n").into_bytes()), ..record }
}

/// The script of a step that is one script on the host. The conductor runs those that are more than that.
pub fn of(config: &Config, release: &ReleaseId, compose: &str, files: Option<&Files>, step: &Step) -> Option<Script> {
    let folder = config.environment.folder.clone();
    let project = config.project.name.clone();
    let release_id = release.to_string();
    Some(match step {
        Step::PrivateNginx { switching, live } => private_nginx(config, *switching, *live),
        Step::AlignUpstream { live } => {
            let arguments = [folder, config.environment.nginx.upstream_file.clone()];
            let align = script("write the upstream file", changing!("write_upstream.sh"), SHORT, arguments);
            Script { input: Input::Bytes(upstream(config, *live).into_bytes()), ..align }
        }
        Step::Build => build(config, release, compose, files),
        Step::Accessories => accessories(config, release, compose, files),
        Step::Hook { words, slot, .. } => hook(config, release, compose, *slot, words),
        Step::Boot { slot } => {
            let arguments = [
                folder,
                release_id,
                project,
                slot.to_string(),
                config.slots.port(*slot).to_string(),
                compose.to_owned(),
            ];
            script("boot the slot", changing!("boot.sh"), MINUTES, arguments)
        }
        Step::Switch { switching, to } => switch(config, *switching, *to),
        Step::Workers { slot, release, services } => {
            let watched = config.traffic.bake.to_string();
            let arguments = [folder, release.to_string(), project, slot.to_string(), compose.to_owned(), watched];
            let arguments = arguments.into_iter().chain(services.iter().cloned());
            script(
                "replace the workers",
                changing!("workers.sh"),
                MINUTES + Duration::from_secs(config.traffic.bake),
                arguments,
            )
        }
        Step::WorkersOfBefore => {
            script("start the workers of before", changing!("workers_of_before.sh"), MINUTES, [folder, project])
        }
        Step::Drain { slot, seconds } => {
            let arguments = [folder, config.slots.port(*slot).to_string(), seconds.to_string()];
            script("drain the slot", changing!("drain.sh"), Duration::from_secs(seconds + 30), arguments)
        }
        Step::Stop { containers, .. } => {
            let arguments = [folder].into_iter().chain(containers.iter().cloned());
            script("stop the slot", changing!("stop.sh"), MINUTES, arguments)
        }
        Step::Remove { slot } => {
            script("remove the slot", changing!("remove.sh"), MINUTES, [folder, project, slot.to_string()])
        }
        Step::Check => check_release(config, release),
        Step::MarkServed => script("mark the release", changing!("served.sh"), SHORT, [folder, release_id]),
        Step::Prune { releases } => {
            // Any image of the project can remove what a container has written as another user.
            let arguments = [folder, image(&project, &config.project.web, release)];
            let arguments = arguments.into_iter().chain(releases.iter().map(ToString::to_string));
            script("prune old releases", changing!("prune.sh"), MINUTES, arguments)
        }
        Step::Test
        | Step::Package
        | Step::Ship
        | Step::Render { .. }
        | Step::Restore { .. }
        | Step::AwaitHealth { .. }
        | Step::Verify { .. }
        | Step::Bake { .. } => return None,
    })
}

fn build(config: &Config, release: &ReleaseId, compose: &str, files: Option<&Files>) -> Script {
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

fn accessories(config: &Config, release: &ReleaseId, compose: &str, files: Option<&Files>) -> Script {
    let seconds = config.limits.accessories.to_string();
    let folder = config.environment.folder.clone();
    let mut arguments = vec![folder, release.to_string(), config.project.name.clone(), seconds, compose.to_owned()];
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

fn hook(config: &Config, release: &ReleaseId, compose: &str, slot: Slot, words: &[String]) -> Script {
    let limit = config.hooks.timeout;
    let service = slot_service(&config.project.web, slot);
    let project = config.project.name.clone();
    let folder = config.environment.folder.clone();
    let mut arguments =
        vec![folder, release.to_string(), project, slot.to_string(), service, limit.to_string(), compose.to_owned()];
    arguments.extend(words.iter().cloned());
    script("run the hook", changing!("hook.sh"), Duration::from_secs(limit + 30), arguments)
}

/// The flag file of the instant mode.
pub fn flag(config: &Config) -> String {
    format!("{}/live/green", config.environment.folder)
}

fn upstream(config: &Config, live: Slot) -> String {
    upstream_of(config).reload(live)
}

/// What nginx is to know of the environment.
pub fn upstream_of(config: &Config) -> Upstream<'_> {
    let nginx = &config.environment.nginx;
    Upstream { name: &config.project.name, upstream: &nginx.upstream, slots: config.slots, live_port: nginx.live_port }
}

/// The command by which this user may test and reload nginx.
fn nginx_words(config: &Config) -> Vec<String> {
    match config.environment.nginx.owner {
        NginxOwner::System => ["sudo", "-n", "nginx"].map(str::to_owned).to_vec(),
        NginxOwner::Private(_) => {
            let prefix = format!("{}/nginx", config.environment.folder);
            ["nginx".to_owned(), "-p".to_owned(), format!("{prefix}/"), "-c".to_owned(), format!("{prefix}/nginx.conf")]
                .to_vec()
        }
    }
}

fn switch(config: &Config, switching: Switching, to: Slot) -> Script {
    let folder = config.environment.folder.clone();
    match switching {
        Switching::Instant => {
            script("switch the traffic", changing!("switch_instant.sh"), SHORT, [folder, to.to_string()])
        }
        Switching::Reload => {
            let mut arguments = vec![folder, config.environment.nginx.upstream_file.clone()];
            arguments.extend(nginx_words(config));
            let switch = script("switch the traffic", changing!("switch_reload.sh"), SHORT, arguments);
            Script { input: Input::Bytes(upstream(config, to).into_bytes()), ..switch }
        }
    }
}

fn private_nginx(config: &Config, switching: Switching, live: Slot) -> Script {
    let Environment { folder, nginx, url, .. } = &config.environment;
    let flag = flag(config);
    let upstream = match switching {
        Switching::Reload => upstream(config, live),
        Switching::Instant => upstream_of(config).instant(&flag),
    };
    let files = [
        ("nginx.conf", nginx::private_main(&nginx.upstream_file, &nginx.site_file)),
        ("site.conf", nginx::private_site(&nginx.upstream, switching, &flag, url)),
        ("live/upstream.conf", upstream),
    ];
    let arguments = [folder.clone(), switching.to_string(), live.to_string()];
    let start = script("start the private nginx", changing!("private_nginx.sh"), SHORT, arguments);
    Script { input: Input::Bytes(parcel(&files)), ..start }
}
