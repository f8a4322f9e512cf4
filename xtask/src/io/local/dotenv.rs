//! The environment's `.env` on this machine, and what of the compose files it has to answer for.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::rules::config::env_file::{self, Assignment};
use crate::rules::config::{Config, SecretSource};
use crate::rules::engine::compose;
use crate::rules::failure::{self, Kind};
use crate::rules::secret::{Secret, mask};

use super::secret_files;
use crate::io::process;

/// A release's `.env`, and what else of it is not in its commit.
#[derive(Clone)]
pub struct Env {
    /// Byte for byte.
    pub content: Secret,
    /// Files by their paths below the app's folder.
    pub files: Vec<(String, Secret)>,
    /// What is to be hidden in logs.
    pub values: Vec<String>,
    /// The variables it sets.
    pub names: BTreeSet<String>,
    /// Compose's profiles that are on, apart by commas.
    pub profiles: String,
}

fn names(assignments: &[Assignment]) -> BTreeSet<String> {
    assignments.iter().map(|assignment| assignment.name.clone()).collect()
}

/// Compose's profiles that are on by an `.env`.
pub fn profiles_in(env: &[u8]) -> String {
    profiles(&env_file::read(env).unwrap_or_default())
}

/// The last one counts, as for compose.
fn profiles(assignments: &[Assignment]) -> String {
    let set = assignments.iter().rev().find(|assignment| assignment.name == "COMPOSE_PROFILES");
    set.map(|assignment| assignment.value.clone()).unwrap_or_default()
}

/// The environment's `.env`, and its other files.
///
/// # Errors
/// [`Kind::Configuration`] naming the variable or file that is missing, or the lines that have no one meaning.
pub fn env_file(config: &Config) -> Result<Env> {
    Ok(with_files(config, env_alone(config)?, secret_files::read(config)?))
}

/// What is not known of an environment's `.env` and files.
#[derive(Default)]
pub struct Unknown {
    /// Variables of the server's that are not set here, and what was taken in their place.
    pub notes: Vec<String>,
    /// Files of this machine that are not there: a deploy would be refused.
    pub missing: Vec<String>,
}

/// The same with what is known of them here, and what is not: that is taken to be what the compose files need.
///
/// # Errors
/// [`Kind::Configuration`] where what is there is wrong.
pub fn as_far_as_known(config: &Config) -> Result<(Env, Unknown)> {
    let mut unknown = Unknown::default();
    let taken = |env: &Env| {
        let names: Vec<&str> = env.names.iter().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let env = match &config.environment.env_file {
        SecretSource::Missing { variable } => {
            let env = stand_in(config)?;
            unknown.notes.push(format!(
                "{variable} is not set, so nothing is known of the `.env`, its profiles included; variables that were taken to be set in it: {}",
                taken(&env)
            ));
            env
        }
        SecretSource::Path(path) if !path.exists() => {
            let name = &config.environment.name;
            unknown.missing.push(format!("[environments.{name}] env_file: there is no {}", path.display()));
            stand_in(config)?
        }
        SecretSource::Path(_) | SecretSource::Content(_) => env_alone(config)?,
    };
    let files = secret_files::as_far_as_known(config, &mut unknown)?;
    Ok((with_files(config, env, files), unknown))
}

fn with_files(config: &Config, mut env: Env, files: Vec<(String, Secret)>) -> Env {
    env.values.extend(files.iter().flat_map(|(_, content)| mask::secrets_of_file(content.expose(), &config.text)));
    Env { files, ..env }
}

fn env_alone(config: &Config) -> Result<Env> {
    let (env, from) = match &config.environment.env_file {
        SecretSource::Content(content) => (content.clone(), format!("the env file of {}", config.environment.name)),
        SecretSource::Path(path) => {
            let from = format!("[environments.{}] env_file {}", config.environment.name, path.display());
            let bytes = std::fs::read(path).map_err(|error| Kind::Configuration.error(format!("{from}: {error}")))?;
            (Secret::new(bytes), from)
        }
        SecretSource::Missing { variable } => {
            return Err(Kind::Configuration
                .error(format!("the environment variable {variable} is not set; it holds the release's .env")));
        }
    };
    if env.expose().is_empty() && is_committed(config)? {
        return Err(Kind::Configuration.error(format!(
            "{from} is empty, and the commit has a `.env` of its own, which would be replaced by nothing: with `env_file = \"{}/.env\"` it is \
             the release's",
            config.project.app.trim_end_matches('/')
        )));
    }
    let assignments = env_file::read(env.expose()).map_err(|refusals| {
        let shown: Vec<String> = refusals.iter().take(10).map(|refusal| format!("\n  {refusal}")).collect();
        Kind::Configuration
            .error(format!("{from}: the containers would not get these values as written:{}", shown.concat()))
    })?;
    Ok(Env {
        files: Vec::new(),
        values: mask::secrets(&assignments, &config.text),
        profiles: profiles(&assignments),
        names: names(&assignments),
        content: env,
    })
}

/// Whether the app's folder has an `.env` that git knows.
fn is_committed(config: &Config) -> Result<bool> {
    let app = config.root.join(&config.project.app);
    Ok(!process::line(&app, "git", &["ls-files", "--", ".env"])?.is_empty())
}

/// In the place of an `.env` that is not known here: it sets what the compose files take from it.
fn stand_in(config: &Config) -> Result<Env> {
    let mut names = BTreeSet::new();
    for name in &config.project.compose {
        let Ok(text) = std::fs::read(config.root.join(&config.project.app).join(name)) else { continue };
        let text = failure::utf8(&text, name)?;
        let places = compose::undefined(name, text, &BTreeSet::new());
        names.extend(compose::required(text));
        names.extend(places.iter().filter_map(|place| Some(place.rsplit_once(": ")?.1.to_owned())));
    }
    let content: String = names.iter().map(|name| format!("{name}=1\n")).collect();
    Ok(Env {
        content: Secret::new(content.as_bytes()),
        files: Vec::new(),
        values: Vec::new(),
        names,
        profiles: String::new(),
    })
}

/// What does not arrive as the `.env` has it, and is not refused: it may be meant.
pub fn notes_of_compose_files(config: &Config, env: &Env) -> Vec<String> {
    let assignments = env_file::read(env.content.expose()).unwrap_or_default();
    let app = config.root.join(&config.project.app);
    let texts =
        config.project.compose.iter().filter_map(|name| Some((name, std::fs::read_to_string(app.join(name)).ok()?)));
    texts.flat_map(|(name, text)| compose::split_values(name, &text, &assignments)).collect()
}

/// # Errors
/// [`Kind::Configuration`] with all of it.
pub fn check_compose_files(config: &Config, env: &Env) -> Result<()> {
    let problems = problems_of_compose_files(config, env)?;
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Kind::Configuration.error(format!("the compose files:\n- {}", problems.join("\n- ")))),
    }
}

/// The compose files that are not there, and the variables of those that are which nobody sets, each with its place. Compose would go on
/// with a blank for them.
///
/// # Errors
/// [`Kind::Configuration`] where one is no text.
pub fn problems_of_compose_files(config: &Config, env: &Env) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for name in &config.project.compose {
        let shown = format!("{}/{name}", config.project.app.trim_end_matches('/'));
        let file = config.root.join(&config.project.app).join(name);
        match std::fs::read(&file) {
            Ok(text) => {
                let undefined = compose::undefined(&shown, failure::utf8(&text, &shown)?, &env.names);
                problems.extend(undefined.into_iter().map(|variable| {
                    format!(
                        "{variable} is set nowhere: put it into the .env, or give it a default, as in ${{NAME:-value}}"
                    )
                }));
            }
            Err(error) => {
                problems.push(format!("{shown}: {error}; `compose` ([project] in deploy.toml) names the files"))
            }
        }
    }
    Ok(problems)
}
