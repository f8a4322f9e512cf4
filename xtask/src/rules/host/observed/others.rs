//! Workers and accessories: what of them a person should know, and where they have their data.

use std::collections::BTreeMap;

use super::{Observed, Other};

impl Observed {
    /// Where containers have what mounted from: by service and target. `web` is the service of the slots; the live one counts.
    pub fn binds(&self, web: &str) -> BTreeMap<(String, String), String> {
        let mut binds = BTreeMap::new();
        let mut add = |service: &str, from: &[(String, String)]| {
            for (target, source) in from {
                binds.insert((service.to_owned(), target.trim_end_matches('/').to_owned()), source.clone());
            }
        };
        let live = self.live();
        let (of_live, others): (Vec<_>, Vec<_>) =
            self.containers.iter().partition(|container| Some(container.slot) == live && container.running());
        // What runs counts before what has ended.
        let (running, ended): (Vec<_>, Vec<_>) = self.others.iter().partition(|other| other.status == "running");
        let (further_of_live, further): (Vec<_>, Vec<_>) =
            self.more_containers.iter().partition(|(_, container)| Some(container.slot) == live && container.running());
        ended.into_iter().for_each(|other| add(&other.service, &other.binds));
        others.into_iter().for_each(|container| add(web, &container.binds));
        further.into_iter().for_each(|(service, container)| add(service, &container.binds));
        running.into_iter().for_each(|other| add(&other.service, &other.binds));
        of_live.into_iter().for_each(|container| add(web, &container.binds));
        further_of_live.into_iter().for_each(|(service, container)| add(service, &container.binds));
        binds
    }

    /// Before the first deploy: volumes that are used as they are, whoever has filled them.
    pub fn unmanaged_volumes(&self, project: &str) -> Option<String> {
        let of_project = self.volumes.iter().filter(|(of, _)| of == project).map(|(_, name)| name.as_str());
        let names: Vec<&str> = of_project.collect();
        (!names.is_empty()).then(|| {
            format!(
                "these volumes of the compose project {project} are on this host already, and their data is used: {}. Where they are another \
                 clone's or project's, stop here, and give this environment a `name` of its own",
                names.join(", ")
            )
        })
    }

    /// Accessories that run another definition than the release's compose file has, which no deploy changes.
    pub fn of_accessories(&self, definitions: &BTreeMap<String, String>) -> Vec<String> {
        let changed = self.others.iter().filter(|other| !other.worker).filter(|other| {
            let wanted = definitions.get(&other.service);
            wanted.is_some() && other.definition.is_some() && other.definition.as_ref() != wanted
        });
        let told = changed.map(|other| match other.status.as_str() {
            "exited" | "dead" | "created" => format!(
                "the accessory {} does not run, and docker would start it as an earlier compose file defines it. To renew it: docker rm -f {} (data in \
                 volumes stays); then deploy again",
                other.service, other.name
            ),
            _ => format!(
                "the accessory {} runs as an earlier compose file defines it; a deploy never restarts one that runs. To renew it, at a \
                 time when it may be down: docker rm -f {}; then deploy again",
                other.service, other.name
            ),
        });
        told.chain(self.unwell(false)).collect()
    }

    /// Workers or accessories that do not do well.
    pub fn unwell(&self, workers: bool) -> Vec<String> {
        let unwell = self.others.iter().filter(|other| other.worker == workers && !other.unmanaged);
        unwell.filter_map(|other| Some(format!("{} {} {}", kind(other), other.service, ailment(other)?))).collect()
    }
}

fn kind(other: &Other) -> &'static str {
    if other.worker { "the worker" } else { "the accessory" }
}

fn ailment(other: &Other) -> Option<String> {
    let Other { name, status, restarts, exit_code, .. } = other;
    match (status.as_str(), other.health.as_str()) {
        ("running", "unhealthy") => Some(format!("({name}) is unhealthy")),
        ("restarting", _) => {
            Some(format!("({name}) does not keep running: {restarts} restarts, last exit code {exit_code}"))
        }
        ("running", _) if other.worker && *restarts > 0 => Some(format!("({name}) has restarted {restarts} times")),
        ("exited" | "dead", _) if other.worker => Some(format!("({name}) has ended with exit code {exit_code}")),
        ("dead", _) => Some(format!("({name}) is dead")),
        ("exited", _) if *exit_code != 0 => Some(format!("({name}) has ended with exit code {exit_code}")),
        _ => None,
    }
}
