//! `cargo xtask package`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{Invocation, print};
use crate::io::local::{image, package};

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
    /// Write an image of this machine's docker beside them, for `docker load`
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
}

/// What was written.
#[derive(Serialize)]
struct Packaged {
    #[serde(flatten)]
    package: package::Package,
    image: Option<PathBuf>,
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
        let image = match &self.image {
            Some(name) => Some(image::save(&image::id(name)?, &folder, 0)?.0),
            None => None,
        };
        print(invocation, &Packaged { package, image }, |Packaged { package, image }| {
            let image = image.as_ref().map(|image| format!("\n{}", image.display())).unwrap_or_default();
            format!(
                "{}\n{}\nsha256 {}, {} bytes{image}",
                package.archive.display(),
                package.manifest.display(),
                package.sha256,
                package.bytes
            )
        })
    }
}
