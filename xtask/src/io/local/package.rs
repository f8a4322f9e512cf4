//! Packaging, on this machine: the committed tree of the app's folder as an archive that is the same to the byte each
//! time, and a manifest of what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;

use crate::io::process::{self, Command};
use crate::rules::config::Config;
use crate::rules::engine::compose::Commit;
use crate::rules::failure::Kind;
use crate::rules::release::ReleaseId;
use crate::rules::release::tree::{self, Content, Entry, Reuse};
use crate::rules::report::Caller;
use crate::rules::script::Input;

/// What git says about the tree to package.
#[derive(Clone, Debug)]
pub struct Source {
    pub revision: String,
    pub branch: String,
    /// Seconds since 1970.
    pub committed_at: i64,
    /// Files of the app that are not as committed.
    pub changed: Vec<String>,
}

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
}

impl Package {
    /// The paths of the app's folder that the release has.
    pub fn commit(&self) -> Commit {
        let files = self.sums.iter().map(|(path, sum)| (tree::as_text(path), sum.clone()));
        Commit::new(self.objects.clone().into_iter().chain(files))
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

/// A path is a path to git, whatever `*` or `:` it has.
const LITERAL: &str = "--literal-pathspecs";

/// # Errors
/// [`Kind::Package`] where this is no git repository with a commit.
pub fn source(config: &Config) -> Result<Source> {
    let root = &config.root;
    let git = |arguments: &[&str]| {
        let said = process::line(root, "git", arguments);
        said.map_err(|error| {
            Kind::Package.error(format!("{} is not a git repository with a commit: {error:#}", root.display()))
        })
    };
    // A person's settings must not add to what is printed.
    let head = git(&[
        "-c",
        "log.showSignature=false",
        "show",
        "--no-patch",
        "--no-show-signature",
        "--format=%H %ct",
        "HEAD",
    ])?;
    let (revision, committed_at) = head.split_once(' ').context("git printed no commit")?;
    let branch = Command::new("find the branch", ["git", "rev-parse", "--abbrev-ref", "HEAD"]).in_folder(root);
    let branch = process::finish(&branch)?.success()?.stdout;
    let app = config.project.app.as_str();
    let app_tree = || git(&[LITERAL, "ls-tree", "-d", "HEAD", "--", app.trim_end_matches('/')]);
    if app.trim_matches('/') != "." && app_tree()?.is_empty() {
        return Err(
            Kind::Package.error(format!("[project] app = {app:?} in deploy.toml is no folder of commit {revision}"))
        );
    }
    let status = ["status", "--porcelain=v1", "--untracked-files=all", "--", app];
    let changed = git(&[&[LITERAL, "-c", "core.quotePath=true"][..], &status].concat())?;
    Ok(Source {
        revision: revision.to_owned(),
        branch: tree::as_text(branch.trim_ascii_end()),
        committed_at: committed_at.parse().context("git printed no time")?,
        changed: changed.lines().map(str::to_owned).collect(),
    })
}

impl Source {
    /// The id that follows from the commit, or for uncommitted changes from `now`.
    ///
    /// # Errors
    /// Where the commit's time is none.
    pub fn release_id(&self, now: Timestamp) -> Result<ReleaseId> {
        let dirty = !self.changed.is_empty();
        let time = if dirty { now } else { Timestamp::from_second(self.committed_at).context("the commit's time")? };
        let revision: String = self.revision.chars().take(7).collect();
        let suffix = if dirty { "-dirty" } else { "" };
        ReleaseId::parse(&format!("{}-{revision}{suffix}", time.strftime("%Y%m%d-%H%M%S")))
    }

    /// # Errors
    /// [`Kind::Package`] where files are not committed.
    pub fn refuse_dirty(&self) -> Result<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let shown = self.changed.iter().take(10).map(|line| format!("  {line}")).collect::<Vec<String>>().join("\n");
        let count = self.changed.len();
        Err(Kind::Package.error(format!(
            "{count} files are not as committed, and a release contains only committed files:\n{shown}\nCommit them, or give --dirty. What tests or builds write (reports, caches) belongs in .gitignore"
        )))
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
/// [`Kind::Package`] where a release could not have it: submodules, links that lead out of the app. Where git or the
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
    let mut commit = match source.changed.is_empty() {
        true => source.revision.clone(),
        false => commit_of_changes(config, source)?,
    };
    let commit_of_all = commit.clone();
    let tree = Tree::of(config, &commit)?;
    tree.refuse_modules()?;
    let reuse = match earlier {
        Some(earlier) if !tree.names_its_commit => {
            tree::reuse(&earlier.release, &earlier.content, &tree.entries, &tree.attributes)
        }
        _ => None,
    };
    if let Some(reuse) = &reuse {
        commit = commit_of_the_rest(config, source, &tree, reuse)?;
    }
    let output = format!("--output={}", archive.display());
    // A person's settings for line ends must not change what was committed.
    let as_committed = [LITERAL, "-c", "core.autocrlf=false", "-c", "core.eol=lf"];
    let words = ["archive", "--format=tar.gz", &output, &commit, "--", &config.project.app];
    process::line(&config.root, "git", &[&as_committed[..], &words].concat()).context("making the archive")?;
    let strip = match config.project.app.trim_matches('/') {
        "." => 0,
        app => app.split('/').filter(|part| !matches!(*part, "" | ".")).count(),
    };
    let sha256 = sha256(Input::File(archive.clone()))?;
    let manifest = folder.join(format!("{release}.json"));
    let (mut sums, links) = files(&archive, strip)?;
    refuse_links_out_of_the_app(&links)?;
    sums.extend(reuse.iter().flat_map(|reuse| reuse.sums.clone()));
    let files = sums.iter().map(|(path, sum)| (tree::as_text(path), sum.clone())).collect();
    let content = tree.content(files);
    let objects = content.objects.clone();
    let content = Manifest {
        release,
        revision: &source.revision,
        branch: &source.branch,
        dirty: !source.changed.is_empty(),
        created_by: &caller.name,
        created_at: caller.started_at.to_string(),
        archive_sha256: &sha256,
        content,
    };
    let content = serde_json::to_vec_pretty(&content).context("writing the manifest")?;
    std::fs::write(&manifest, content).with_context(|| format!("writing {}", manifest.display()))?;
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
    })
}

/// The app's files in a commit.
struct Tree {
    entries: Vec<Entry>,
    /// Every `.gitattributes` of the repository, from its root on.
    attributes: BTreeMap<String, String>,
    attribute_entries: Vec<Entry>,
    /// The app's folder from the repository's root on, with a `/`; empty for the root itself.
    prefix: Vec<u8>,
    /// `export-subst` may write the commit into files, so the same object may come out as another file.
    names_its_commit: bool,
}

impl Tree {
    fn of(config: &Config, commit: &str) -> Result<Tree> {
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
        let mut names_its_commit = false;
        for entry in &attribute_entries {
            let id = entry.object.rsplit(' ').next().unwrap_or_default();
            let text = git(&["cat-file", "blob", id])?;
            names_its_commit |= text.windows(b"export-subst".len()).any(|part| part == b"export-subst");
        }
        let attributes =
            attribute_entries.iter().map(|entry| (tree::as_text(&entry.path), entry.object.clone())).collect();
        Ok(Tree { entries: tree::entries(&all, &prefix), attributes, attribute_entries, prefix, names_its_commit })
    }

    /// # Errors
    /// [`Kind::Package`]: an archive of git has an empty folder in the place of another repository.
    fn refuse_modules(&self) -> Result<()> {
        let modules = self.entries.iter().filter(|entry| entry.object.starts_with("160000 "));
        let modules: Vec<String> = modules.map(|entry| tree::as_text(&entry.path)).collect();
        if modules.is_empty() {
            return Ok(());
        }
        Err(Kind::Package.error(format!(
            "the app's folder has submodules, which would be empty folders in a release: {}. Commit their files themselves (`git \
             subtree`), or let the build fetch them",
            modules.join(", ")
        )))
    }

    fn content(self, files: BTreeMap<String, String>) -> Content {
        let objects = self.entries.into_iter().map(|entry| (tree::as_text(&entry.path), entry.object)).collect();
        Content { files, objects, attributes: self.attributes }
    }
}

/// A commit of what is not taken from an earlier release, with the attributes that all files have.
fn commit_of_the_rest(config: &Config, source: &Source, tree: &Tree, reuse: &Reuse) -> Result<String> {
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
fn commit_of_changes(config: &Config, source: &Source) -> Result<String> {
    committed(config, source, |git| {
        git(&["read-tree", "HEAD"], Input::Nothing)?;
        git(&[LITERAL, "add", "--all", "--", &config.project.app], Input::Nothing).map(drop)
    })
}

/// Runs git with an index of its own.
type Git<'a> = &'a dyn Fn(&[&str], Input) -> Result<String>;

/// A commit that no branch has, of what `fill` puts into an empty index; git forgets it in time. The repository's own
/// index is left as it is.
fn committed(config: &Config, source: &Source, fill: impl FnOnce(Git) -> Result<()>) -> Result<String> {
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

/// Sums of files, and where links lead.
type Listed = (BTreeMap<Vec<u8>, String>, BTreeMap<Vec<u8>, Vec<u8>>);

fn files(archive: &Path, strip: usize) -> Result<Listed> {
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/manifest.sh"));
    let words =
        ["bash", "-c", script, "manifest", &archive.display().to_string(), &strip.to_string()].map(str::to_owned);
    let listed = process::finish(&Command::new("list the archive's files", words))?.success()?.stdout;
    let mut entries = listed.split(|byte| *byte == 0);
    let sums = entries.by_ref().take_while(|entry| !entry.is_empty());
    let sums = sums.map(|entry| Some((entry.get(66..)?.to_vec(), tree::as_text(entry.get(..64)?))));
    let sums = sums.collect::<Option<_>>().context("sha256sum printed something else")?;
    let mut links = BTreeMap::new();
    while let (Some(path), Some(to)) = (entries.next().filter(|path| !path.is_empty()), entries.next()) {
        links.insert(path.to_vec(), to.to_vec());
    }
    Ok((sums, links))
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
