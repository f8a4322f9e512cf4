//! Whether what is on the host is this environment's: its name, folder, ports, and nginx's answer. Where they disagree in a way
//! that no crash of ours explains, nothing may be touched.

use std::collections::BTreeSet;

use crate::rules::config::{Config, NginxOwner, SwitchMode};
use crate::rules::host::observed::{Container, Observed, Ports};
use crate::rules::release::{Slot, own_projects};

pub fn problems(config: &Config, observed: &Observed) -> Vec<String> {
    let found = [
        namesake(config, observed),
        tenant(config, observed),
        live_port_publisher(config, observed),
        volumes(config, observed),
        ports(config, observed),
    ];
    let serves = ports_of_what_serves(config, observed).into_iter().map(Some);
    let nginx = [answer(config, observed), flag(config, observed)];
    let further = ports_of_further_webs(config, observed).into_iter().map(Some);
    found.into_iter().chain(further).chain(serves).chain(nginx).flatten().collect()
}

/// Where the name of an environment is set.
fn setting(config: &Config) -> String {
    format!("`name` in [environments.{}] of deploy.toml", config.environment.name)
}

fn namesake(config: &Config, observed: &Observed) -> Option<String> {
    let (container, folder) = observed.namesakes.first()?;
    Some(format!(
        "the name {name} is taken on this host: the container {container} carries it and belongs to the folder {folder}, not to \
         {own}. Another environment, project or clone deploys under that name; give this one a name of its own ({setting}). If \
         it is the same environment whose folder was moved, move it back",
        name = config.project.name,
        own = config.environment.folder,
        setting = setting(config),
    ))
}

fn tenant(config: &Config, observed: &Observed) -> Option<String> {
    let (container, project) = observed.tenants.first()?;
    let project = without_slot(project);
    Some(format!(
        "the folder {folder} is that of the compose project {project} (container {container}), and this environment is called \
         {name}: a deploy would start new and empty databases beside the real ones. If {project} is this backend, set the name \
         to \"{project}\" ({setting}); if not, choose another folder",
        folder = config.environment.folder,
        name = config.project.name,
        setting = setting(config),
    ))
}

/// Slots and workers are compose projects of their own beside the one that has the environment's name.
fn without_slot(project: &str) -> &str {
    let ends = own_projects("").into_iter().filter(|end| !end.is_empty());
    ends.into_iter().find_map(|end| project.strip_suffix(end.as_str())).unwrap_or(project)
}

/// Who publishes the live slot's port serves, whoever that is.
fn live_port_publisher(config: &Config, observed: &Observed) -> Option<String> {
    let live = observed.live()?;
    let foreign = observed.foreign.iter().find(|foreign| foreign.slot == live)?;
    let port = foreign.port;
    let container = &foreign.container;
    Some(match foreign.compose_project.as_deref().map(without_slot) {
        Some(project) if project == config.project.name => format!(
            "port {port} of slot {live}, to which nginx leads, is published by the container {container} of another clone or project that is \
             called {project} too; give this environment a name of its own ({setting}), and the slots other ports (`slots` in deploy.toml)",
            setting = setting(config),
        ),
        Some(project) => format!(
            "port {port} of slot {live}, to which nginx leads, is published by the container {container} of the compose project \
             {project}, and this environment is called {name}. If that is this backend as it runs today, set the name to \
             \"{project}\" ({setting}), so that its databases are found; if it is another one, give the slots other ports \
             (`slots` in deploy.toml)",
            name = config.project.name,
            setting = setting(config),
        ),
        None => format!(
            "port {port} of slot {live}, to which nginx leads, is published by the container {container}, which no compose file \
             started; give the slots other ports (`slots` in deploy.toml), or stop it"
        ),
    })
}

/// Before the first deploy: what compose would have called the project in this folder has volumes, and this name has none.
fn volumes(config: &Config, observed: &Observed) -> Option<String> {
    let name = config.project.name.as_str();
    // What compose makes of a folder's name.
    let letters = observed.folder.rsplit('/').next().unwrap_or_default().to_lowercase();
    let folder: String = letters.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let projects: BTreeSet<&str> = observed.volumes.iter().map(|(project, _)| project.as_str()).collect();
    let by_hand = folder != name && projects.contains(folder.as_str()) && !projects.contains(name);
    by_hand.then(|| {
        format!(
            "volumes of the compose project {folder} are on this host, which is what compose calls a project in the folder {place}; \
             a deploy under the name {name} would make new and empty ones. If they are this backend's, set the name to \
             \"{folder}\" ({setting}); if not, choose another folder",
            place = config.environment.folder,
            setting = setting(config),
        )
    })
}

fn ports(config: &Config, observed: &Observed) -> Option<String> {
    let Ports { slots, live: live_port, .. } = *observed.ports.as_ref()?;
    let own = (config.slots, config.environment.nginx.live_port);
    // An nginx of the tool's own is rewritten.
    (own != (slots, live_port) && config.environment.nginx.owner == NginxOwner::System).then(|| {
        format!(
            "deploy.toml gives the slots the ports {} and {} and nginx's answer {}, but {} has {}, {} and {live_port}. Take the \
             ports out of deploy.toml, or run the script of `cargo xtask setup` again",
            own.0.blue,
            own.0.green,
            own.1,
            config.environment.nginx.upstream_file,
            slots.blue,
            slots.green,
        )
    })
}

/// The same for further web services: in instant mode nginx would go on leading to the ports of its file, where nobody listens.
fn ports_of_further_webs(config: &Config, observed: &Observed) -> Vec<String> {
    let Some(ports) = observed.ports.as_ref().filter(|_| config.environment.nginx.owner == NginxOwner::System) else {
        return Vec::new();
    };
    let others = config.more_webs.iter().filter_map(|web| Some((web, ports.further.get(&web.upstream)?)));
    let told = others.filter(|(web, slots)| web.slots != **slots).map(|(web, slots)| {
        format!(
            "deploy.toml gives the slots of `{}` the ports {} and {}, but {} has {} and {}. Take the ports out of deploy.toml, or run the \
             script of `cargo xtask setup` again",
            web.service,
            web.slots.blue,
            web.slots.green,
            config.environment.nginx.upstream_file,
            slots.blue,
            slots.green,
        )
    });
    told.collect()
}

/// A deploy has nginx lead to the slots' ports as they are configured or stand in its file, so what serves must be there.
fn ports_of_what_serves(config: &Config, observed: &Observed) -> Vec<String> {
    let Some(live) = observed.live() else { return Vec::new() };
    let webs = config.of_each_web();
    // One that is new in this version serves nowhere yet.
    let further = webs.iter().skip(1).filter_map(|web| {
        let mut of_web = observed.further(live).filter(|(service, _)| *service == web.project.web);
        Some((web, of_web.find_map(|(_, container)| container.running().then_some(container))?))
    });
    let first = webs.first().zip(observed.occupant(live).filter(|container| container.running()));
    first.into_iter().chain(further).filter_map(|(web, container)| port_of_what_serves(web, live, container)).collect()
}

fn port_of_what_serves(config: &Config, live: Slot, container: &Container) -> Option<String> {
    let (own, published) = (config.slots.port(live), container.ports.first()?);
    let remedy = if config.fixed.slots {
        format!(
            "The port of the live slot cannot be changed: set it to {published} (`slots` in deploy.toml). The other slot's \
             can, and after a deploy it is that one that serves"
        )
    } else {
        format!(
            "Somebody has changed {file}: let the upstream {upstream}_{live} have `server 127.0.0.1:{published};` there",
            file = config.environment.nginx.upstream_file,
            upstream = config.environment.nginx.upstream,
        )
    };
    (!container.ports.contains(&own)).then(|| {
        format!(
            "slot {live} serves on port {published} (container {}), and its port would be {own}: nginx would lead to \
             where nobody listens. {remedy}",
            container.name
        )
    })
}

/// An answer on nginx's own port that is of an earlier version of this tool names no environment, so it may be anybody's.
fn answer(config: &Config, observed: &Observed) -> Option<String> {
    let said = observed.said.as_deref()?;
    let nginx = &config.environment.nginx;
    let unnamed = ["blue", "green"].contains(&said.trim());
    let own_file_answers = observed.ports.is_some();
    if nginx.owner != NginxOwner::System || observed.running_slot.is_some() || !(unnamed || own_file_answers) {
        return contradiction(config, observed);
    }
    Some(format!(
        "nginx was asked on port {port} which slot of {name} it obeys, and answered {said:?}. Either its files are of an earlier \
         version of this tool: run the script of `cargo xtask setup` again, which moves no traffic. Or nginx has not been reloaded \
         since: `sudo nginx -s reload`",
        port = nginx.live_port,
        name = config.project.name,
    ))
}

/// In instant mode nginx looks up the flag at each request, so answer and flag are one.
fn contradiction(config: &Config, observed: &Observed) -> Option<String> {
    let (Some(running_slot), Some(configured_slot)) = (observed.running_slot, observed.configured_slot) else {
        return None;
    };
    let instant = observed.switching == Some(SwitchMode::Instant);
    (instant && running_slot != configured_slot && config.environment.nginx.owner == NginxOwner::System).then(|| {
        format!(
            "nginx says that slot {running_slot} is live, and the flag in {}/live says {configured_slot}. Only one of the two can belong to this environment: look \
             which flag {} names, and whether nginx's workers can enter that folder",
            config.environment.folder, config.environment.nginx.upstream_file
        )
    })
}

fn flag(config: &Config, observed: &Observed) -> Option<String> {
    let elsewhere = observed.flag_elsewhere.as_ref()?;
    (observed.switching == Some(SwitchMode::Instant) && config.environment.nginx.owner == NginxOwner::System).then(|| {
        format!(
            "{} looks for the flag {elsewhere}, which is not of this environment ({}), so the name {} is taken. Give \
             this environment a name of its own ({}), and run the script of `cargo xtask setup` for it; if it is the same \
             environment whose folder was moved, move it back",
            config.environment.nginx.upstream_file,
            config.environment.folder,
            config.project.name,
            setting(config),
        )
    })
}
