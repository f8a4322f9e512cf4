//! What `init` finds out of a repository, and what it would write there.

mod found;
mod tool;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::io::local::repository::Repository;
use crate::rules::config::{self, Config};
use crate::rules::engine::compose::proposal::Health;
use crate::rules::failure::Kind;
use crate::rules::init::additions::{self, Change};
use crate::rules::init::{Found, deploy_toml, env_template, test_runner, workflows};

pub use tool::update;

/// What a person says of it.
#[derive(Default)]
pub struct Wishes {
    /// Compose files, relative to the repository's root.
    pub compose: Vec<String>,
    pub url: Option<String>,
    pub name: Option<String>,
}

/// What becomes of the repository.
#[derive(Default, Serialize)]
pub struct Proposed {
    pub root: PathBuf,
    /// What was found of the project, by a heading. Nothing where it is described already.
    pub found: Vec<(&'static str, String)>,
    #[serde(skip)]
    pub new: Vec<(String, Vec<u8>)>,
    #[serde(skip)]
    pub changed: Vec<(String, Vec<u8>)>,
    /// The paths of the files that are written, the tool's own aside.
    pub writes: Vec<String>,
    pub adds_to: Vec<String>,
    /// How many files of the tool are brought in.
    pub files_of_the_tool: usize,
    /// What is left for a person.
    pub by_hand: Vec<String>,
    /// What was there already.
    pub kept: Vec<String>,
}

/// Looks, and writes nothing.
///
/// # Errors
/// [`Kind::Usage`] where this is no repository that can be prepared; [`Kind::Configuration`] with what compose says of its files.
pub fn propose(repository: &Repository, wishes: &Wishes) -> Result<Proposed> {
    let mut proposed = Proposed { root: repository.root.clone(), ..Proposed::default() };
    tool::bring_in(repository, &mut proposed)?;
    let found = match repository.has("deploy.toml") {
        true => {
            // What is there has to be this tool's, before anything is written beside it.
            let text = repository.text("deploy.toml").unwrap_or_default();
            load(repository, &text, &config::deploy_toml::known_or_first(&text, "local"))?;
            proposed.kept.push("deploy.toml".to_owned());
            None
        }
        false => Some(found::found(repository, wishes)?),
    };
    if let Some(found::Looked { found, env, notes }) = &found {
        proposed.found = described(found);
        proposed.by_hand.extend(notes.iter().cloned());
        let text = deploy_toml::text(found);
        for environment in ["local", "prod"] {
            load(repository, &text, environment).map_err(|error| {
                Kind::Usage.around(error, "the settings for this repository, which were not written")
            })?;
        }
        new_file(repository, &mut proposed, "deploy.toml", text);
        if let Some(env) = env {
            new_file(repository, &mut proposed, env_template::PATH, env.clone());
        }
        if let test_runner::Tests::Pytest { .. } = found.tests {
            new_file(repository, &mut proposed, "tests_config.yaml", deploy_toml::TEST_SELECTION.to_owned());
        }
        for (path, text) in workflows::texts(found, &workflows::IN_ITS_FOLDER) {
            new_file(repository, &mut proposed, path, text);
        }
    }
    lines(repository, &mut proposed);
    let paths = proposed.new.iter().chain(&proposed.changed).map(|(path, _)| path);
    if let Some(obstacle) = paths.filter_map(|path| repository.obstacle(path)).next() {
        return Err(Kind::Usage.error(format!(
            "{obstacle} is no folder of this repository, but a link or a file, and something has to be written there: make it a folder, and run this again"
        )));
    }
    Ok(proposed)
}

fn load(repository: &Repository, text: &str, environment: &str) -> Result<Config> {
    config::deploy_toml::load(text, &repository.root.join("deploy.toml"), environment, &BTreeMap::new())
}

fn new_file(repository: &Repository, proposed: &mut Proposed, path: &str, text: String) {
    if repository.has(path) {
        proposed.kept.push(path.to_owned());
    } else {
        proposed.writes.push(path.to_owned());
        proposed.new.push((path.to_owned(), text.into_bytes()));
    }
}

/// Lines in files that other things stand in too.
fn lines(repository: &Repository, proposed: &mut Proposed) {
    let text = |path: &str| repository.text(path).unwrap_or_default();
    // A file that is no text, or a link, is a person's.
    let is_plain = |path: &str| !repository.has(path) || repository.text(path).is_some();
    let mut add = |path: &str, change: Change| match change {
        Change::Text(new) if is_plain(path) => {
            proposed.adds_to.push(path.to_owned());
            proposed.changed.push((path.to_owned(), new.into_bytes()));
        }
        Change::Text(_) => proposed.by_hand.push(format!("{path} could not be read; add the tool's lines to it")),
        Change::Nothing => {}
        Change::ByHand(what) => proposed.by_hand.push(format!("{path}: add {what}")),
    };
    let change = |new: Option<String>| new.map_or(Change::Nothing, Change::Text);
    let comment = "What the deploy tool builds and keeps";
    add(".gitignore", change(additions::ignored(&text(".gitignore"), comment, &["/.deploy/"])));
    let is_dockerfile = |path: &String| path.rsplit('/').next().is_some_and(|name| name.starts_with("Dockerfile"));
    if repository.files.iter().any(is_dockerfile) {
        // An image that takes in the whole repository would take in the tool, and be built anew with each of its builds.
        add(".dockerignore", change(additions::ignored(&text(".dockerignore"), comment, &["xtask", ".deploy"])));
    }
    if repository.has(".cargo/config") {
        // Cargo reads it in the place of config.toml.
        add(".cargo/config", additions::with_alias(&text(".cargo/config")));
    } else if !tool::is_member(repository) {
        add(".cargo/config.toml", additions::with_alias(&text(".cargo/config.toml")));
    }
    // The names by which make finds its file, in its order.
    let makefile =
        ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|name| repository.has(name)).unwrap_or("Makefile");
    let (targets, there) = additions::with_targets(&text(makefile));
    add(makefile, targets);
    if !there.is_empty() {
        proposed.kept.push(format!("{makefile}: its own {}", there.join(", ")));
    }
}

fn described(found: &Found) -> Vec<(&'static str, String)> {
    let Found { proposal, .. } = found;
    let mut lines = Vec::new();
    let files =
        if found.compose.is_empty() { "the one that compose finds".to_owned() } else { found.compose.join(", ") };
    let app = if found.app == "." { "the repository".to_owned() } else { format!("{}/", found.app) };
    let beside = found
        .override_file
        .as_ref()
        .map(|file| format!("; {file} is for development, and not used"))
        .unwrap_or_default();
    lines.push(("name", format!("{}, on the server too; `--name` gives another", found.name)));
    lines.push(("compose", format!("{files}, in {app}{beside}")));
    for web in &proposal.webs {
        let health = match &web.health {
            Health::Path(path) => format!("healthy where {path} answers 200"),
            Health::Route { path, file } => format!("healthy where {path} answers 200 (a route of {file})"),
            Health::AnyAnswer => "healthy where / answers at all (a route for it is better)".to_owned(),
        };
        lines.push(("web", format!("{}, port {}, {health}", web.service, web.port)));
    }
    let mut list = |heading, names: &[String]| {
        if !names.is_empty() {
            lines.push((heading, names.join(", ")));
        }
    };
    list("workers", &proposal.workers);
    list("stay", &proposal.accessories);
    list("data", &found.shared);
    let commands: Vec<String> = proposal.before_boot.iter().map(|words| words.join(" ")).collect();
    list("hooks", &commands);
    let off: Vec<String> = proposal.off.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    list("off", &off);
    let tests = match &found.tests {
        test_runner::Tests::Unknown => "none found".to_owned(),
        test_runner::Tests::Commands(commands) => {
            commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("; ")
        }
        test_runner::Tests::Pytest { folder, .. } => format!("pytest, of {folder}"),
    };
    lines.push(("tests", tests));
    lines
}

/// Writes what was proposed: new files first, so that nothing refers to what is not there.
///
/// # Errors
/// Where the disk fails, or a file has come meanwhile.
pub fn apply(repository: &Repository, proposed: &Proposed) -> Result<()> {
    for (path, content) in &proposed.new {
        repository.create(path, content)?;
    }
    for (path, content) in &proposed.changed {
        repository.replace(path, content)?;
    }
    Ok(())
}

impl Proposed {
    /// For a person.
    pub fn describe(&self) -> String {
        let mut lines: Vec<String> = self.found.iter().map(|(heading, text)| format!("{heading:<8} {text}")).collect();
        if self.files_of_the_tool > 0 {
            lines.push(format!("writes   xtask/: the tool, {} files", self.files_of_the_tool));
        }
        for (heading, paths) in [("writes", &self.writes), ("adds to", &self.adds_to), ("keeps", &self.kept)] {
            if !paths.is_empty() {
                lines.push(format!("{heading:<8} {}", paths.join(", ")));
            }
        }
        lines.extend(self.by_hand.iter().map(|what| format!("look     {what}")));
        lines.join("\n")
    }
}
