//! Images of this machine's docker.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::io::process::{self, Command};
use crate::rules::failure::Kind;

/// The id of an image.
///
/// # Errors
/// [`Kind::Configuration`] where there is none of this name.
pub fn id(name: &str) -> Result<String> {
    let said = inspect(name, "{{.Id}}");
    let said =
        said.map_err(|error| Kind::Configuration.around(error, format!("the image {name} is not on this machine")))?;
    Ok(said.trim().to_owned())
}

/// Its layers, the lowest first.
///
/// # Errors
/// Where there is no such image.
pub fn layers(id: &str) -> Result<Vec<String>> {
    serde_json::from_str(&inspect(id, "{{json .RootFS.Layers}}")?).context("docker printed no layers")
}

fn inspect(image: &str, format: &str) -> Result<String> {
    process::text(&Command::new("look at the image", ["docker", "image", "inspect", "--format", format, image]))
}

/// Writes it into a file of `folder`, without its first `known` layers. Gives the file and its bytes.
///
/// # Errors
/// Where docker or the disk fails.
pub fn save(id: &str, folder: &Path, known: usize) -> Result<(PathBuf, u64)> {
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/save_image.sh"));
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let short: String = id.trim_start_matches("sha256:").chars().take(12).collect();
    let file = folder.join(format!("{short}.image.tar.gz"));
    let (place, known) = (file.display().to_string(), known.to_string());
    let words = ["bash", "-c", script, "save", id, &place, &known].map(str::to_owned);
    process::finish(&Command::new("save the image", words))?.success()?;
    let bytes = std::fs::metadata(&file).with_context(|| format!("reading {}", file.display()))?.len();
    Ok((file, bytes))
}
