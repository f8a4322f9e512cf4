//! Rendering the compose files of a release, of what compose prints now or printed when it was shipped.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::Host;
use crate::io::local::dotenv::Env;
use crate::io::local::package::Package;
use crate::io::process::{self, Finished};
use crate::rules::config::{Config, NginxOwner};
use crate::rules::engine::compose::review::Review;
use crate::rules::engine::compose::{self, Commit, RenderInput, RenderedCompose};
use crate::rules::failure::{self, Kind};
use crate::rules::host::observed::Observed;
use crate::rules::release::tree::{self, Content};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script::{self, Script};
use crate::rules::shared_constants::FILES_NOT_AS_SHIPPED;
use crate::run::review::{self, There};
use crate::run::session::Session;

/// What a script has to say, line by line.
pub fn tell(said: &str) {
    for line in said.lines() {
        match line.strip_prefix("warning: ") {
            Some(warning) => console::warning(warning),
            None => console::note(line),
        }
    }
}

/// What a check of a release's files came to.
///
/// # Errors
/// [`Kind::Preflight`] naming the files that are no longer as they were shipped: what would run is not what was known to be good.
pub fn as_shipped(checked: Finished, release: &ReleaseId) -> Result<Finished> {
    if checked.code == Some(FILES_NOT_AS_SHIPPED) {
        return Err(Kind::Preflight.error(format!(
            "files of release {release} on the host are no longer as they were shipped; something that has its folder mounted has \
             written to them:\n{}\nNothing was touched. To go back to this code, deploy its commit; what the app writes belongs in \
             `shared` ([project] in deploy.toml)",
            process::indent(&checked.tail)
        )));
    }
    checked.success()
}

/// What the commit of a release on the host has.
///
/// # Errors
/// Where the manifest is not there, or is none.
pub fn stored_commit(config: &Config, host: &Host, release: &ReleaseId) -> Result<Commit> {
    let printed = host.finish(&script::stored_commit(config, release))?.success()?.stdout;
    let (manifest, sums) = tree::split_at_nul(&printed);
    let read = || format!("reading what release {release} is made of");
    let content: Content = serde_json::from_slice(manifest).with_context(read)?;
    let lines: Vec<u8> = sums
        .iter()
        .map(|byte| {
            if *byte == b'\n' {
                0
            } else if *byte == 0 {
                b'\n'
            } else {
                *byte
            }
        })
        .collect();
    let sums = tree::sums(&lines).with_context(read)?.into_iter().map(|(path, sum)| (tree::as_text(&path), sum));
    // Links have no sum, and are told apart by what git calls them.
    Ok(Commit::new(content.objects.into_iter().chain(sums)))
}

/// What compose printed of a release.
pub struct Printed<'a> {
    pub project: &'a str,
    pub commit: &'a Commit,
    /// Those that are on.
    pub profiles: Option<&'a str>,
}

/// Renders the compose files of a release for a slot from what compose printed. The script keeps them on the host, apart from
/// the release; nothing else may run before.
///
/// # Errors
/// [`Kind::Configuration`] with all that a deploy cannot do of these files.
pub fn render(
    config: &Config,
    session: &Session,
    release: &ReleaseId,
    slot: Slot,
    printed: &Printed,
) -> Result<(RenderedCompose, Script)> {
    let observed = &session.observed;
    let mut files = rendered(config, observed, &observed.folder, (release, slot), printed, &BTreeSet::new())?;
    files.replacing = observed.replaced_volumes(&files.volumes);
    files.notes.iter().for_each(|note| console::warning(note));
    observed.unmanaged_volumes(&config.project.name).iter().for_each(|told| console::warning(told));
    observed.of_accessories(&files.definitions).iter().for_each(|problem| console::warning(problem));
    let store = script::store(config, release, slot, &files, observed.live_release());
    Ok((files, store))
}

/// Refuses what the compose files have and a deploy cannot do, before anything is shipped. What the host's own compose makes of files
/// that were read here is refused there.
///
/// # Errors
/// [`Kind::Configuration`] with all of it.
pub fn refuse_early(session: &Session, package: &Package, env: &Env, ahead: Option<review::Ahead>) -> Result<()> {
    let Session { config, observed, host, .. } = session;
    let there = observed.compose.as_deref().map(|compose| There { host, compose });
    let read = match review::compose_project(config, package, env, ahead, there) {
        Ok(read) => read,
        // What is wrong is not the files; a deploy finds out on the host.
        Err(error) if Kind::of(&error).is_none() => {
            let why = failure::chain(&error);
            console::note(&format!(
                "the compose files will be read once they are on the host; before, they could not be: {why}"
            ));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let printed = Printed { project: &read.project, commit: &package.commit(), profiles: Some(&env.profiles) };
    // What is refused is so for both slots.
    rendered(config, observed, &read.folder, (&package.release, Slot::Blue), &printed, &observed.processors).map(drop)
}

/// What a deploy would make of a tree, service by service. `observed`: what is known of the host, if anything.
///
/// # Errors
/// Where compose printed no project.
pub fn reviewed(
    config: &Config,
    observed: &Observed,
    package: &Package,
    env: &Env,
    read: &review::Printed,
) -> Result<Review> {
    let printed = Printed { project: &read.project, commit: &package.commit(), profiles: Some(&env.profiles) };
    let processors = &observed.processors;
    with_input(config, observed, &read.folder, (&package.release, Slot::Blue), &printed, processors, |input| {
        compose::review::review(printed.project, input)
    })
}

/// `processors`: those of the host, where it matters. A release that is on the host has run there.
fn rendered(
    config: &Config,
    observed: &Observed,
    folder: &str,
    place: (&ReleaseId, Slot),
    printed: &Printed,
    processors: &BTreeSet<String>,
) -> Result<RenderedCompose> {
    let render = |input: &RenderInput| compose::render(printed.project, input);
    with_input(config, observed, folder, place, printed, processors, render)
        .map_err(|error| Kind::Configuration.around(error, "the compose files"))
}

fn with_input<T>(
    config: &Config,
    observed: &Observed,
    folder: &str,
    (release, slot): (&ReleaseId, Slot),
    printed: &Printed,
    processors: &BTreeSet<String>,
    use_it: impl FnOnce(&RenderInput) -> T,
) -> T {
    let nginx_ports = match config.environment.nginx.owner {
        NginxOwner::System => vec![80, 443, config.environment.url.port],
        NginxOwner::Private(_) => vec![config.environment.url.port],
    };
    use_it(&RenderInput {
        project: &config.project.name,
        production: &config.production,
        folder,
        web: &config.project.web,
        more_webs: &config.more_webs,
        workers: &config.project.workers,
        declared_accessories: &config.project.accessories,
        off: &config.project.off,
        shared: &config.project.shared,
        web_port: config.project.web_port,
        release,
        slot,
        slots: config.slots,
        nginx_ports: &nginx_ports,
        images: &config.images,
        commit: printed.commit,
        processors,
        found: &observed.binds(&config.project.web),
        profiles: printed.profiles,
    })
}
