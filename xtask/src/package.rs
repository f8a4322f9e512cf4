//! Packaging, on this machine: the committed tree of the app's folder as an archive that is the same to the byte each
//! time, and a manifest of what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;

use crate::command::{Input, Secret};
use crate::config::{Config, EnvFile};
use crate::env_file;
use crate::failure::Kind;
use crate::proc::{self, Command};
use crate::release::ReleaseId;
use crate::report::Caller;

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
    /// Folders above the app's files inside the archive.
    #[serde(skip)]
    pub strip: usize,
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
    files: BTreeMap<String, String>,
}

/// A path is a path to git, whatever `*` or `:` it has.
const LITERAL: &str = "--literal-pathspecs";

/// # Errors
/// [`Kind::Package`] where this is no git repository with a commit.
pub fn source(config: &Config) -> Result<Source> {
    let root = &config.root;
    let git = |arguments: &[&str]| {
        let said = proc::line(root, "git", arguments);
        said.map_err(|error| {
            Kind::Package.error(format!("{} is not a git repository with a commit: {error:#}", root.display()))
        })
    };
    let head = git(&["show", "--no-patch", "--format=%H %ct", "HEAD"])?;
    let (revision, committed_at) = head.split_once(' ').context("git printed no commit")?;
    let branch = Command::new("find the branch", ["git", "rev-parse", "--abbrev-ref", "HEAD"]).in_folder(root);
    let branch = proc::finish(&branch)?.success()?.stdout;
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
        branch: as_text(branch.trim_ascii_end()),
        committed_at: committed_at.parse().context("git printed no time")?,
        changed: changed.lines().map(str::to_owned).collect(),
    })
}

impl Source {
    /// The id that follows from the commit, or for uncommitted changes from `now`.
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
            "{count} files are not as committed, and a release is what is committed:\n{shown}\nCommit them, or give --dirty"
        )))
    }
}

/// Where packages lie until they are shipped. What an earlier deploy left there is of no use any more.
pub fn fresh_folder(config: &Config) -> Result<PathBuf> {
    let folder = config.root.join(".deploy/packages");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    Ok(folder)
}

/// Writes `<release>.tar.gz` and `<release>.json` into `folder`.
pub fn package(
    config: &Config,
    source: &Source,
    release: &ReleaseId,
    caller: &Caller,
    folder: &Path,
) -> Result<Package> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let archive = folder.join(format!("{release}.tar.gz"));
    let commit = match source.changed.is_empty() {
        true => source.revision.clone(),
        false => commit_of_changes(config, source)?,
    };
    let output = format!("--output={}", archive.display());
    // A person's settings for line ends must not change what was committed.
    let as_committed = [LITERAL, "-c", "core.autocrlf=false", "-c", "core.eol=lf"];
    let words = ["archive", "--format=tar.gz", &output, &commit, "--", &config.project.app];
    proc::line(&config.root, "git", &[&as_committed[..], &words].concat()).context("making the archive")?;
    let strip = match config.project.app.trim_matches('/') {
        "." => 0,
        app => app.split('/').filter(|part| !matches!(*part, "" | ".")).count(),
    };
    let sha256 =
        sha256(Input::Bytes(std::fs::read(&archive).with_context(|| format!("reading {}", archive.display()))?))?;
    let manifest = folder.join(format!("{release}.json"));
    let content = Manifest {
        release,
        revision: &source.revision,
        branch: &source.branch,
        dirty: !source.changed.is_empty(),
        created_by: &caller.name,
        created_at: caller.started_at.to_string(),
        archive_sha256: &sha256,
        files: files(&archive, strip)?,
    };
    let content = serde_json::to_vec_pretty(&content).context("writing the manifest")?;
    std::fs::write(&manifest, content).with_context(|| format!("writing {}", manifest.display()))?;
    let bytes = std::fs::metadata(&archive).with_context(|| format!("reading {}", archive.display()))?.len();
    Ok(Package { release: release.clone(), archive, manifest, sha256, bytes, strip })
}

/// A commit that no branch has, of the tree as it lies there; git forgets it in time. The index is left as it is.
fn commit_of_changes(config: &Config, source: &Source) -> Result<String> {
    let index = tempfile::NamedTempFile::new().context("making a temporary index")?;
    let path = index.path().display().to_string();
    let date = format!("@{} +0000", source.committed_at);
    let git = |arguments: &[&str]| {
        let words = ["git"].iter().chain(arguments).copied();
        let command = Command::new("record the uncommitted changes", words)
            .in_folder(&config.root)
            .with_variable("GIT_INDEX_FILE", &path)
            .with_variable("GIT_AUTHOR_DATE", &date)
            .with_variable("GIT_COMMITTER_DATE", &date);
        proc::text(&command).map(|text| text.trim().to_owned())
    };
    git(&["read-tree", "HEAD"])?;
    git(&[LITERAL, "add", "--all", "--", &config.project.app])?;
    let tree = git(&["write-tree"])?;
    git(&[
        "-c",
        "user.name=xtask",
        "-c",
        "user.email=xtask@localhost",
        "commit-tree",
        &tree,
        "-p",
        "HEAD",
        "-m",
        "uncommitted changes",
    ])
}

fn files(archive: &Path, strip: usize) -> Result<BTreeMap<String, String>> {
    let script = include_str!("scripts/manifest.sh");
    let words =
        ["bash", "-c", script, "manifest", &archive.display().to_string(), &strip.to_string()].map(str::to_owned);
    let listed = proc::finish(&Command::new("list the archive's files", words))?.success()?.stdout;
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let pairs = entries.map(|entry| Some((entry.get(..64)?, entry.get(66..)?)));
    let pairs = pairs.map(|pair| pair.map(|(sum, path)| (as_text(path), as_text(sum))));
    pairs.collect::<Option<_>>().context("sha256sum printed something else")
}

/// A name as git has it, which may be of any bytes. One that is no UTF-8, or begins with a quote, is written as git
/// writes it: between double quotes, with escapes.
fn as_text(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) if !name.starts_with('"') => name.to_owned(),
        _ => {
            let escaped = |byte: &u8| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\{byte:03o}"),
            };
            format!("\"{}\"", name.iter().map(escaped).collect::<String>())
        }
    }
}

/// The release's `.env`, byte for byte, and its values, to be hidden in logs.
///
/// # Errors
/// [`Kind::Configuration`] naming the variable or file that is missing, or the lines that have no one meaning.
pub fn env_file(config: &Config) -> Result<(Secret, Vec<String>)> {
    let (env, from) = match &config.environment.env_file {
        EnvFile::Content(content) => (content.clone(), format!("the env file of {}", config.environment.name)),
        EnvFile::Path(path) => {
            let from = format!("[environments.{}] env_file {}", config.environment.name, path.display());
            let bytes = std::fs::read(path).map_err(|error| Kind::Configuration.error(format!("{from}: {error}")))?;
            (Secret::new(bytes), from)
        }
        EnvFile::Missing { variable } => {
            return Err(Kind::Configuration
                .error(format!("the environment variable {variable} is not set; it holds the release's .env")));
        }
    };
    let assignments = env_file::read(env.expose()).map_err(|refusals| {
        let shown: Vec<String> = refusals.iter().take(10).map(|refusal| format!("\n  {refusal}")).collect();
        Kind::Configuration
            .error(format!("{from}: compose would not give the containers what it says:{}", shown.concat()))
    })?;
    Ok((env, env_file::to_be_hidden(&assignments)))
}

/// sha256 of bytes, hexadecimal.
pub fn sha256(input: Input) -> Result<String> {
    let said = proc::text(&Command::new("compute a checksum", ["sha256sum"]).reading(input))?;
    said.split_whitespace().next().map(str::to_owned).context("sha256sum printed nothing")
}
