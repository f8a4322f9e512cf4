//! The containers of a slot and its workers.

use std::time::Duration;

use super::Script;
use super::text::{MINUTES, SHORT, changing, reading, script};
use crate::rules::config::Config;
use crate::rules::release::{ReleaseId, Slot, slot_service};

/// Starts a release in a slot.
pub fn boot(config: &Config, release: &ReleaseId, compose: &str, slot: Slot) -> Script {
    let port = config.slots.port(slot).to_string();
    let [folder, project] = place(config);
    let arguments = [folder, release.to_string(), project, slot.to_string(), port, compose.to_owned()];
    script("boot the slot", changing!("boot.sh"), MINUTES, arguments)
}

/// Runs a hook in a one-off container.
pub fn hook(config: &Config, release: &ReleaseId, compose: &str, slot: Slot, words: &[String]) -> Script {
    let limit = config.hooks.timeout;
    let service = slot_service(&config.project.web, slot);
    let project = config.project.name.clone();
    let folder = config.environment.folder.clone();
    let mut arguments =
        vec![folder, release.to_string(), project, slot.to_string(), service, limit.to_string(), compose.to_owned()];
    arguments.extend(words.iter().cloned());
    script("run the hook", changing!("hook.sh"), Duration::from_secs(limit + 30), arguments)
}

/// Reports the state of a slot's container until it ends.
pub fn watch(config: &Config, slot: Slot) -> Script {
    let arguments = [config.project.name.clone(), slot.to_string(), config.health.path.clone()];
    script("watch the container", reading!("watch.sh"), Duration::MAX, arguments)
}

/// The last lines of the log of the container in a slot.
pub fn logs(config: &Config, slot: Slot, lines: usize) -> Script {
    let arguments = [config.project.name.clone(), slot.to_string(), lines.to_string(), config.health.path.clone()];
    script("read the container's log", reading!("logs.sh"), SHORT, arguments)
}

/// Replaces the workers by these of a release, on the network of its slot.
pub fn workers(config: &Config, release: &ReleaseId, compose: &str, slot: Slot, services: &[String]) -> Script {
    let bake = config.traffic.bake;
    let [folder, project] = place(config);
    let arguments = [folder, release.to_string(), project, slot.to_string(), compose.to_owned(), bake.to_string()];
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
    let arguments = [folder, config.slots.port(slot).to_string(), seconds.to_string()];
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
    script("remove the slot", changing!("remove.sh"), MINUTES, [folder, project, slot.to_string()])
}

fn place(config: &Config) -> [String; 2] {
    [config.environment.folder.clone(), config.project.name.clone()]
}
