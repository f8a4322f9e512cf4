//! The tree that is to be packaged, as git sees it.

use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::io::process::{self, Command};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::release::{ReleaseId, tree};
use crate::rules::utc;

use super::commits::LITERAL;

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
    pub fn release_id(&self, now: SystemTime) -> Result<ReleaseId> {
        let dirty = !self.changed.is_empty();
        let time = if dirty { now } else { utc::from_seconds(self.committed_at).context("the commit's time")? };
        let revision: String = self.revision.chars().take(7).collect();
        let suffix = if dirty { "-dirty" } else { "" };
        ReleaseId::parse(&format!("{}-{revision}{suffix}", utc::compact(time)))
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
