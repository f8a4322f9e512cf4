//! What a repository tells of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::Wishes;
use crate::io::local::dotenv::Env;
use crate::io::local::package;
use crate::io::local::repository::{self, Repository};
use crate::rules::config::deploy_toml::{is_project_name, load};
use crate::rules::config::{Config, SecretSource, env_file};
use crate::rules::engine::compose::proposal::{self, Health, Proposal, ProposedWeb};
use crate::rules::init::compose_choice::{self, Choice};
use crate::rules::init::compose_sources::{self, ComposeSource};
use crate::rules::init::health_route::{self, Route};
use crate::rules::init::{Found, deploy_toml, env_template, test_runner};
use crate::rules::report::Caller;
use crate::rules::secret::Secret;
use crate::run::review;

/// What was found, and what stands beside it.
pub struct Looked {
    pub found: Found,
    /// `env.template`.
    pub env: Option<String>,
    pub notes: Vec<String>,
}

/// Files that show what an `.env` needs, the most usual name first.
const EXAMPLES: [&str; 7] =
    [".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "env.sample", "example.env"];

/// # Errors
/// [`crate::rules::failure::Kind::Usage`] where no compose file can be chosen; [`crate::rules::failure::Kind::Configuration`] where
/// compose refuses them, or there is no compose on this machine.
pub fn found(repository: &Repository, wishes: &Wishes) -> Result<Looked> {
    let choice = match wishes.compose.as_slice() {
        [] => compose_choice::choose(&repository.files)?,
        given => compose_choice::given(given)?,
    };
    let sources = sources(repository, &choice);
    let (app, compose) = compose_choice::app(&choice, leads_out(repository, &choice, &sources));
    let mut found = Found {
        name: name(repository, wishes, &choice, &sources),
        compose: compose.unwrap_or_default(),
        override_file: choice.override_file.clone(),
        files: missing_files(repository, &app, &sources),
        url: wishes.url.clone(),
        branch: repository.main_branch(),
        has_submodules: repository.has(".gitmodules"),
        has_lfs: repository.text(".gitattributes").is_some_and(|text| text.contains("filter=lfs")),
        app,
        ..Found::default()
    };
    let variables = sources.values().flat_map(|source| source.variables.clone()).collect();
    let example = EXAMPLES
        .into_iter()
        .map(|name| in_app(&found.app, name))
        .find(|path| repository.committed.contains(path) && repository.text(path).is_some());
    let example_text = example.as_ref().and_then(|path| repository.text(path)).unwrap_or_default();
    let own = Some(in_app(&found.app, ".env")).filter(|path| repository.text(path).is_some());
    let set = own.as_ref().and_then(|path| repository.text(path)).unwrap_or_default();
    let set = env_file::read(set.as_bytes()).unwrap_or_default().into_iter().map(|assignment| assignment.name);
    let mut env = env_template::text(&variables, &example_text, &set.collect());
    if env.is_none() && own.is_none() && refers_to_env(&found.app, &sources) {
        env = Some(env_template::EMPTY.to_owned());
    }
    found.env_file = own.clone().or_else(|| env.as_ref().map(|_| env_template::PATH.to_owned()));

    found.proposal = proposal(repository, &found, &choice, &variables)?;
    routes(repository, &found.app, &mut found.proposal.webs);
    found.shared = empty_folders(repository, &found.app, &found.proposal.written);
    let published = &found.proposal.published;
    found.ports = deploy_toml::free_ports(|port| !published.contains(&port) && repository::is_free(port));
    found.slots = deploy_toml::slots_beside(&found.proposal.published_by_others);
    found.tests = tests(repository, &found.app);
    let notes = notes(&found);
    Ok(Looked { found, env, notes })
}

/// A path in the app, from the repository's root on.
fn in_app(app: &str, path: &str) -> String {
    if app == "." { path.to_owned() } else { format!("{app}/{path}") }
}

/// What runs already keeps its name; else the one that compose would give it.
fn name(
    repository: &Repository,
    wishes: &Wishes,
    choice: &Choice,
    sources: &BTreeMap<String, ComposeSource>,
) -> String {
    let place = repository.root.join(&choice.folder);
    let written = || sources.values().find_map(|source| source.name.clone());
    let known = wishes.name.clone().or_else(|| repository.running_project(&choice.folder)).or_else(written);
    known
        .filter(|name| wishes.name.is_some() || is_project_name(name))
        .unwrap_or_else(|| deploy_toml::project_name(&basename(&place)))
}

fn basename(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The compose files and all that they include, by their paths from the root.
fn sources(repository: &Repository, choice: &Choice) -> BTreeMap<String, ComposeSource> {
    let mut sources = BTreeMap::new();
    let at = |name: &String| compose_sources::from_folder(&choice.folder, name);
    let mut left: Vec<String> = choice.names.iter().filter_map(at).collect();
    while let Some(path) = left.pop() {
        let known = sources.contains_key(&path);
        let text = repository.text(&path).filter(|_| !known);
        let Some(source) = text.and_then(|text| compose_sources::read(&text)) else { continue };
        left.extend(source.others.iter().filter_map(|other| compose_sources::from_folder(folder_of(&path), other)));
        sources.insert(path, source);
    }
    sources
}

/// Whether the files refer to something that lies outside of their own folder.
fn leads_out(repository: &Repository, choice: &Choice, sources: &BTreeMap<String, ComposeSource>) -> bool {
    let below = format!("{}/", choice.folder);
    let names_it = |text: String| {
        text.match_indices("..").any(|(at, _)| {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            let after = text[at + 2..].chars().next().unwrap_or('\n');
            (before.is_whitespace() || "\"':[{/,".contains(before))
                && (after.is_whitespace() || "\"'/,]}".contains(after))
        })
    };
    sources.keys().any(|path| !path.starts_with(&below) || repository.text(path).is_some_and(names_it))
}

/// Whether a container gets the variables of the app's `.env`.
fn refers_to_env(app: &str, sources: &BTreeMap<String, ComposeSource>) -> bool {
    let env = in_app(app, ".env");
    let named = sources.iter().flat_map(|(file, source)| source.env_files.iter().map(move |path| (file, path)));
    named.into_iter().any(|(file, path)| compose_sources::from_folder(folder_of(file), path).as_ref() == Some(&env))
}

/// Files that compose needs and git does not have, by their paths in the app, each with the variable that is to hold it.
fn missing_files(
    repository: &Repository,
    app: &str,
    sources: &BTreeMap<String, ComposeSource>,
) -> BTreeMap<String, String> {
    let needed = sources.iter().flat_map(|(file, source)| {
        let named = source.env_files.iter().chain(&source.files);
        named.filter_map(|path| compose_sources::from_folder(folder_of(file), path))
    });
    let below = |path: String| match app {
        "." => Some(path),
        app => path.strip_prefix(app)?.strip_prefix('/').map(str::to_owned),
    };
    let is_missing = |path: &String| path != ".env" && !repository.committed.contains(&in_app(app, path));
    let missing: BTreeSet<String> = needed.filter_map(below).filter(is_missing).collect();
    let mut taken = BTreeSet::new();
    let named = missing.into_iter().map(|path| {
        let variable = variable(&path, &taken);
        taken.insert(variable.clone());
        (path, variable)
    });
    named.collect()
}

/// `PROD_FILE_KEYS_TLS_PEM` of `keys/tls.pem`: none of those that lead to the server, and no other file's.
fn variable(path: &str, taken: &BTreeSet<String>) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let letters: String = path.chars().map(plain).collect();
    let name = format!("PROD_FILE_{}", letters.trim_matches('_'));
    let names = [name.clone()].into_iter().chain((2..).map(|number| format!("{name}_{number}")));
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or(name)
}

/// An `.env` of which nothing is real: a value of the real one must not get into what is written. Each is a number, which may stand where a port or
/// a text does, and a path where the name asks for one.
fn stand_in(variables: &BTreeMap<String, Option<String>>) -> String {
    let is_path =
        |name: &str| ["DIR", "PATH", "FOLDER", "ROOT", "HOME", "VOLUME"].iter().any(|part| name.contains(part));
    let missing = variables.iter().filter(|(_, default)| default.is_none());
    let lines = missing.zip(STAND_IN..).map(|((name, _), number)| match is_path(name) {
        true => format!("{name}=/srv/{number}\n"),
        false => format!("{name}={number}\n"),
    });
    lines.collect()
}

/// The first of the numbers that stand in for values.
const STAND_IN: u32 = 41_001;

/// Whether a text has nothing in it that stands in for a value.
fn is_known(text: &str, variables: &BTreeMap<String, Option<String>>) -> bool {
    (STAND_IN..).take(variables.len()).all(|number| !text.contains(&number.to_string()))
}

/// What compose makes of the files, and what a deploy would make of that.
fn proposal(
    repository: &Repository,
    found: &Found,
    choice: &Choice,
    variables: &BTreeMap<String, Option<String>>,
) -> Result<Proposal> {
    let text = deploy_toml::text(found);
    let file = repository.root.join("deploy.toml");
    let mut config = load(&text, &file, "prod", &BTreeMap::new())?;
    if found.compose.is_empty() {
        config.project.compose = choice.names.clone();
    }
    let content = Secret::new(stand_in(variables).into_bytes());
    config.environment.env_file = SecretSource::Content(content.clone());
    let files = found.files.keys().map(|path| (path.clone(), Secret::new(""))).collect();
    let env = Env { content, files, values: Vec::new(), names: BTreeSet::new(), profiles: String::new() };
    let caller = Caller { name: "init".to_owned(), started_at: SystemTime::now() };
    let package = packaged(&config, &caller)?;
    let printed = review::read_here(&config, &package, &env)?.ok_or_else(review::no_compose)?;
    let lies_in = format!("{}/releases/{}", printed.folder, package.release);
    let read = |path: &str| repository.text(&in_app(&found.app, path));
    proposal::propose(&printed.project, &lies_in, &read, &|text| is_known(text, variables))
}

fn packaged(config: &Config, caller: &Caller) -> Result<package::Package> {
    let source = package::source(config)?;
    let release = source.release_id(caller.started_at)?;
    let folder = tempfile::tempdir().context("making a folder for the files")?;
    package::package(config, &source, &release, caller, folder.path(), None)
}

/// Of the folders that containers write to, those that git has only so that they are there.
fn empty_folders(repository: &Repository, app: &str, written: &[String]) -> Vec<String> {
    const PLACEHOLDERS: [&str; 6] = [".gitkeep", ".keep", ".gitignore", ".placeholder", "README.md", ".empty"];
    let is_empty = |path: &&String| {
        let below = in_app(app, &format!("{path}/"));
        let mut inside = repository.committed.iter().filter_map(|file| file.strip_prefix(&below)).peekable();
        inside.peek().is_some() && inside.all(|file| PLACEHOLDERS.contains(&file))
    };
    written.iter().filter(is_empty).cloned().collect()
}

/// Looks in the source for the route of a web service of which compose's files tell none.
fn routes(repository: &Repository, app: &str, webs: &mut [ProposedWeb]) {
    let all = webs.iter().filter_map(|web| web.code.clone()).collect::<Vec<String>>();
    // Of two services of the same code nobody knows whose a route is.
    let own = |code: &String| all.iter().filter(|other| *other == code).count() == 1;
    for web in webs.iter_mut().filter(|web| web.health == Health::AnyAnswer) {
        let Some(code) = web.code.as_ref().filter(|code| own(code)) else { continue };
        let below = if code.is_empty() { in_app(app, "") } else { in_app(app, &format!("{code}/")) };
        // Those of another one's folder inside of this one.
        let others: Vec<String> = all
            .iter()
            .filter(|other| *other != code && other.starts_with(code))
            .map(|other| in_app(app, &format!("{other}/")))
            .collect();
        let is_its = |path: &&String| path.starts_with(&below) && !others.iter().any(|other| path.starts_with(other));
        let paths = repository.files.iter().filter(is_its).filter(|path| health_route::is_read(&path[below.len()..]));
        let texts: Vec<(&str, String)> =
            paths.take(MOST_SOURCES).filter_map(|path| Some((&path[below.len()..], repository.text(path)?))).collect();
        if let Some(Route { path, file }) = health_route::find(texts.iter().map(|(path, text)| (*path, text.as_str())))
        {
            web.health = Health::Route { path, file: format!("{below}{file}") };
        }
    }
}

/// Files of source that are read: a large project has some thousand.
const MOST_SOURCES: usize = 5000;

fn tests(repository: &Repository, app: &str) -> test_runner::Tests {
    let below = in_app(app, "");
    let in_app = repository.files.iter().filter_map(|path| path.strip_prefix(&below).map(str::to_owned));
    let paths: Vec<String> = in_app.filter(|path| !path.starts_with("xtask/")).collect();
    let read = paths.iter().filter(|path| test_runner::is_read(path));
    let texts = read.filter_map(|path| Some((path.clone(), repository.text(&format!("{below}{path}"))?))).collect();
    test_runner::find(&test_runner::Files { paths: &paths, texts: &texts }, app)
}

fn notes(found: &Found) -> Vec<String> {
    let mut notes = Vec::new();
    if found.proposal.webs.is_empty() {
        notes.push("no service publishes or exposes a port; name the one that users reach as `web` in deploy.toml, and its port as `web_port`".to_owned());
    }
    let unknown: Vec<&str> = found
        .proposal
        .webs
        .iter()
        .filter(|web| web.health == Health::AnyAnswer)
        .map(|web| web.service.as_str())
        .collect();
    if !unknown.is_empty() {
        notes.push(format!(
            "{}: no health route was found, neither in a health check of the compose file nor in the source. Until there is one, any answer of `/` but a \
             failure of its own counts, so a version that cannot reach its database may get the traffic. Add a route, and set [health] (docs/HEALTH.md of the tool)",
            unknown.join(", ")
        ));
    }
    let further: Vec<String> =
        found.proposal.webs.iter().skip(1).map(|web| format!("{0} below /{0}/", web.service)).collect();
    if !further.is_empty() {
        notes.push(format!(
            "users reach {}, and nginx passes the path on as it is: a proxy of yours that took it off (`proxy_pass` with a path) has no counterpart here, so the \
             service has to serve it, or `path` in its section of deploy.toml has to be what it serves",
            further.join(", ")
        ));
    }
    let jobs = &found.proposal.not_hooked;
    if !jobs.is_empty() {
        notes.push(format!(
            "{}: no hook was written, because the command uses variables, or runs in another way than the web service. It runs once, as an accessory; what each deploy is to \
             run belongs in `before_boot` ([hooks])",
            jobs.join(", ")
        ));
    }
    let programs: BTreeSet<&str> = found.tests.programs().into_iter().collect();
    let missing = programs.into_iter().filter(|program| !repository::has_program(program));
    notes.extend(missing.map(|program| {
        format!("`{program}` is not on this machine, and a deploy from here runs the tests with it; `--skip-tests` does without")
    }));
    notes.extend(found.files.iter().map(|(path, variable)| {
        format!("git does not have {path}; for the server, its content goes into the variable {variable}")
    }));
    notes
}
