//! The virtual environment of the tests: made anew when the requirements or the Python changed, else left alone.
//!
//! It is always made from nothing: an upgrade in place would keep packages that are required no longer, and the tests
//! would pass here while the image lacks them. Each is made in a folder of its own, and the link `current` names it once
//! it is complete; so what is cut off anywhere, or goes on writing after its parent was killed, spoils nothing.

use std::fs::{File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::io::process::{self, Command};
use crate::io::{console, interrupt};
use crate::rules::failure::Kind;

/// Below the folder for environments: who uses them, which one is complete and newest.
const LOCK: &str = "lock";
const CURRENT: &str = "current";
/// Inside an environment: what it was made of, written when it is complete.
const STAMP: &str = "installed.json";

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

/// Gives the environment with `requirements` (called `shown` in messages), made now if need be. `store` is the folder
/// for environments; nothing else may be in it.
///
/// # Errors
/// [`Kind::Configuration`] for a version or a file that is none; where Python or pip fails.
pub fn prepare(store: &Path, wanted: &str, requirements: &Path, shown: &str) -> Result<Venv> {
    if wanted.is_empty() || !wanted.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let problem = format!("deploy.toml: [test] python = {wanted:?}: write a version as in \"3.11\"");
        return Err(Kind::Configuration.error(problem));
    }
    if !requirements.is_file() {
        let hint = "hint: name it in deploy.toml, [test] requirements";
        return Err(Kind::Configuration.error(format!("the requirements file {shown} is not there; {hint}")));
    }
    let text = snapshot(requirements)?;
    if !text.to_lowercase().contains("pytest") {
        // Told now, and not once all else has been installed.
        let others = of_tests(requirements);
        let others = if others.is_empty() { String::new() } else { format!(", perhaps {}", others.join(" or ")) };
        return Err(Kind::Configuration.error(format!(
            "{shown} does not name pytest; name the file with the requirements of the tests{others}: `requirements = \"…\"` ([test] in \
             deploy.toml), or make one of two lines: `-r {}` and `pytest`",
            requirements.file_name().unwrap_or_default().to_string_lossy()
        )));
    }
    std::fs::create_dir_all(store).with_context(|| format!("creating {}", store.display()))?;
    // A run that waited may have to make it again, for requirements of its own; time after time is not chance.
    for _ in 0..3 {
        let lock = lock(store, File::try_lock_shared)?;
        if let Some((folder, stamp)) = current(store, wanted, &text) {
            let warning = (!matches(&stamp.version, wanted))
                .then(|| format!("Python {wanted} is not installed; the tests run with {}", stamp.version));
            return Ok(Venv { folder, version: stamp.version, warning, _lock: lock });
        }
        drop(lock);
        let _alone = self::lock(store, File::try_lock)?;
        if current(store, wanted, &text).is_none() {
            let folder = make(store, wanted, requirements, shown, &text)?;
            publish(store, &folder)?;
        }
    }
    bail!("{} changes all the time; does another program write there?", store.display())
}

/// Files beside it that are called like requirements of tests.
fn of_tests(requirements: &Path) -> Vec<String> {
    let entries = requirements.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let names = entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".txt") && name.contains("require"))
        .filter(|name| ["test", "dev", "ci"].iter().any(|word| name.contains(word)))
        .collect();
    names.sort();
    names
}

fn lock(store: &Path, take: fn(&File) -> Result<(), TryLockError>) -> Result<File> {
    let path = store.join(LOCK);
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

/// The environment that is complete and what is wanted, with its stamp.
fn current(store: &Path, wanted: &str, requirements: &str) -> Option<(PathBuf, Stamp)> {
    let folder = store.join(CURRENT).canonicalize().ok()?;
    let stamp: Stamp = serde_json::from_slice(&std::fs::read(folder.join(STAMP)).ok()?).ok()?;
    let same = stamp.requirements == requirements && stamp.interpreter == identity(&folder.join("bin/python"))?;
    // Another version than the wanted one is kept only as long as there is nothing better.
    let better = || find(wanted).is_ok_and(|found| matches(&found.version, wanted) && found.can_make_venv);
    (same && (matches(&stamp.version, wanted) || !better())).then_some((folder, stamp))
}

fn identity(python: &Path) -> Option<String> {
    let path = python.canonicalize().ok()?;
    let metadata = path.metadata().ok()?;
    Some(format!("{} {} {:?}", path.display(), metadata.len(), metadata.modified().ok()?))
}

fn matches(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Makes an environment in a new folder of `store`.
fn make(store: &Path, wanted: &str, requirements: &Path, shown: &str, text: &str) -> Result<PathBuf> {
    let Interpreter { path, version, can_make_venv } = find(wanted)?;
    if !can_make_venv {
        let minor = version.splitn(3, '.').take(2).collect::<Vec<&str>>().join(".");
        return Err(Kind::Preflight.error(format!(
            "{} (Python {version}) cannot make virtual environments, its modules venv and ensurepip are missing; \
             hint: run scripts/bootstrap, or apt-get install python{minor}-venv",
            path.display()
        )));
    }
    console::note(&format!("installing {shown} for Python {version}"));
    let begun = Instant::now();
    let folder = tempfile::Builder::new().prefix("venv-").tempdir_in(store).context("making a folder for Python")?;
    // -I: packages of PYTHONPATH or of the user's own folder must not count as installed.
    let words =
        [&path.display().to_string(), "-I", "-m", "venv", &folder.path().display().to_string()].map(str::to_owned);
    let create = Command::new("make a Python environment for the tests", words).within(INSTALL_LIMIT);
    process::finish(&create)?.success().map_err(|error| Kind::Preflight.around(error, "is the disk full?"))?;
    install(folder.path(), requirements, shown)?;
    let python = folder.path().join("bin/python");
    let interpreter = identity(&python).context("the new Python environment has no interpreter")?;
    write_stamp(folder.path(), &Stamp { version, interpreter, requirements: text.to_owned() })?;
    console::note(&format!("installed in {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(folder.keep())
}

fn install(folder: &Path, requirements: &Path, shown: &str) -> Result<()> {
    let python = folder.join("bin/python").display().to_string();
    let name = requirements.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let options = ["--disable-pip-version-check", "--no-input", "--requirement", &name];
    let words = [&python, "-I", "-m", "pip", "install"].into_iter().chain(options);
    let here = requirements.parent().unwrap_or(Path::new("."));
    let install = Command::new(&format!("install {shown}"), words).in_folder(here).within(INSTALL_LIMIT);
    // A person's settings for pip must not lead what is installed past the environment.
    let install = install.with_variable("PIP_USER", "0").with_variable("PIP_REQUIRE_VIRTUALENV", "0");
    let install = install.with_variable("PIP_TARGET", "").with_variable("PIP_PREFIX", "");
    let hint = "the tests need their requirements; hint: is the package index in reach, does it have these versions?";
    process::finish(&install)?.success().map_err(|error| Kind::Tests.around(error, hint))?;
    match folder.join("bin/pytest").exists() {
        true => Ok(()),
        false => {
            Err(Kind::Configuration.error(format!("{shown} does not install pytest; hint: add a line `pytest` to it")))
        }
    }
}

fn write_stamp(folder: &Path, stamp: &Stamp) -> Result<()> {
    let file = folder.join(STAMP);
    std::fs::write(&file, serde_json::to_vec(stamp)?).with_context(|| format!("writing {}", file.display()))
}

/// Makes `folder` the current environment, in one act, and removes all others.
fn publish(store: &Path, folder: &Path) -> Result<()> {
    let name = folder.file_name().context("an environment without a name")?;
    let temporary = tempfile::Builder::new().prefix("link-").make_in(store, |path| symlink(name, path));
    let temporary = temporary.with_context(|| format!("linking in {}", store.display()))?.into_temp_path();
    temporary.persist(store.join(CURRENT)).with_context(|| format!("linking {}", folder.display()))?;
    for entry in std::fs::read_dir(store).with_context(|| format!("reading {}", store.display()))? {
        let entry = entry.with_context(|| format!("reading {}", store.display()))?;
        if [name, LOCK.as_ref(), CURRENT.as_ref()].contains(&entry.file_name().as_os_str()) {
            continue;
        }
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = removed {
            // The tests can run; the next one that is made tries again.
            console::warning(&format!("{} cannot be removed: {error}", path.display()));
        }
    }
    Ok(())
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
    let answer =
        process::text(&Command::new("ask Python for its version", words).within(Duration::from_secs(20))).ok()?;
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
    fn an_environment_counts_only_complete_and_for_what_it_was_made_of() {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().canonicalize().unwrap().join("venv-a");
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        std::fs::create_dir(store.path().join("venv-cut-off")).unwrap();
        let python = folder.join("bin/python");
        std::fs::write(&python, "one").unwrap();
        let interpreter = identity(&python).unwrap();
        let found = |requirements| current(store.path(), "3.11", requirements).map(|(folder, _)| folder);
        assert_eq!(found("flask\n"), None, "not complete");
        let stamp = Stamp { version: "3.11.2".to_owned(), interpreter, requirements: "flask\n".to_owned() };
        write_stamp(&folder, &stamp).unwrap();
        assert_eq!(found("flask\n"), None, "not yet the current one");
        publish(store.path(), &folder).unwrap();
        publish(store.path(), &folder).unwrap();
        assert_eq!(found("flask\n"), Some(folder.clone()));
        assert!(!store.path().join("venv-cut-off").exists());
        assert_eq!(found("flask\npytest\n"), None, "other requirements");
        std::fs::write(&python, "another").unwrap();
        assert_eq!(found("flask\n"), None, "the interpreter was upgraded");
    }
}
