//! The secrets of a repository on GitHub, by its own command `gh`, where a person has logged in with it.

use std::path::Path;

use anyhow::Result;

use crate::io::process::{self, Command};
use crate::rules::script::Input;
use crate::rules::secret::Secret;

/// Whether `gh` is here, somebody has logged in, and the repository is one of GitHub's.
pub fn is_at_hand(root: &Path) -> bool {
    let runs = |words: &[&str]| {
        let command = Command::new("ask gh", words.iter().copied()).in_folder(root);
        process::finish(&command).is_ok_and(|finished| finished.code == Some(0))
    };
    process::require("gh", "").is_ok()
        && runs(&["gh", "auth", "status"])
        && runs(&["gh", "repo", "view", "--json", "name"])
}

/// Makes an environment there, and gives it secrets, each through standard input.
///
/// # Errors
/// With `gh`'s own words.
pub fn set_secrets(root: &Path, environment: &str, secrets: &[(String, Secret)]) -> Result<()> {
    let place = format!("repos/{{owner}}/{{repo}}/environments/{environment}");
    let make = Command::new("make the environment on GitHub", ["gh", "api", "--method", "PUT", &place]).in_folder(root);
    process::finish(&make)?.success()?;
    for (name, value) in secrets {
        let set =
            Command::new("set a secret on GitHub", ["gh", "secret", "set", name, "--env", environment]).in_folder(root);
        process::finish(&set.reading(Input::Secret(value.clone())))?.success()?;
    }
    Ok(())
}
