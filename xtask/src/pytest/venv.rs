//! The virtual environment of the tests: made anew when the requirements or the Python changed, else left alone.
//!
//! It is always made from nothing: an upgrade in place would keep packages that are required no longer, and the tests
//! would pass here while the image lacks them. The stamp inside says what it was made of and is written last, so an
//! installation that was cut off anywhere counts as none.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::failure::Kind;
use crate::proc::{self, Command};
use crate::{console, interrupt};

const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// As long as another run may take: its installation and its tests.
const LOCK_LIMIT: Duration = Duration::from_secs(45 * 60);

/// An environment that is complete. It is not replaced by another run of this tool while this value lives.
pub struct Venv {
    pub folder: PathBuf,
    /// As in `3.11.2`.
    pub version: String,
    /// Where another version than the wanted one is all there is.
    pub warning: Option<String>,
    _lock: File,
}

/// What an environment was made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    version: String,
    /// Path, size and age of the interpreter: the environment only points to it, and it may be upgraded.
    interpreter: String,
    /// The text of the requirement files, of all that they include.
    requirements: String,
}

/// An interpreter on this machine.
#[derive(Debug)]
struct Interpreter {
    path: PathBuf,
    version: String,
    /// Debian splits what makes an environment into a package of its own.
    can_make_venv: bool,
}

/// Gives the environment in `folder` with `requirements` (called `shown` in messages), made now if need be.
pub fn prepare(folder: &Path, wanted: &str, requirements: &Path, shown: &str) -> Result<Venv> {
    if wanted.is_empty() || !wanted.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(Kind::Configuration
            .error(format!("deploy.toml: [test] python = {wanted:?}: write a version as in \"3.11\"")));
    }
    if !requirements.is_file() {
        let problem =
            format!("the requirements file {shown} is not there; hint: name it in deploy.toml, [test] requirements");
        return Err(Kind::Configuration.error(problem));
    }
    let text = snapshot(requirements)?;
    // Once made, a run that waited may remake it for other requirements; more than once in between is not chance.
    for _ in 0..3 {
        let lock = lock(folder, File::try_lock_shared)?;
        if let Some(stamp) = current(folder, wanted, &text) {
            let warning = (!matches(&stamp.version, wanted))
                .then(|| format!("Python {wanted} is not installed; the tests run with {}", stamp.version));
            return Ok(Venv { folder: folder.to_owned(), version: stamp.version, warning, _lock: lock });
        }
        drop(lock);
        let _alone = self::lock(folder, File::try_lock)?;
        if current(folder, wanted, &text).is_none() {
            make(folder, wanted, requirements, shown, &text)?;
        }
    }
    bail!("{} changes all the time; does another program write there?", folder.display())
}

/// Locks a file beside the environment, which is itself removed and made again.
fn lock(folder: &Path, take: fn(&File) -> Result<(), TryLockError>) -> Result<File> {
    let path = folder.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    let deadline = Instant::now() + LOCK_LIMIT;
    let mut said = false;
    loop {
        match take(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                bail!("{} stays locked by another run", path.display())
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !said {
            console::note("another run uses the tests' Python environment; waiting for it");
            said = true;
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn stamp_file(folder: &Path) -> PathBuf {
    folder.join("installed.json")
}

/// The stamp, where the environment is complete and what is wanted.
fn current(folder: &Path, wanted: &str, requirements: &str) -> Option<Stamp> {
    let text = std::fs::read(stamp_file(folder)).ok()?;
    let stamp: Stamp = serde_json::from_slice(&text).ok()?;
    let same = stamp.requirements == requirements && stamp.interpreter == identity(&folder.join("bin/python"))?;
    // Another version than the wanted one is kept only as long as there is nothing better.
    let better = || find(wanted).is_ok_and(|found| matches(&found.version, wanted) && found.can_make_venv);
    (same && (matches(&stamp.version, wanted) || !better())).then_some(stamp)
}

fn identity(python: &Path) -> Option<String> {
    let path = python.canonicalize().ok()?;
    let metadata = path.metadata().ok()?;
    Some(format!("{} {} {:?}", path.display(), metadata.len(), metadata.modified().ok()?))
}

fn matches(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn make(folder: &Path, wanted: &str, requirements: &Path, shown: &str, text: &str) -> Result<()> {
    let found = find(wanted)?;
    let Interpreter { path, version, .. } = &found;
    if !found.can_make_venv {
        let minor = version.splitn(3, '.').take(2).collect::<Vec<&str>>().join(".");
        return Err(Kind::Preflight.error(format!(
            "{} (Python {version}) cannot make virtual environments, its modules venv and ensurepip are missing; \
             hint: run scripts/bootstrap, or apt-get install python{minor}-venv",
            path.display()
        )));
    }
    console::note(&format!("installing {shown} for Python {version}"));
    let begun = Instant::now();
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    // -I: packages of PYTHONPATH or of the user's own folder must not count as installed.
    let python = folder.join("bin/python").display().to_string();
    let create = [&path.display().to_string(), "-I", "-m", "venv", &folder.display().to_string()].map(str::to_owned);
    let create = Command::new("make a Python environment for the tests", create).within(INSTALL_LIMIT);
    proc::finish(&create)?.success().map_err(|error| Kind::Preflight.around(error, "is the disk full?"))?;
    let here = requirements.parent().unwrap_or(Path::new("."));
    let name = requirements.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words =
        [&python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--requirement", &name];
    let install = Command::new(&format!("install {shown}"), words).in_folder(here).within(INSTALL_LIMIT);
    let hint =
        "the tests need their requirements; hint: is the package index in reach, and does it have these versions?";
    proc::finish(&install)?.success().map_err(|error| Kind::Tests.around(error, hint))?;
    if !folder.join("bin/pytest").exists() {
        return Err(
            Kind::Configuration.error(format!("{shown} does not install pytest; hint: add a line `pytest` to it"))
        );
    }
    let interpreter = identity(&folder.join("bin/python")).context("the new Python environment has no interpreter")?;
    write_stamp(folder, &Stamp { version: version.clone(), interpreter, requirements: text.to_owned() })?;
    console::note(&format!("installed in {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

fn write_stamp(folder: &Path, stamp: &Stamp) -> Result<()> {
    let file = stamp_file(folder);
    let mut temporary =
        tempfile::NamedTempFile::new_in(folder).with_context(|| format!("writing {}", file.display()))?;
    temporary.write_all(&serde_json::to_vec(stamp)?).with_context(|| format!("writing {}", file.display()))?;
    temporary.persist(&file).map(drop).with_context(|| format!("writing {}", file.display()))
}

/// The wanted Python, or else the first one that works.
fn find(wanted: &str) -> Result<Interpreter> {
    let mut second_best: Option<Interpreter> = None;
    let mut incomplete: Option<Interpreter> = None;
    for name in [&format!("python{wanted}"), "python3", "python"] {
        for path in which::which_all(name).into_iter().flatten() {
            match probe(&path) {
                Some(found) if matches(&found.version, wanted) && found.can_make_venv => return Ok(found),
                Some(found) if matches(&found.version, wanted) => incomplete = incomplete.or(Some(found)),
                found => second_best = second_best.or(found),
            }
        }
    }
    incomplete.or(second_best).ok_or_else(|| {
        Kind::Preflight.error(format!(
            "there is no Python for the tests, neither python{wanted} nor python3; hint: run scripts/bootstrap, or install it"
        ))
    })
}

/// `None` for what is called Python and does not run, as shims of version managers do.
fn probe(path: &Path) -> Option<Interpreter> {
    const QUESTION: &str = "import importlib.util as u, sys; print('%d.%d.%d' % sys.version_info[:3], \
                            all(u.find_spec(name) for name in ('venv', 'ensurepip')))";
    let words = [&path.display().to_string(), "-I", "-c", QUESTION].map(str::to_owned);
    let answer = proc::text(&Command::new("ask Python for its version", words).within(Duration::from_secs(20))).ok()?;
    let (version, can_make_venv) = answer.trim().split_once(' ')?;
    Some(Interpreter { path: path.to_owned(), version: version.to_owned(), can_make_venv: can_make_venv == "True" })
}

/// The text of a requirements file and of every file it includes, each under its name.
fn snapshot(requirements: &Path) -> Result<String> {
    let mut text = String::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut open = vec![requirements.to_owned()];
    while let Some(file) = open.pop() {
        if seen.contains(&file) {
            continue;
        }
        let content = match std::fs::read(&file) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            // pip says best what is wrong with an include.
            Err(_) if !seen.is_empty() => "(not readable)".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let here = file.parent().unwrap_or(Path::new("."));
        open.extend(includes(&content).into_iter().map(|name| here.join(name)));
        text.push_str(&format!("== {}\n{content}\n", file.display()));
        seen.push(file);
    }
    Ok(text)
}

/// Files that a requirements file names with `-r` or `-c` (pip, "Requirements File Format").
fn includes(text: &str) -> Vec<String> {
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut files = Vec::new();
    for line in text.lines().map(str::trim) {
        for option in ["--requirement", "--constraint", "-r", "-c"] {
            let Some(rest) = line.strip_prefix(option) else { continue };
            let named = option.len() == 2 || rest.starts_with([' ', '\t', '=']);
            let file = rest.trim_start_matches([' ', '\t', '=']).split(" #").next().unwrap_or_default();
            let file = file.trim().trim_matches(['"', '\'']);
            if named && !file.is_empty() && !file.contains("://") {
                files.push(file.to_owned());
            }
            break;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_are_found_in_all_their_spellings() {
        let text = "-r base.txt\r\n-rmore.txt  # why\n--requirement=a/b.txt\n--constraint c.txt\n-c 'd e.txt'\n\
                    # -r no.txt\nflask -r no.txt\n--requirements no.txt\n-r https://example.org/x.txt\n-r \\\n  next.txt\n-r\n";
        assert_eq!(includes(text), ["base.txt", "more.txt", "a/b.txt", "c.txt", "d e.txt", "next.txt"]);
    }

    #[test]
    fn a_change_of_an_included_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("dev.txt", "-r run.txt\npytest\n");
        write("run.txt", "-r dev.txt\nflask==1\n");
        let file = folder.path().join("dev.txt");
        let before = snapshot(&file).unwrap();
        assert_eq!(snapshot(&file).unwrap(), before);
        write("run.txt", "-r dev.txt\nflask==2\n");
        assert_ne!(snapshot(&file).unwrap(), before);
        assert!(snapshot(&folder.path().join("none.txt")).is_err());
    }

    #[test]
    fn a_version_matches_by_its_parts() {
        for (version, wanted, expected) in
            [("3.11.2", "3.11", true), ("3.11.2", "3.1", false), ("3.12.0", "3.11", false), ("3.11.2", "3.11.2", true)]
        {
            assert_eq!(matches(version, wanted), expected, "{version} for {wanted}");
        }
    }

    #[test]
    fn a_stamp_holds_only_for_what_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("bin/python");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&python, "one").unwrap();
        let stamp = Stamp {
            version: "3.11.2".to_owned(),
            interpreter: identity(&python).unwrap(),
            requirements: "flask\n".to_owned(),
        };
        assert_eq!(current(folder.path(), "3.11", "flask\n"), None, "an installation that was cut off");
        write_stamp(folder.path(), &stamp).unwrap();
        assert_eq!(current(folder.path(), "3.11", "flask\n"), Some(stamp));
        assert_eq!(current(folder.path(), "3.11", "flask\npytest\n"), None, "other requirements");
        std::fs::write(&python, "another").unwrap();
        assert_eq!(current(folder.path(), "3.11", "flask\n"), None, "the interpreter was upgraded");
    }
}
