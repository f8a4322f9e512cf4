//! The environment's `.env` on this machine, and what of the compose files it has to answer for.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::rules::config::env_file::{self, Assignment};
use crate::rules::config::{Config, EnvFile};
use crate::rules::engine::compose;
use crate::rules::failure::{self, Kind};
use crate::rules::secret::{Secret, mask};

/// A release's `.env`.
pub struct Env {
    /// Byte for byte.
    pub content: Secret,
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

/// The environment's `.env`.
///
/// # Errors
/// [`Kind::Configuration`] naming the variable or file that is missing, or the lines that have no one meaning.
pub fn env_file(config: &Config) -> Result<Env> {
    let (env, from) = match &config.environment.env_file {
        EnvFile::Content(content) => (content.clone(), format!("the env file of {}", config.environment.name)),
        EnvFile::Path(path) => {
            let from = format!("[environments.{}] env_file {}", config.environment.name, path.display());
            let bytes = std::fs::read(path).map_err(|error| Kind::Configuration.error(format!("{from}: {error}")))?;
            (Secret::new(bytes), from)
        }
        EnvFile::Missing { variable } => {
            return Err(Kind::Configuration
                .error(format!("the environment variable {variable} is not set; it holds the release's .env")));
        }
    };
    let assignments = env_file::read(env.expose()).map_err(|refusals| {
        let shown: Vec<String> = refusals.iter().take(10).map(|refusal| format!("\n  {refusal}")).collect();
        Kind::Configuration
            .error(format!("{from}: the containers would not get these values as written:{}", shown.concat()))
    })?;
    Ok(Env {
        values: mask::secrets(&assignments, &config.text),
        profiles: profiles(&assignments),
        names: names(&assignments),
        content: env,
    })
}

/// # Errors
/// [`Kind::Configuration`] with the compose files that are not there, and with the variables of those that are which nobody
/// sets, each with its place. Compose would go on with a blank for them.
pub fn check_compose_files(config: &Config, env: &Env) -> Result<()> {
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
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Kind::Configuration.error(format!("the compose files:\n- {}", problems.join("\n- ")))),
    }
}
