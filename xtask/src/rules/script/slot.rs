//! The containers of a slot and its workers.

use std::time::Duration;

use super::Script;
use super::text::{MINUTES, SHORT, changing, reading, script};
use crate::rules::config::Config;
use crate::rules::release::{ReleaseId, Slot, slot_file, slot_project, slot_service, workers_file, workers_project};

/// Starts a release in a slot.
pub fn boot(config: &Config, release: &ReleaseId, compose: &str, slot: Slot) -> Script {
    let [folder, project] = place(config);
    let (compose_project, file) = (slot_project(&project, slot), slot_file(slot));
    let release = release.to_string();
    let arguments = [folder, release, project, slot.to_string(), compose.to_owned(), compose_project, file];
    let arguments = arguments.into_iter().chain(ports(config, slot));
    // One web service may wait there until another is healthy.
    let limit =
        config.more_webs.iter().fold(MINUTES, |limit, web| limit + web.health.limit().max(config.health.limit()));
    script("boot the slot", changing!("boot.sh"), limit, arguments)
}

/// Runs a hook in a one-off container.
pub fn hook(config: &Config, release: &ReleaseId, compose: &str, slot: Slot, words: &[String]) -> Script {
    let limit = config.hooks.timeout;
    let service = slot_service(&config.project.web, slot);
    let compose_project = slot_project(&config.project.name, slot);
    let folder = config.environment.folder.clone();
    let compose = compose.to_owned();
    let mut arguments =
        vec![folder, release.to_string(), compose_project, slot_file(slot), service, limit.to_string(), compose];
    arguments.extend(words.iter().cloned());
    script("run the hook", changing!("hook.sh"), Duration::from_secs(limit + 30), arguments)
}

/// Reports the state of a slot's container until it ends.
pub fn watch(config: &Config, slot: Slot) -> Script {
    let compose_project = slot_project(&config.project.name, slot);
    let service = slot_service(&config.project.web, slot);
    let arguments =
        [config.project.name.clone(), slot.to_string(), config.health.path.clone(), compose_project, service];
    script("watch the container", reading!("watch.sh"), Duration::MAX, arguments)
}

/// The last lines of the log of the container in a slot.
pub fn logs(config: &Config, slot: Slot, lines: usize) -> Script {
    let (project, path) = (config.project.name.clone(), config.health.path.clone());
    let compose_project = slot_project(&project, slot);
    let service = slot_service(&config.project.web, slot);
    let arguments = [project, slot.to_string(), lines.to_string(), path, compose_project, service];
    script("read the container's log", reading!("logs.sh"), SHORT, arguments)
}

/// Replaces the workers by these of a release, on the network of its slot.
pub fn workers(config: &Config, release: &ReleaseId, compose: &str, slot: Slot, services: &[String]) -> Script {
    let bake = config.traffic.bake;
    let [folder, project] = place(config);
    let (compose_project, file) = (workers_project(&project), workers_file(slot));
    let (release, compose) = (release.to_string(), compose.to_owned());
    let arguments = [folder, release, project, slot.to_string(), compose, bake.to_string(), compose_project, file];
    let arguments = arguments.into_iter().chain(services.iter().cloned());
    script("replace the workers", changing!("workers.sh"), MINUTES + Duration::from_secs(bake), arguments)
}

/// Starts the workers that compose had started before the first deploy.
pub fn unmanaged_workers(config: &Config) -> Script {
    script("start the unmanaged workers", changing!("unmanaged_workers.sh"), MINUTES, place(config))
}

/// Waits until the requests of a slot have ended.
pub fn drain(config: &Config, slot: Slot, seconds: u64) -> Script {
    let [folder, _] = place(config);
    let arguments = [folder, seconds.to_string()].into_iter().chain(ports(config, slot));
    script("drain the slot", changing!("drain.sh"), Duration::from_secs(seconds + 30), arguments)
}

/// Stops containers of a slot.
pub fn stop(config: &Config, containers: &[String]) -> Script {
    let [folder, _] = place(config);
    script("stop the slot", changing!("stop.sh"), MINUTES, [folder].into_iter().chain(containers.iter().cloned()))
}

/// Removes what runs in a slot.
pub fn remove(config: &Config, slot: Slot) -> Script {
    let [folder, project] = place(config);
    let [of_slot, workers] = [slot_project(&project, slot), workers_project(&project)];
    script("remove the slot", changing!("remove.sh"), MINUTES, [folder, project, of_slot, workers, slot.to_string()])
}

/// The ports of a slot, one of each web service.
fn ports(config: &Config, slot: Slot) -> Vec<String> {
    let slots = [config.slots].into_iter().chain(config.more_webs.iter().map(|web| web.slots));
    slots.map(|slots| slots.port(slot).to_string()).collect()
}

fn place(config: &Config) -> [String; 2] {
    [config.environment.folder.clone(), config.project.name.clone()]
}
