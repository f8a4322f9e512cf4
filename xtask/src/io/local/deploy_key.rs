//! The key by which this tool gets to a server: made here, where none is given.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::io::process::{self, Command};
use crate::rules::failure::Kind;
use crate::rules::script::Input;
use crate::rules::secret::Secret;

/// A pair.
pub struct DeployKey {
    pub private: Secret,
    /// As a line of `authorized_keys`, without a comment.
    pub public: String,
}

impl DeployKey {
    /// Of the private half that a variable holds.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it is none.
    pub fn of_variable(private: &Secret) -> Result<DeployKey> {
        let folder = tempfile::tempdir().context("making a private folder")?;
        let file = folder.path().join("key");
        let mut content = private.expose().to_vec();
        content.push(b'\n');
        write_private(&file, &content)?;
        let public =
            public_half(&file).map_err(|error| Kind::Configuration.around(error, "the variable with the SSH key"))?;
        Ok(DeployKey { private: private.clone(), public })
    }

    /// The one in `file`, made now where it is not there.
    ///
    /// # Errors
    /// Where `ssh-keygen` or the disk fails.
    pub fn at(file: &Path) -> Result<DeployKey> {
        if !file.exists() {
            private_folder_of(file)?;
            let words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deploy", "-f"].map(str::to_owned);
            let words = words.into_iter().chain([file.display().to_string()]);
            process::finish(&Command::new("make a key", words))?.success()?;
        }
        let private = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        Ok(DeployKey { private: Secret::new(private), public: public_half(file)? })
    }
}

fn public_half(file: &Path) -> Result<String> {
    let words = ["ssh-keygen", "-y", "-P", "", "-f"].map(str::to_owned).into_iter().chain([file.display().to_string()]);
    let printed = process::finish(&Command::new("read the key", words).reading(Input::Nothing))?.success()?.text();
    let mut words = printed.split_whitespace();
    match (words.next(), words.next()) {
        (Some(kind), Some(key)) => Ok(format!("{kind} {key}")),
        _ => Err(anyhow::anyhow!("ssh-keygen printed no key")),
    }
}

fn private_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making {}", folder.display()))
}

/// Writes a file that nobody else can read, in the place of one that is there.
///
/// # Errors
/// Where the disk fails.
pub fn write_private(file: &Path, content: &[u8]) -> Result<()> {
    private_folder_of(file)?;
    let write = || -> std::io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(file))?;
        std::io::Write::write_all(&mut new, content)?;
        new.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", file.display()))
}
