//! Submodules: an archive of git has an empty folder in the place of each, so a commit is made that has their files.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::io::process::{self, Command};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::release::tree;
use crate::rules::script::Input;

use super::commits::{self, Submodule};
use super::source::Source;

/// The same commit with the files of these submodules, and of theirs.
///
/// # Errors
/// [`Kind::Package`] where one is not checked out, or has changes that no commit has.
pub fn resolved(config: &Config, source: &Source, commit: &str, modules: Vec<Submodule>) -> Result<String> {
    let mut left = modules;
    let top = PathBuf::from(process::line(&config.root, "git", &["rev-parse", "--show-toplevel"])?);
    let whole = top.display().to_string();
    commits::committed(config, source, |git| {
        git(&["read-tree", commit], Input::Nothing)?;
        while let Some((path, id)) = left.pop() {
            let path = tree::as_text(&path);
            let files = files_of(&top, &path, &id)?;
            git(&["-C", &whole, "update-index", "--force-remove", "--", &path], Input::Nothing)?;
            git(&["-C", &whole, "read-tree", &format!("--prefix={path}/"), &files], Input::Nothing)?;
            let below = git(&["-C", &whole, "ls-tree", "-r", "-z", "--full-tree", &files], Input::Nothing)?;
            let modules = tree::entries(below.as_bytes(), b"").into_iter();
            left.extend(modules.filter_map(|entry| {
                let id = entry.object.strip_prefix("160000 ")?.to_owned();
                Some(([path.as_bytes(), b"/", &entry.path].concat(), id))
            }));
        }
        Ok(())
    })
}

/// The tree of a submodule's commit, once this repository has what is in it.
fn files_of(top: &Path, path: &str, commit: &str) -> Result<String> {
    let folder = top.join(path);
    let about = |why: &str| format!("the submodule {path} {why}");
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/submodule.sh"));
    let words = ["bash", "-c", script, "submodule", &top.display().to_string(), &folder.display().to_string(), commit]
        .map(str::to_owned);
    let files = process::text(&Command::new("read the files of a submodule", words)).map_err(|error| {
        let remedy =
            "is not checked out at the commit that is to be deployed: `git submodule update --init --recursive`";
        Kind::Package.around(error, about(remedy))
    })?;
    let changed = process::line(&folder, "git", &["status", "--porcelain=v1", "--untracked-files=all"])?;
    match changed.is_empty() {
        true => Ok(files.trim().to_owned()),
        false => Err(Kind::Package
            .error(about("has changes that are not committed there, and a release would not have them; commit them"))),
    }
}
