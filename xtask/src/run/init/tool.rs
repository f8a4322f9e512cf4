//! Bringing the tool's own source into a repository, or a newer one.

use anyhow::Result;

use super::Proposed;
use crate::io::local::repository::Repository;
use crate::io::local::tool_source::ToolSource;
use crate::rules::failure::Kind;
use crate::rules::init::{TOOL, manifest};

/// A file that no other crate called xtask has.
const OWN: &str = "xtask/src/scripts/switch_instant.sh";

/// Whether the tool in the repository is a member of its workspace.
pub fn is_member(repository: &Repository) -> bool {
    repository.text("xtask/Cargo.toml").is_some_and(|text| manifest::is_member(&text))
}

/// # Errors
/// [`Kind::Usage`] where something else is called so, or where the repository's cargo would not work with it.
pub fn bring_in(repository: &Repository, proposed: &mut Proposed) -> Result<()> {
    if repository.has(OWN) {
        proposed.kept.push("xtask/ (`init --update` brings a newer tool)".to_owned());
        return Ok(());
    }
    if repository.has(TOOL) {
        return Err(Kind::Usage.error(
            "there is something else called xtask in this repository, and that is the tool's name: rename what is there, and run this again",
        ));
    }
    if let Some(refusal) = repository.text("Cargo.toml").and_then(|root| manifest::refusal(&root)) {
        return Err(Kind::Usage.error(refusal));
    }
    let source = ToolSource::read()?;
    refuse_old_rust(repository, &source)?;
    proposed.files_of_the_tool = source.files.len();
    let files = source.files.into_iter().map(|(path, content)| (format!("{TOOL}/{path}"), content));
    proposed.new.extend(files);
    Ok(())
}

fn refuse_old_rust(repository: &Repository, source: &ToolSource) -> Result<()> {
    let package = source.files.get("Cargo.toml").map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
    let Some(wanted) = manifest::rust_version(&package) else { return Ok(()) };
    let mut files = ["rust-toolchain.toml", "rust-toolchain"].into_iter().filter_map(|path| repository.text(path));
    match files.find_map(|file| manifest::old_toolchain(&file, &wanted)) {
        Some(refusal) => Err(Kind::Usage.error(refusal)),
        None => Ok(()),
    }
}

/// What an update does.
pub struct Update {
    pub write: Vec<(String, Vec<u8>)>,
    pub remove: Vec<String>,
    /// What is left for a person.
    pub by_hand: Vec<String>,
}

/// A newer tool in the place of the one that is there, whose files must be as committed.
///
/// # Errors
/// [`Kind::Usage`] where there is none, or its files have changes.
pub fn update(repository: &Repository) -> Result<Update> {
    if !repository.has(OWN) {
        return Err(
            Kind::Usage.error("there is no tool in this repository to update; `init` without --update brings it in")
        );
    }
    refuse_uncommitted(repository, TOOL)?;
    let source = ToolSource::read()?;
    refuse_old_rust(repository, &source)?;
    let mut write: Vec<(String, Vec<u8>)> =
        source.files.iter().map(|(path, content)| (format!("{TOOL}/{path}"), content.clone())).collect();
    let mut by_hand = Vec::new();
    if is_member(repository) {
        let Some(package) = &source.as_member else {
            return Err(Kind::Usage.error(
                "the tool is a member of this repository's workspace; such a one is updated from a clone of the tool's own repository",
            ));
        };
        write
            .retain(|(path, _)| path != "xtask/Cargo.lock" && path != "xtask/Cargo.toml" && path != "xtask/.gitignore");
        write.push(("xtask/Cargo.toml".to_owned(), package.clone()));
        by_hand.push(
            "the tool is a member of this repository's workspace: give the root's Cargo.toml the [workspace.lints] and profiles that the tool's own has now, \
             and run `cargo build --package xtask` once, so that Cargo.lock has what it needs"
                .to_owned(),
        );
    }
    let is_wanted = |path: &String| write.iter().any(|(wanted, _)| wanted == path);
    let old = repository.committed.iter().filter(|path| path.starts_with("xtask/src/") && !is_wanted(path));
    let remove = old.filter(|path| repository.has(path)).cloned().collect();
    write.retain(|(path, content)| repository.bytes(path).as_ref() != Some(content));
    Ok(Update { write, remove, by_hand })
}

/// An update writes files anew; git must have what is there.
fn refuse_uncommitted(repository: &Repository, path: &str) -> Result<()> {
    match repository.uncommitted(path)?.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Kind::Usage.error(format!(
            "{path} has changes that are not committed ({}), and an update writes its files anew: commit the changes or take them back first",
            first.trim()
        ))),
    }
}
