//! The tool's own source, to be brought into another repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::rules::failure::Kind;
use crate::rules::init::manifest;

/// What another repository gets, by its path in the folder of the tool: its source without tests, as a workspace of its own.
pub struct ToolSource {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its manifest as a member of a repository's workspace, where it is one.
    pub as_member: Option<Vec<u8>>,
}

impl ToolSource {
    /// # Errors
    /// [`Kind::Unexpected`] where the source that this program was built from is not there any more.
    pub fn read() -> Result<ToolSource> {
        // Cargo tells where it is now; a program that was started by itself knows where it was.
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let folder = PathBuf::from(folder);
        let missing = |error: anyhow::Error| {
            Kind::Unexpected.around(
                error,
                "the tool is brought in from its own source, by `cargo xtask init` in a clone of its repository",
            )
        };
        read_from(&folder).map_err(missing)
    }
}

/// A repository that ignores `release/` or `*.lock` must not ignore parts of the tool.
const IGNORED: &str = "!*\n/target/\n";

fn read_from(folder: &Path) -> Result<ToolSource> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let mut files = BTreeMap::new();
    collect(folder, "src", &mut files)?;
    let package = read(&folder.join("Cargo.toml"))?;
    let above = folder.parent().unwrap_or(folder);
    let is_member = manifest::is_member(&String::from_utf8_lossy(&package));
    let place = if is_member { above } else { folder };
    let (workspace, lock) = (read(&place.join("Cargo.toml"))?, read(&place.join("Cargo.lock"))?);
    let whole = manifest::of_its_own(&String::from_utf8_lossy(&package), &String::from_utf8_lossy(&workspace));
    files.insert("Cargo.toml".to_owned(), whole.map_or_else(|| package.clone(), String::into_bytes));
    files.insert("Cargo.lock".to_owned(), lock);
    files.insert(".gitignore".to_owned(), IGNORED.as_bytes().to_vec());
    let licence = [folder, above].into_iter().find_map(|folder| fs::read(folder.join("LICENSE")).ok());
    files.extend(licence.map(|licence| ("LICENSE".to_owned(), licence)));
    Ok(ToolSource { files, as_member: is_member.then_some(package) })
}

/// All files below a folder, but for what only tests compare with.
fn collect(root: &Path, below: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let folder = root.join(below);
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{below}/{name}");
        let kind = entry.file_type().with_context(|| format!("looking at {path}"))?;
        if kind.is_dir() && name != "snapshots" {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            files.insert(path.clone(), fs::read(entry.path()).with_context(|| format!("reading {path}"))?);
        }
    }
    Ok(())
}
