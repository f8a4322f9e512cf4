//! The files of a release that are not in its commit, on this machine.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::io::local::dotenv::Unknown;
use crate::io::local::package;
use crate::rules::config::{Config, SecretSource};
use crate::rules::failure::Kind;
use crate::rules::script::Input;
use crate::rules::secret::Secret;

/// Bytes of all of them: keys, certificates and settings are shorter, and a host tells all of them in one line.
const LARGEST: usize = 256 * 1024;

/// # Errors
/// [`Kind::Configuration`] with the variable or file that is not there.
pub fn read(config: &Config) -> Result<Vec<(String, Secret)>> {
    let files = config.environment.files.iter();
    let files = files.map(|(path, source)| Ok((path.clone(), content(&config.environment.name, path, source)?)));
    of_a_bearable_size(files.collect::<Result<_>>()?)
}

fn of_a_bearable_size(files: Vec<(String, Secret)>) -> Result<Vec<(String, Secret)>> {
    let bytes: usize = files.iter().map(|(_, content)| content.expose().len()).sum();
    match bytes <= LARGEST {
        true => Ok(files),
        false => Err(Kind::Configuration.error(format!(
            "`files` of the environment have {bytes} bytes together, and at most 256 KiB can come this way; what is as large is data, and lies in \
             `shared`"
        ))),
    }
}

/// The same; one whose variable is not set, or that is not there, is empty, and told.
///
/// # Errors
/// [`Kind::Configuration`] with the file that cannot be read.
pub fn as_far_as_known(config: &Config, unknown: &mut Unknown) -> Result<Vec<(String, Secret)>> {
    let environment = &config.environment.name;
    let files = config.environment.files.iter().map(|(path, source)| match source {
        SecretSource::Missing { variable } => {
            unknown.notes.push(format!("{variable} is not set, so `{path}` was taken to be empty"));
            Ok((path.clone(), Secret::new("")))
        }
        SecretSource::Path(file) if !file.exists() => {
            unknown.missing.push(format!("[environments.{environment}] files: there is no {}", file.display()));
            Ok((path.clone(), Secret::new("")))
        }
        SecretSource::Path(_) | SecretSource::Content(_) => Ok((path.clone(), content(environment, path, source)?)),
    });
    of_a_bearable_size(files.collect::<Result<_>>()?)
}

fn content(environment: &str, path: &str, source: &SecretSource) -> Result<Secret> {
    let refuse =
        |why: String| Kind::Configuration.error(format!("[environments.{environment}] files, {path:?}: {why}"));
    match source {
        SecretSource::Content(content) => Ok(content.clone()),
        SecretSource::Path(file) => {
            std::fs::read(file).map(Secret::new).map_err(|error| refuse(format!("{}: {error}", file.display())))
        }
        SecretSource::Missing { variable } => {
            Err(refuse(format!("the environment variable {variable} is not set; it holds the file")))
        }
    }
}

/// sha256 of each of them, by its path.
///
/// # Errors
/// Where `sha256sum` fails.
pub fn sums(files: &[(String, Secret)]) -> Result<BTreeMap<Vec<u8>, String>> {
    let sum = |content: &Secret| package::sha256(Input::Secret(content.clone()));
    files.iter().map(|(path, content)| Ok((path.clone().into_bytes(), sum(content)?))).collect()
}
