//! `cargo xtask package`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{Invocation, print};
use crate::io::local::package;

/// Make the archive and manifest of the committed app
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask package --output dist")]
pub struct Package {
    /// Include uncommitted changes
    #[arg(long)]
    dirty: bool,
    /// Where to write the archive and its manifest
    #[arg(long, value_name = "FOLDER", default_value = ".deploy/packages")]
    output: PathBuf,
}

impl Package {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`crate::rules::failure::Kind::Package`] where the tree cannot be released.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { config, caller, .. } = invocation;
        let source = package::source(config)?;
        if !self.dirty {
            source.refuse_dirty()?;
        }
        let release = source.release_id(caller.started_at)?;
        let folder = config.root.join(&self.output);
        let package = package::package(config, &source, &release, caller, &folder, None)?;
        print(invocation, &package, |package| {
            format!(
                "{}\n{}\nsha256 {}, {} bytes",
                package.archive.display(),
                package.manifest.display(),
                package.sha256,
                package.bytes
            )
        })
    }
}
