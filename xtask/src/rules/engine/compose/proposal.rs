//! What a `deploy.toml` would say of a compose project that nobody has described yet: which service is what, and by what a healthy
//! version is known. A guess, told with its reason where it is one.

mod candidate;

use std::collections::BTreeSet;

use anyhow::Result;

use super::project::{Project, Service};
use candidate::{Candidate, TOOLS, image, is_store};

/// A web service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedWeb {
    pub service: String,
    /// Inside its container.
    pub port: u16,
    pub health: Health,
    /// The folder of the app that it is built from: empty for the app's own.
    pub code: Option<String>,
}

/// By what a healthy version is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The path that the service's own health check asks, with any good answer.
    Path(String),
    /// A route that the source has, in this file of the app.
    Route { path: String, file: String },
    /// Nothing tells of one: its first page, with any answer but a failure of its own.
    AnyAnswer,
}

/// What each service of a project is taken for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The first one first.
    pub webs: Vec<ProposedWeb>,
    pub workers: Vec<String>,
    /// Built, and still not renewed by a deploy.
    pub accessories: Vec<String>,
    /// Commands of services that end by themselves before others start.
    pub before_boot: Vec<Vec<String>>,
    /// Jobs for which no hook was written, as it would not be the same: they run once, and again where their definition changes.
    pub not_hooked: Vec<String>,
    /// What no host runs, and why.
    pub off: Vec<(String, &'static str)>,
    /// Ports of the machine that services publish.
    pub published: Vec<u16>,
    /// Those of services that are no web service, and run.
    pub published_by_others: Vec<u16>,
    /// Paths of the app that containers may write to.
    pub written: Vec<String>,
}

/// How teams call the service that users reach, the most certain name first.
const NAMES: [&str; 9] = ["web", "api", "app", "backend", "server", "www", "site", "http", "frontend"];

/// `folder`: where the app lies in what compose printed. `read`: the text of a file of it. `is_known`: whether a text has nothing in it that
/// only stands in for a variable.
///
/// # Errors
/// Where `config`, what compose printed, is no compose project.
pub fn propose(
    config: &str,
    folder: &str,
    read: &dyn Fn(&str) -> Option<String>,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Proposal> {
    let mut project = Project::read(config)?;
    project.leave_out(|_, service| !service.wanted(Some("")));
    let completed: BTreeSet<String> = project.services.values().flat_map(Service::completed_dependencies).collect();
    let needed: BTreeSet<&str> = project.services.values().flat_map(Service::dependencies).collect();
    let mut proposal = Proposal::default();
    let (mut webs, mut jobs, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (name, service) in &project.services {
        let one = Candidate { name, service, image: image(service, folder, read) };
        match () {
            () if one.is_proxy() => proposal.off.push((name.clone(), "the host's nginx is the proxy")),
            () if completed.contains(name) || one.is_job(needed.contains(name.as_str())) => jobs.push(name.clone()),
            () if TOOLS.contains(&name.as_str()) && service.build.is_some() => {
                proposal.off.push((name.clone(), "(?) it looks like a tool, or is run by hand"));
            }
            () if one.may_be_web() => webs.push(one),
            () => rest.push(one),
        }
    }
    webs.sort_by_key(|one| rank(one.name, one.service, &project));
    if webs.is_empty() {
        // A worker of the same image exposes its port as well.
        rest.sort_by_key(|one| rank(one.name, one.service, &project));
        let exposing =
            rest.iter().position(|one| one.service.build.is_some() && one.image.port.is_some() && !one.is_store());
        webs.extend(exposing.map(|at| rest.remove(at)));
    }
    rest.extend(not_webs(&mut webs));
    proposal.webs = webs.iter().filter_map(|one| one.web(folder, is_known)).collect();
    hooks(&mut proposal, &project, jobs, &webs, is_known);
    let codes: Vec<_> = webs.iter().filter_map(|one| code(one.service)).collect();
    for Candidate { name, service, image } in &rest {
        let same_image = service.build.is_none()
            && webs.iter().any(|web| web.service.image.is_some() && web.service.image == service.image);
        let has_data = !service.volume_keys().is_empty() || !super::data::written_to(service, folder).is_empty();
        match code(service) {
            Some(code) if codes.contains(&code) => proposal.workers.push((*name).to_owned()),
            Some(_) if has_data || is_store(&image.base) => proposal.accessories.push((*name).to_owned()),
            Some(_) => proposal.workers.push((*name).to_owned()),
            None if same_image => proposal.workers.push((*name).to_owned()),
            None => {}
        }
    }
    let is_off = |name: &String| proposal.off.iter().any(|(off, _)| off == name);
    let is_web = |name: &String| proposal.webs.iter().any(|web| web.service == *name);
    let (mut published, mut by_others, mut written) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (name, service) in &project.services {
        let ports: Vec<u16> = service.published().iter().filter_map(|port| port.outside).collect();
        by_others.extend(ports.iter().filter(|_| !is_off(name) && !is_web(name)));
        published.extend(ports);
        written.extend(super::data::written_to(service, folder));
    }
    Ok(Proposal { published, published_by_others: by_others, written: written.into_iter().collect(), ..proposal })
}

/// Takes out what the first one is, and others are not: a further web service is built here, and users reach it.
fn not_webs<'a>(webs: &mut Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    // Where a proxy of the host's own stands before all of them, none is open to the outside.
    let is_open = |one: &Candidate| one.service.published().iter().any(|port| !port.loopback);
    let some_are_open = webs.iter().any(is_open);
    let first = webs.iter().position(|one| !some_are_open || is_open(one)).unwrap_or(0);
    let mut kept = Vec::new();
    let mut out = Vec::new();
    for (number, one) in webs.drain(..).enumerate() {
        let further =
            one.service.build.is_some() && (!some_are_open || is_open(&one) || one.service.published().is_empty());
        if number == first || further { kept.push(one) } else { out.push(one) }
    }
    *webs = kept;
    out
}

/// Jobs become hooks where the image of the first web service can do them as they are done now.
fn hooks(
    proposal: &mut Proposal,
    project: &Project,
    jobs: Vec<String>,
    webs: &[Candidate],
    is_known: &dyn Fn(&str) -> bool,
) {
    for name in super::in_order(project, jobs) {
        let service = &project.services[&name];
        let Some(first) = webs.first().map(|web| web.service) else { continue };
        let same_image = match (code(first), code(service)) {
            (Some(first), Some(own)) => first == own,
            (None, None) => first.image.is_some() && first.image == service.image,
            _ => false,
        };
        let is_as_the_web =
            service.environment.iter().all(|entry| first.environment.iter().any(|other| other == entry))
                && ["user", "working_dir"].iter().all(|key| service.rest.get(*key) == first.rest.get(*key))
                && !service.passed_on().contains_key("entrypoint");
        let words = service
            .command_words()
            .filter(|words| same_image && is_as_the_web && words.iter().all(|word| is_known(word)));
        match words {
            Some(words) => {
                proposal.before_boot.push(words);
                proposal.off.push((name, "each deploy runs its command, before the new version boots"));
            }
            None if service.build.is_some() || same_image => {
                proposal.accessories.push(name.clone());
                proposal.not_hooked.push(name);
            }
            None => {}
        }
    }
}

fn code(service: &Service) -> Option<(Option<&str>, &str)> {
    service.build.as_ref().map(|build| build.source())
}

/// The smaller, the more likely the first web service: by its name, then by how many others depend on it.
fn rank(name: &str, service: &Service, project: &Project) -> (bool, usize, usize) {
    let called =
        NAMES.iter().position(|usual| name == *usual || name.ends_with(&format!("-{usual}"))).unwrap_or(NAMES.len());
    let all = &project.services;
    let needed = all.values().filter(|other| other.dependencies().contains(&name)).count();
    (service.build.is_none(), called, all.len() - needed)
}

#[cfg(test)]
mod tests;
