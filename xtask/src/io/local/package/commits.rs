//! What a commit has of the app's folder, and commits that no branch has: of a part of it, or of what is not committed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::io::process::{self, Command};
use crate::rules::config::Config;
use crate::rules::release::tree::{self, Content, Entry, Reuse};
use crate::rules::script::Input;

use super::source::Source;

/// A path is a path to git, whatever `*` or `:` it has.
pub const LITERAL: &str = "--literal-pathspecs";

/// Where another repository is, from this one's root on, and the commit of it.
pub type Submodule = (Vec<u8>, String);

/// The app's files in a commit.
pub struct Tree {
    pub entries: Vec<Entry>,
    /// Every `.gitattributes` of the repository, from its root on.
    pub attributes: BTreeMap<String, String>,
    attribute_entries: Vec<Entry>,
    /// The app's folder from the repository's root on, with a `/`; empty for the root itself.
    prefix: Vec<u8>,
    /// The same object may come out as another file: `export-subst` writes the commit into it, and a filter (Git LFS, git-crypt) gives
    /// what this machine has of it.
    pub comes_out_changed: bool,
    /// Or in another form: with other line ends, in another encoding.
    pub is_converted: bool,
}

impl Tree {
    /// # Errors
    /// Where git does not list it.
    pub fn of(config: &Config, commit: &str) -> Result<Tree> {
        let git = |words: &[&str]| {
            let command = Command::new("list the commit", ["git"].iter().chain(words).copied()).in_folder(&config.root);
            Ok::<_, anyhow::Error>(process::finish(&command)?.success()?.stdout)
        };
        let root = git(&["rev-parse", "--show-prefix"])?;
        let app: Vec<&str> = config.project.app.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let below = if app.is_empty() { String::new() } else { format!("{}/", app.join("/")) };
        let prefix = [root.trim_ascii_end(), below.as_bytes()].concat();
        let all = git(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let attribute_entries: Vec<Entry> = tree::entries(&all, b"")
            .into_iter()
            .filter(|entry| entry.path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes"))
            .collect();
        let (mut comes_out_changed, mut is_converted) = (false, false);
        for entry in &attribute_entries {
            let id = entry.object.rsplit(' ').next().unwrap_or_default();
            let text = git(&["cat-file", "blob", id])?;
            let names = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
            comes_out_changed |= names(b"export-subst") || names(b"filter=");
            is_converted |= names(b"eol=") || names(b"ident") || names(b"encoding=");
        }
        let attributes =
            attribute_entries.iter().map(|entry| (tree::as_text(&entry.path), entry.object.clone())).collect();
        Ok(Tree {
            entries: tree::entries(&all, &prefix),
            attributes,
            attribute_entries,
            prefix,
            comes_out_changed,
            is_converted,
        })
    }

    /// The other repositories that the app's folder has.
    pub fn submodules(&self) -> Vec<Submodule> {
        let links = self.entries.iter().filter_map(|entry| Some((entry, entry.object.strip_prefix("160000 ")?)));
        links.map(|(entry, id)| ([&self.prefix[..], &entry.path].concat(), id.to_owned())).collect()
    }

    pub fn content(self, files: BTreeMap<String, String>) -> Content {
        let objects = self.entries.into_iter().map(|entry| (tree::as_text(&entry.path), entry.object)).collect();
        Content { files, objects, attributes: self.attributes }
    }
}

/// A commit of what is not taken from an earlier release, with the attributes that all files have.
///
/// # Errors
/// Where git cannot record it.
pub fn commit_of_the_rest(config: &Config, source: &Source, tree: &Tree, reuse: &Reuse) -> Result<String> {
    let rest = tree.entries.iter().filter(|entry| !reuse.sums.contains_key(&entry.path));
    let from_root = rest.map(|entry| (entry, [&tree.prefix[..], &entry.path].concat()));
    let attributes = tree.attribute_entries.iter().map(|entry| (entry, entry.path.clone()));
    let lines: Vec<u8> = from_root
        .chain(attributes)
        .flat_map(|(entry, path)| [entry.object.as_bytes(), b"\t", &path, b"\0"].concat())
        .collect();
    committed(config, source, |git| git(&["update-index", "-z", "--index-info"], Input::Bytes(lines)).map(drop))
}

/// A commit of the tree as it lies there.
///
/// # Errors
/// Where git cannot record it.
pub fn commit_of_changes(config: &Config, source: &Source) -> Result<String> {
    committed(config, source, |git| {
        git(&["read-tree", "HEAD"], Input::Nothing)?;
        git(&[LITERAL, "add", "--all", "--", &config.project.app], Input::Nothing).map(drop)
    })
}

/// Runs git with an index of its own.
pub type Git<'a> = &'a dyn Fn(&[&str], Input) -> Result<String>;

/// A commit that no branch has, of what `fill` puts into an empty index; git forgets it in time. The repository's own
/// index is left as it is.
///
/// # Errors
/// Where `fill` fails, or git cannot record it.
pub fn committed(config: &Config, source: &Source, fill: impl FnOnce(Git) -> Result<()>) -> Result<String> {
    let folder = tempfile::tempdir().context("making a folder for a temporary index")?;
    let path = folder.path().join("index").display().to_string();
    let date = format!("@{} +0000", source.committed_at);
    let git = |arguments: &[&str], input: Input| {
        let words = ["git"].iter().chain(arguments).copied();
        let command = Command::new("record what is to be packaged", words)
            .in_folder(&config.root)
            .reading(input)
            .with_variable("GIT_INDEX_FILE", &path)
            .with_variable("GIT_AUTHOR_DATE", &date)
            .with_variable("GIT_COMMITTER_DATE", &date);
        process::text(&command).map(|text| text.trim().to_owned())
    };
    fill(&git)?;
    let tree = git(&["write-tree"], Input::Nothing)?;
    let name = ["-c", "user.name=xtask", "-c", "user.email=xtask@localhost"];
    let commit = ["commit-tree", &tree, "-p", "HEAD", "-m", "a part or a change of what is committed"];
    git(&[&name[..], &commit].concat(), Input::Nothing)
}
