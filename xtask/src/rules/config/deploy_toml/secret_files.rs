//! `files` of an environment: what of a release is not in its commit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::rules::config::SecretSource;
use crate::rules::secret::Secret;

use super::{Problem, checks};

/// Where the content of a file comes from.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum RawFile {
    /// An environment variable that holds it.
    Variable(String),
    /// A file of this machine.
    File { file: String },
}

/// The content that a variable holds.
pub fn of_variable(variable: String, variables: &BTreeMap<String, String>) -> SecretSource {
    // GitHub gives a secret that is not set as an empty variable.
    match variables.get(&variable).filter(|content| !content.trim().is_empty()) {
        Some(content) => SecretSource::Content(Secret::new(content.as_bytes())),
        None => SecretSource::Missing { variable },
    }
}

/// # Errors
/// The first path or source that cannot be.
pub fn resolve(
    files: BTreeMap<String, RawFile>,
    root: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, SecretSource>, Problem> {
    let refused = |text: String| Problem::at("files", format!("files: {text}"));
    let mut resolved = BTreeMap::new();
    for (path, source) in files {
        check_path(&path).map_err(refused)?;
        let source = match source {
            RawFile::Variable(name) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                if name.is_empty() || !name.bytes().all(plain) {
                    return Err(refused(format!(
                        "{path:?} = {name:?}: give the name of an environment variable, or {{ file = \"…\" }} for a file of this machine"
                    )));
                }
                of_variable(name, variables)
            }
            RawFile::File { file } => {
                checks::relative(&file).map_err(refused)?;
                SecretSource::Path(root.join(file))
            }
        };
        resolved.insert(path, source);
    }
    let inside = |path: &String| resolved.keys().find(|other| path.starts_with(&format!("{other}/"))).cloned();
    match resolved.keys().find_map(|path| Some((path, inside(path)?))) {
        Some((path, file)) => Err(refused(format!("{path:?} lies in {file:?}, which is a file itself"))),
        None => Ok(resolved),
    }
}

/// A path below the app's folder, written in one way only.
fn check_path(path: &str) -> Result<(), String> {
    checks::relative(path)?;
    let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".git"));
    match path {
        ".env" => Err("`.env` is the environment's: its content is that of `env_file`, or of its variable".to_owned()),
        _ if !plain || path.contains(char::is_whitespace) => {
            Err(format!("{path:?}: write the path below the app's folder without blanks, `.` and `//`"))
        }
        _ => Ok(()),
    }
}
