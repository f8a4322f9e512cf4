//! Rendering the compose files of a release, of what compose prints now or printed when it was shipped.

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::Host;
use crate::io::local::dotenv::Env;
use crate::io::local::package::Package;
use crate::io::process::{self, Command, Finished};
use crate::rules::config::{Config, NginxOwner};
use crate::rules::engine::compose::{self, Commit, RenderInput, RenderedCompose};
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::release::tree::Content;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script::{self, Input, Script};
use crate::rules::shared_constants::FILES_NOT_AS_SHIPPED;
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
    let content: Content = serde_json::from_str(&host.text(&script::manifest(config, release))?)
        .with_context(|| format!("reading the manifest of release {release}"))?;
    // Links have no sum, and are told apart by what git calls them.
    Ok(Commit::new(content.objects.into_iter().chain(content.files)))
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
    let files = rendered(config, observed, &observed.folder, (release, slot), printed)?;
    files.notes.iter().for_each(|note| console::warning(note));
    observed.unmanaged_volumes(&config.project.name).iter().for_each(|told| console::warning(told));
    observed.of_accessories(&files.definitions).iter().for_each(|problem| console::warning(problem));
    let store = script::store(config, release, slot, &files, observed.live_release());
    Ok((files, store))
}

/// Refuses what the compose files have and a deploy cannot do, before anything is shipped, where compose is on this machine. What
/// the host's own compose makes of them is refused there.
///
/// # Errors
/// [`Kind::Configuration`] with all of it.
pub fn refuse_early(config: &Config, observed: &Observed, package: &Package, env: &Env) -> Result<()> {
    let mut words: Vec<String> =
        ["bash", "-c", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/compose_here.sh")), "compose"]
            .map(Into::into)
            .to_vec();
    words.push(config.root.display().to_string());
    words.extend([package.commit_of_all.clone(), config.project.app.clone(), package.strip.to_string()]);
    words.extend([package.release.to_string(), config.project.name.clone()]);
    words.extend(config.project.compose.iter().cloned());
    let command = Command::new("read the compose files", words)
        .reading(Input::Secret(env.content.clone()))
        .in_clean_environment();
    let printed = process::finish(&command)?.success()?.text();
    let Some((folder, project)) = printed.split_once('\n') else { return Ok(()) };
    let printed = Printed { project, commit: &package.commit(), profiles: Some(&env.profiles) };
    // What is refused is so for both slots.
    rendered(config, observed, folder, (&package.release, Slot::Blue), &printed).map(drop)
}

fn rendered(
    config: &Config,
    observed: &Observed,
    folder: &str,
    (release, slot): (&ReleaseId, Slot),
    printed: &Printed,
) -> Result<RenderedCompose> {
    let nginx_ports = match config.environment.nginx.owner {
        NginxOwner::System => vec![80, 443, config.environment.url.port],
        NginxOwner::Private(_) => vec![config.environment.url.port],
    };
    let rendering = RenderInput {
        project: &config.project.name,
        folder,
        web: &config.project.web,
        workers: &config.project.workers,
        declared_accessories: &config.project.accessories,
        shared: &config.project.shared,
        web_port: config.project.web_port,
        release,
        slot,
        slots: config.slots,
        nginx_ports: &nginx_ports,
        commit: printed.commit,
        found: &observed.binds(&config.project.web),
        profiles: printed.profiles,
    };
    compose::render(printed.project, &rendering).map_err(|error| Kind::Configuration.around(error, "the compose files"))
}
