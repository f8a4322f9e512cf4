//! Packaging, on this machine: the committed tree of the app's folder as an archive that is the same to the byte each
//! time, and a manifest of what is in it.

mod commits;
mod source;
mod submodules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::io::process::{self, Command};
use crate::rules::config::Config;
use crate::rules::engine::compose::Commit;
use crate::rules::failure::Kind;
use crate::rules::release::ReleaseId;
use crate::rules::release::tree::{self, Content, Reuse};
use crate::rules::report::Caller;
use crate::rules::script::Input;
use crate::rules::secret::Secret;
use crate::rules::utc;

use super::secret_files;
use commits::{LITERAL, Tree, commit_of_changes, commit_of_the_rest};

pub use source::{Source, source};

/// A release as files on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Package {
    pub release: ReleaseId,
    pub archive: PathBuf,
    pub manifest: PathBuf,
    /// sha256 of the archive, hexadecimal.
    pub sha256: String,
    /// Bytes of the archive.
    pub bytes: u64,
    /// All of its files, also those that are not in the archive, as a commit of this repository.
    #[serde(skip)]
    pub commit_of_all: String,
    /// Folders above the app's files inside the archive.
    #[serde(skip)]
    pub strip: usize,
    /// What is not in the archive, because the host has it.
    #[serde(skip)]
    pub reuse: Option<Reuse>,
    /// sha256 of every file of the release, by its path.
    #[serde(skip)]
    pub sums: BTreeMap<Vec<u8>, String>,
    /// What git calls the content of every file, and of links.
    #[serde(skip)]
    pub objects: BTreeMap<String, String>,
    /// Where every symbolic link leads.
    #[serde(skip)]
    pub links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// sha256 of every file that is not in the commit and comes with the release all the same.
    #[serde(skip)]
    pub secret_files: BTreeMap<Vec<u8>, String>,
}

impl Package {
    /// The paths of the app's folder that the release has.
    pub fn commit(&self) -> Commit {
        let files = self.sums_on_the_host().into_iter().map(|(path, sum)| (tree::as_text(&path), sum));
        Commit::new(self.objects.clone().into_iter().chain(files))
    }

    /// sha256 of every file that the release has on a host.
    pub fn sums_on_the_host(&self) -> BTreeMap<Vec<u8>, String> {
        self.sums.iter().chain(&self.secret_files).map(|(path, sum)| (path.clone(), sum.clone())).collect()
    }

    /// With files that are not in the commit.
    ///
    /// # Errors
    /// [`Kind::Package`] where the commit has something in their place.
    pub fn with_secret_files(self, files: &[(String, Secret)]) -> Result<Package> {
        let committed = || self.sums.keys().chain(self.links.keys());
        for (path, _) in files {
            let lies_in =
                |path: &[u8], whole: &[u8]| path.strip_prefix(whole).is_some_and(|rest| rest.starts_with(b"/"));
            let path = path.as_bytes();
            if let Some(there) =
                committed().find(|there| *there == path || lies_in(path, there) || lies_in(there, path))
            {
                return Err(Kind::Package.error(format!(
                    "`files` of the environment puts a file at {}, and the commit has {} there; take one of them out",
                    tree::as_text(path),
                    tree::as_text(there)
                )));
            }
        }
        Ok(Package { secret_files: secret_files::sums(files)?, ..self })
    }
}

/// A release on the host, with what is in it.
pub struct Earlier {
    pub release: ReleaseId,
    pub content: Content,
}

#[derive(Serialize)]
struct Manifest<'a> {
    release: &'a ReleaseId,
    revision: &'a str,
    branch: &'a str,
    dirty: bool,
    created_by: &'a str,
    created_at: String,
    archive_sha256: &'a str,
    #[serde(flatten)]
    content: Content,
}

impl Manifest<'_> {
    fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing the manifest")?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
    }
}

/// Where packages lie until they are shipped. What an earlier deploy left there is of no use any more.
///
/// # Errors
/// Where it cannot be emptied.
pub fn fresh_folder(config: &Config) -> Result<PathBuf> {
    // Of each environment its own: two of them may be deployed to at the same moment.
    let folder = config.root.join(".deploy/packages").join(&config.environment.name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    Ok(folder)
}

/// Writes `<release>.tar.gz` and `<release>.json` into `folder`. What `earlier` has is left out of the archive.
///
/// # Errors
/// [`Kind::Package`] where a release could not have it: submodules that are not there, links that lead out of the app, what Git LFS has not
/// fetched. Where git or the
/// disk fails.
pub fn package(
    config: &Config,
    source: &Source,
    release: &ReleaseId,
    caller: &Caller,
    folder: &Path,
    earlier: Option<&Earlier>,
) -> Result<Package> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let archive = folder.join(format!("{release}.tar.gz"));
    let (commit_of_all, tree) = commit_of_all(config, source)?;
    let earlier = earlier.filter(|_| !tree.comes_out_changed);
    let reuse =
        earlier.and_then(|earlier| tree::reuse(&earlier.release, &earlier.content, &tree.entries, &tree.attributes));
    let commit = match &reuse {
        Some(reuse) => commit_of_the_rest(config, source, &tree, reuse)?,
        None => commit_of_all.clone(),
    };
    let output = format!("--output={}", archive.display());
    // A person's settings for line ends must not change what was committed.
    let as_committed = [LITERAL, "-c", "core.autocrlf=false", "-c", "core.eol=lf"];
    // git has a large file in memory twice but where it may pass it on as it is.
    let as_it_is = ["-c", "core.bigFileThreshold=8m"];
    let as_it_is = if tree.comes_out_changed || tree.is_converted { &[][..] } else { &as_it_is };
    let words = ["archive", "--format=tar.gz", &output, &commit, "--", &config.project.app];
    process::line(&config.root, "git", &[&as_committed[..], as_it_is, &words].concat())
        .context("making the archive")?;
    let strip = strip(config);
    let sha256 = sha256(Input::File(archive.clone()))?;
    let Listed { mut sums, links, pointers } = files(&archive, strip)?;
    refuse_links_out_of_the_app(&links)?;
    refuse_pointers(&pointers)?;
    sums.extend(reuse.iter().flat_map(|reuse| reuse.sums.clone()));
    let files = sums.iter().map(|(path, sum)| (tree::as_text(path), sum.clone())).collect();
    let content = tree.content(files);
    let objects = content.objects.clone();
    let manifest = folder.join(format!("{release}.json"));
    let written = Manifest {
        release,
        revision: &source.revision,
        branch: &source.branch,
        dirty: !source.changed.is_empty(),
        created_by: &caller.name,
        created_at: utc::rfc3339(caller.started_at),
        archive_sha256: &sha256,
        content,
    };
    written.write(&manifest)?;
    let bytes = std::fs::metadata(&archive).with_context(|| format!("reading {}", archive.display()))?.len();
    Ok(Package {
        release: release.clone(),
        archive,
        manifest,
        sha256,
        bytes,
        commit_of_all,
        strip,
        reuse,
        sums,
        objects,
        links,
        secret_files: BTreeMap::new(),
    })
}

/// How many folders are above the app's files in an archive of the repository.
pub fn strip(config: &Config) -> usize {
    match config.project.app.trim_matches('/') {
        "." => 0,
        app => app.split('/').filter(|part| !matches!(*part, "" | ".")).count(),
    }
}

/// The commit that has all files of the release.
///
/// # Errors
/// [`Kind::Package`] where submodules are not there; where git fails.
pub fn whole_commit(config: &Config, source: &Source) -> Result<String> {
    Ok(commit_of_all(config, source)?.0)
}

/// A commit that has all files of the release: with what is not committed, where that belongs to it, and with those of submodules.
fn commit_of_all(config: &Config, source: &Source) -> Result<(String, Tree)> {
    let commit = match source.changed.is_empty() {
        true => source.revision.clone(),
        false => commit_of_changes(config, source)?,
    };
    let tree = Tree::of(config, &commit)?;
    let modules = tree.submodules();
    if modules.is_empty() {
        return Ok((commit, tree));
    }
    let commit = submodules::resolved(config, source, &commit, modules)?;
    let tree = Tree::of(config, &commit)?;
    Ok((commit, tree))
}

/// What an archive has.
struct Listed {
    /// sha256 of every file.
    sums: BTreeMap<Vec<u8>, String>,
    /// Where links lead.
    links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Files that stand for one that Git LFS has.
    pointers: Vec<String>,
}

fn files(archive: &Path, strip: usize) -> Result<Listed> {
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/manifest.sh"));
    let words =
        ["bash", "-c", script, "manifest", &archive.display().to_string(), &strip.to_string()].map(str::to_owned);
    let listed = process::finish(&Command::new("list the archive's files", words))?.success()?.stdout;
    let end = listed.windows(2).position(|two| two == [0, 0]).map_or(0, |at| at + 1);
    let sums = tree::sums(&listed[..end]).context("sha256sum printed something else")?;
    let mut entries = listed[end + 1..].split(|byte| *byte == 0);
    let mut links = BTreeMap::new();
    while let Some(path) = entries.next().filter(|path| !path.is_empty()) {
        links.insert(path.to_vec(), entries.next().unwrap_or_default().to_vec());
    }
    let pointers = entries.filter(|path| !path.is_empty()).map(tree::as_text).collect();
    Ok(Listed { sums, links, pointers })
}

/// # Errors
/// [`Kind::Package`] with the files whose content is elsewhere.
fn refuse_pointers(pointers: &[String]) -> Result<()> {
    if pointers.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = pointers.iter().map(String::as_str).take(10).collect();
    Err(Kind::Package.error(format!(
        "{} files are pointers of Git LFS whose content is not here, and a release would have the pointers:\n  {}\nRun `git lfs install` and \
         `git lfs pull` (in GitHub Actions `lfs: true` of actions/checkout). What a release does not need, `export-ignore` in .gitattributes \
         keeps out",
        pointers.len(),
        shown.join("\n  ")
    )))
}

/// # Errors
/// [`Kind::Package`] with the links that would lead nowhere on the host: only the app's folder goes there.
fn refuse_links_out_of_the_app(links: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    let out = links.iter().filter(|(path, to)| tree::leads_out(path, to));
    let out: Vec<String> =
        out.map(|(path, to)| format!("  {} -> {}", tree::as_text(path), tree::as_text(to))).collect();
    if out.is_empty() {
        return Ok(());
    }
    Err(Kind::Package.error(format!(
        "these links point outside the app's folder; only that folder is packaged, so they would be broken on the host:\n{}\nPut what \
         they lead to into the folder, or let `app` ([project] in deploy.toml) be the folder that holds both",
        out.join("\n")
    )))
}

/// sha256 of bytes, hexadecimal.
///
/// # Errors
/// Where `sha256sum` fails.
pub fn sha256(input: Input) -> Result<String> {
    let said = process::text(&Command::new("compute a checksum", ["sha256sum"]).reading(input))?;
    said.split_whitespace().next().map(str::to_owned).context("sha256sum printed nothing")
}

#[cfg(test)]
mod tests;
