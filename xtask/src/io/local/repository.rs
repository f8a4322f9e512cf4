//! Another repository on this machine: what is in it, and what is written into it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::io::process::{self, Command};
use crate::rules::failure::Kind;
use crate::rules::release::tree;

/// Bytes of a text that is read; those that say how a project is built and tested are shorter.
const LONGEST: u64 = 1 << 20;

/// A git repository with at least one commit.
pub struct Repository {
    pub root: PathBuf,
    /// Files that git has, or would take.
    pub files: Vec<String>,
    /// Those that git has.
    pub committed: BTreeSet<String>,
}

impl Repository {
    /// The one in which `place` lies.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is none, or it has no commit.
    pub fn of(place: &Path) -> Result<Repository> {
        if !place.is_dir() {
            return Err(Kind::Usage.error(format!("{} is no folder", place.display())));
        }
        let refuse = |why: &str| Kind::Usage.error(format!("{}: {why}", place.display()));
        let root = process::line(place, "git", &["rev-parse", "--show-toplevel"]).map_err(|_| {
            refuse("this is no git repository; releases are what is committed, so begin with `git init`, `git add` and `git commit`")
        })?;
        let root = PathBuf::from(root);
        process::line(&root, "git", &["rev-parse", "--verify", "--quiet", "HEAD"]).map_err(|_| {
            refuse("this repository has no commit yet; releases are what is committed, so make a first commit")
        })?;
        let list = |more: &[&str]| -> Result<Vec<String>> {
            let command = Command::new("list the files", [&["git", "ls-files", "-z"], more].concat()).in_folder(&root);
            let listed = process::finish(&command)?.success()?.stdout;
            let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
            Ok(paths.map(tree::as_text).collect())
        };
        let committed = list(&["--cached"])?.into_iter().collect();
        let files = list(&["--cached", "--others", "--exclude-standard"])?;
        let files = files.into_iter().filter(|path| root.join(path).symlink_metadata().is_ok()).collect();
        Ok(Repository { root, files, committed })
    }

    /// The text of a file. `None`: there is none, it is a link, or no text of a usual length.
    pub fn text(&self, path: &str) -> Option<String> {
        let file = self.root.join(path);
        let length = fs::symlink_metadata(&file).ok().filter(fs::Metadata::is_file)?.len();
        fs::read_to_string(file).ok().filter(|_| length <= LONGEST)
    }

    /// The content of a file, where there is one.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(path)).ok()
    }

    /// Whether something lies there, known to git or not.
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// The branch that others begin with: what the remote says, else the usual one that is there, else the one that is checked out.
    pub fn main_branch(&self) -> String {
        let git = |words: &[&str]| process::line(&self.root, "git", words).ok().filter(|line| !line.is_empty());
        let of_remote = git(&["symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD"]);
        let of_remote = of_remote.and_then(|branch| branch.strip_prefix("origin/").map(str::to_owned));
        let is_there =
            |branch: &&str| git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).is_some();
        let usual = || ["main", "master"].into_iter().find(is_there).map(str::to_owned);
        let is_plain = |branch: &String| branch.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let found = of_remote.or_else(usual).or_else(|| git(&["symbolic-ref", "--short", "--quiet", "HEAD"]));
        found.filter(is_plain).unwrap_or_else(|| "main".to_owned())
    }

    /// The first folder on the way to a file that is none: a link, or a file.
    pub fn obstacle(&self, path: &str) -> Option<String> {
        let folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let blocked = |folder: &&Path| self.root.join(folder).symlink_metadata().is_ok_and(|found| !found.is_dir());
        folders.into_iter().find(blocked).map(|folder| folder.display().to_string())
    }

    /// What below `path` is not as it was committed.
    ///
    /// # Errors
    /// Where git does not tell.
    pub fn uncommitted(&self, path: &str) -> Result<Vec<String>> {
        let status = ["status", "--porcelain=v1", "--untracked-files=all", "--", path];
        Ok(process::line(&self.root, "git", &status)?.lines().map(str::to_owned).collect())
    }

    /// The compose project that runs on this machine from a folder of the repository, where there is one.
    pub fn running_project(&self, folder: &str) -> Option<String> {
        let format =
            r#"{{.Label "com.docker.compose.project.working_dir"}}{{"\t"}}{{.Label "com.docker.compose.project"}}"#;
        let listed = process::line(&self.root, "docker", &["ps", "--all", "--format", format]).ok()?;
        let place = self.root.join(folder).canonicalize().ok()?;
        let pairs = listed.lines().filter_map(|line| line.split_once('\t'));
        let mut of_it = pairs.filter(|(folder, _)| Path::new(folder) == place).map(|(_, project)| project.to_owned());
        of_it.next()
    }

    /// Writes a file that is not there.
    ///
    /// # Errors
    /// Where something lies there, or the disk fails.
    pub fn create(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.root.join(path);
        let written = || -> std::io::Result<()> {
            fs::create_dir_all(file.parent().unwrap_or(&self.root))?;
            fs::OpenOptions::new().write(true).create_new(true).open(&file)?.write_all(content)
        };
        written().with_context(|| format!("writing {}", file.display()))
    }

    /// Writes a file anew, whole or not at all.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn replace(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.root.join(path);
        let written = || -> std::io::Result<()> {
            let folder = file.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)?;
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(content)?;
            let permissions = fs::metadata(&file).map(|old| old.permissions());
            new.as_file()
                .set_permissions(permissions.unwrap_or_else(|_| std::os::unix::fs::PermissionsExt::from_mode(0o644)))?;
            new.persist(&file)?;
            Ok(())
        };
        written().with_context(|| format!("writing {}", file.display()))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn remove(&self, path: &str) -> Result<()> {
        let file = self.root.join(path);
        fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))
    }
}

/// Whether nobody listens on a port of this machine.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// Whether a program can be found on this machine.
pub fn has_program(name: &str) -> bool {
    which::which(name).is_ok()
}
