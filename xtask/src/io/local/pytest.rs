//! Runs the app's tests: chooses them, keeps a virtual environment for them, starts pytest and reads what it reports.
//!
//! Nothing is written into the app's folder, so that packaging it afterwards sees what was committed.

mod ending;
mod venv;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::process::{self, Command};
use crate::rules::failure::{self, Kind};
use crate::rules::pytest::selection::{self, Disk, Selection};
use crate::rules::test_summary::Summary;
use crate::rules::test_summary::junit::{self, Results};
use ending::{Ending, runs_nothing};

/// What to test and with what. Relative paths are relative to `root`, the folder of `deploy.toml`.
pub struct PytestRun<'a> {
    pub root: &'a Path,
    /// The app's folder, in which pytest runs.
    pub app: &'a str,
    /// The tests folder inside `app`.
    pub folder: &'a str,
    pub requirements: &'a str,
    /// The file that switches groups on and off.
    pub selection_file: &'a str,
    /// Groups that are not one folder: their paths inside `app`.
    pub overrides: &'a BTreeMap<String, Vec<String>>,
    /// The version wanted, as in `3.11`.
    pub python: &'a str,
    /// Variables that the tests get.
    pub env: &'a BTreeMap<String, String>,
    /// The tool's own folder: virtual environment, caches, results.
    pub state: &'a Path,
    /// Tests that take longer hang.
    pub limit: Duration,
}

/// Runs the tests: all groups that are on, or the group `only`. `extra` is passed to pytest; tests named in it are
/// run instead of the groups. Tests that fail are no error here but a summary without success.
///
/// # Errors
/// Where the tests could not be run, or say nothing: wrong selection, no Python, requirements that cannot be
/// installed, no test found, pytest itself failed.
pub fn run(tests: &PytestRun, only: Option<&str>, extra: &[String]) -> Result<Summary> {
    if extra.iter().any(|argument| argument.starts_with("--junit-xml") || argument.starts_with("--junitxml")) {
        let file = tests.state.join("junit.xml");
        return Err(Kind::Usage.error(format!("leave out --junitxml: the results are always in {}", file.display())));
    }
    let state = std::path::absolute(tests.state).context("finding the folder for results")?;
    std::fs::create_dir_all(&state).with_context(|| format!("creating {}", state.display()))?;
    let junit = state.join("junit.xml");
    remove_stale(&junit)?;

    let mut selection = choose(tests, only, extra)?;
    let requirements = tests.root.join(tests.requirements);
    let venv = venv::prepare(&state.join("venv"), tests.python, &requirements, tests.requirements)?;
    selection.warnings.extend(venv.warning.clone());
    selection.notes.iter().for_each(|note| console::note(note));
    selection.warnings.iter().for_each(|warning| console::warning(warning));

    // Under its own name until it is complete: another run may be writing its own.
    let report = tempfile::Builder::new().prefix("junit-").suffix(".xml").tempfile_in(&state);
    let report = report.with_context(|| format!("creating a file in {}", state.display()))?;
    let ending = Ending::prepare(&state)?;
    let finished = process::stream(&command(tests, &state, &venv.folder, &selection, extra, report.path()))?;
    let text = std::fs::read(report.path()).context("reading the results of pytest")?;
    let results = junit::parse(&String::from_utf8_lossy(&text));
    let results = check_ending(finished.code, results, extra)?;
    ending.check(extra)?;
    report.persist(&junit).with_context(|| format!("writing {}", junit.display()))?;
    Ok(summarise(results, selection, venv.version.clone(), junit))
}

/// Results of an earlier run must not be taken for those of a run that ended early.
fn remove_stale(junit: &Path) -> Result<()> {
    match std::fs::remove_file(junit) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing the earlier {}", junit.display()))
        }
        _ => Ok(()),
    }
}

fn choose(tests: &PytestRun, only: Option<&str>, extra: &[String]) -> Result<Selection> {
    let app = tests.root.join(tests.app);
    let folder = app.join(tests.folder);
    if !folder.is_dir() {
        let (folder, hint) = (folder.display(), "hint: name it in deploy.toml, [test] folder");
        return Err(Kind::Configuration.error(format!("the tests folder {folder} is not there; {hint}")));
    }
    let entries = entries_with_tests(&folder)?;
    let file = tests.root.join(tests.selection_file);
    let text = std::fs::read(&file).map_err(|error| {
        let example: Vec<String> = entries.iter().map(|entry| format!("\n  {entry}: true")).collect();
        let hint = format!("hint: it says which tests run, as in\ntest_groups:{}", example.concat());
        Kind::Configuration.error(format!("{}: {error}; {hint}", file.display()))
    })?;
    let switches = selection::parse(failure::utf8(&text, tests.selection_file)?, tests.selection_file)?;
    let disk = Disk { exists: &|path| app.join(path).exists(), entries: &entries };
    if only.is_none() && names_tests(extra, &disk) {
        let notes = vec!["tests are named on the command line: they run instead of the groups".to_owned()];
        return Ok(Selection { notes, ..Selection::default() });
    }
    selection::select(&switches, tests.overrides, only, tests.folder, &disk)
}

/// Names in the tests folder that hold tests by pytest's own rule of naming.
fn entries_with_tests(folder: &Path) -> Result<Vec<String>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        if holds_tests(&entry)? {
            entries.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    entries.sort();
    Ok(entries)
}

fn holds_tests(entry: &std::fs::DirEntry) -> Result<bool> {
    let name = entry.file_name().to_string_lossy().into_owned();
    let path = entry.path();
    if !entry.file_type().with_context(|| format!("reading {}", path.display()))?.is_dir() {
        return Ok(name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py")));
    }
    if name.starts_with('.') || name == "__pycache__" {
        return Ok(false);
    }
    for entry in std::fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
        if holds_tests(&entry.with_context(|| format!("reading {}", path.display()))?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of pytest's arguments is a test, a file or a folder. What follows an option is taken for its value:
/// too many tests are better than too few.
fn names_tests(extra: &[String], disk: &Disk) -> bool {
    let takes_value =
        |option: &str| option.starts_with('-') && !option.contains('=') && (option.starts_with("--") || option == "-c");
    let previous = std::iter::once("").chain(extra.iter().map(String::as_str));
    previous.zip(extra).any(|(previous, argument)| {
        let path = argument.split("::").next().unwrap_or_default();
        let shaped = path.contains('/') || path.ends_with(".py");
        shaped && !path.starts_with('-') && !takes_value(previous) && (disk.exists)(path)
    })
}

fn command(
    tests: &PytestRun,
    state: &Path,
    venv: &Path,
    selection: &Selection,
    extra: &[String],
    report: &Path,
) -> Command {
    let mut words = vec![venv.join("bin/python").display().to_string(), "-m".to_owned(), "pytest".to_owned()];
    words.extend(["-p".to_owned(), Ending::PLUGIN.to_owned()]);
    // The older form of JUnit XML, because it alone says in which file a test is.
    words.extend(["-o".to_owned(), "junit_family=xunit1".to_owned()]);
    words.extend(["-o".to_owned(), format!("cache_dir={}", state.join("pytest-cache").display())]);
    words.extend(selection.ignored.iter().map(|path| format!("--ignore={path}")));
    words.extend(selection.paths.iter().cloned());
    words.extend(extra.iter().cloned());
    words.push(format!("--junitxml={}", report.display()));
    // What a test starts by name is the environment's, as where a person has activated it.
    let path = format!("{}:{}", venv.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let python_path = std::env::var("PYTHONPATH").map_or_else(|_| String::new(), |path| format!(":{path}"));
    let mut command = Command::new("run the tests", words);
    for (name, value) in tests.env {
        command = command.with_variable(name, value);
    }
    command
        .in_folder(&tests.root.join(tests.app))
        .within(tests.limit)
        .with_variable("PYTHONPATH", &format!("{}{python_path}", state.join(Ending::FOLDER).display()))
        .with_variable(Ending::VARIABLE, &state.join(Ending::FILE).display().to_string())
        .with_variable("PATH", &path)
        .with_variable("VIRTUAL_ENV", &venv.display().to_string())
        .with_variable("PYTHONDONTWRITEBYTECODE", "1")
        .with_variable("PYTHONUNBUFFERED", "1")
}

/// What pytest's exit code means (docs.pytest.org, "Exit codes"), seen together with what it reported.
fn check_ending(code: Option<i32>, results: Result<Results>, extra: &[String]) -> Result<Results> {
    let failures = results.as_ref().map_or(0, |results| results.failed + results.errors);
    let nothing_ran =
        results.as_ref().is_ok_and(|results| *results == Results { seconds: results.seconds, ..Results::default() });
    let problem = match code {
        // Without a file: pytest was asked for its help or the like.
        Some(0) if runs_nothing(extra) => return Ok(results.unwrap_or_default()),
        Some(0) if nothing_ran => {
            "pytest ran no test; does PYTEST_ADDOPTS or addopts tell it to only collect them?".to_owned()
        }
        Some(0) if results.is_err() => {
            "pytest ended with exit code 0 and without results: a test, or what it imports, has ended the process \
             (`os._exit`); its last lines are above"
                .to_owned()
        }
        Some(0) => return results,
        // A file that cannot be imported ends the run as `interrupted`.
        Some(1 | 2) if failures > 0 => return results,
        Some(1) => {
            "pytest failed, but no test failed; did a plugin limit, such as minimum coverage, fail it? Its last lines are above".to_owned()
        }
        Some(2) => "pytest was interrupted; its last lines are above".to_owned(),
        Some(3) => "pytest or one of its plugins has a defect (internal error); its last lines are above".to_owned(),
        Some(4) if !extra.is_empty() => {
            return Err(
                Kind::Usage.error(format!("pytest refuses its arguments: {}; the reason is above", extra.join(" ")))
            );
        }
        Some(4) => "pytest refuses its configuration or a path; the reason is above".to_owned(),
        Some(5) => "pytest found no test; hint: its files are called test_*.py, its functions test_*, \
                    and -k or -m may have left all out"
            .to_owned(),
        Some(code) => format!("pytest ended with the unknown exit code {code}; its last lines are above"),
        None => "pytest was ended by a signal; was there too little memory?".to_owned(),
    };
    Err(Kind::Tests.error(problem))
}

fn summarise(results: Results, selection: Selection, python: String, junit: PathBuf) -> Summary {
    let Selection { groups_run, groups_skipped, warnings, .. } = selection;
    let (python, junit) = (Some(python), Some(junit));
    Summary { results, groups_run, groups_skipped, warnings, python, junit, commands: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn every_exit_code_means_something() {
        let some = |passed, failed, errors| Ok(Results { passed, failed, errors, ..Results::default() });
        let none = || Err(anyhow::anyhow!("cut off"));
        let asked = words(&["-x"]);
        assert_eq!(check_ending(Some(0), some(3, 0, 0), &[]).unwrap().passed, 3);
        assert_eq!(check_ending(Some(1), some(3, 1, 0), &[]).unwrap().failed, 1);
        assert_eq!(check_ending(Some(2), some(0, 0, 1), &[]).unwrap().errors, 1, "a file that cannot be imported");
        assert!(check_ending(Some(0), none(), &words(&["--help"])).is_ok());
        let plain: &[String] = &[];
        let refused = [
            (Some(0), some(0, 0, 0), plain, "ran no test", Kind::Tests),
            (Some(0), none(), plain, "ended the process", Kind::Tests),
            (Some(1), some(3, 0, 0), plain, "no test failed", Kind::Tests),
            (Some(1), none(), plain, "no test failed", Kind::Tests),
            (Some(2), some(3, 0, 0), plain, "interrupted", Kind::Tests),
            (Some(3), some(3, 1, 0), plain, "internal error", Kind::Tests),
            (Some(4), none(), plain, "configuration", Kind::Tests),
            (Some(4), none(), asked.as_slice(), "arguments: -x", Kind::Usage),
            (Some(5), some(0, 0, 0), plain, "found no test", Kind::Tests),
            (Some(77), some(3, 0, 0), plain, "code 77", Kind::Tests),
            (None, some(3, 0, 0), plain, "signal", Kind::Tests),
        ];
        for (code, results, extra, expected, kind) in refused {
            let error = check_ending(code, results, extra).expect_err(expected);
            assert!(error.to_string().contains(expected), "{code:?}: {error}");
            assert!(Kind::of(&error).is_none_or(|found| found == kind), "{code:?}: {error}");
        }
    }

    #[test]
    fn tests_named_for_pytest_are_told_from_values_of_options() {
        let disk = Disk { exists: &|path| ["tests/a.py", "tests", "ci.py"].contains(&path), entries: &[] };
        for named in [&["tests/a.py"][..], &["-x", "tests/a.py::test_one"], &["--maxfail=1", "tests/a.py"]] {
            assert!(names_tests(&words(named), &disk), "{named:?}");
        }
        for other in
            [&["-k", "tests"][..], &["--deselect", "tests/a.py::b"], &["-c", "ci.py"], &["-x"], &["tests/b.py"], &[]]
        {
            assert!(!names_tests(&words(other), &disk), "{other:?}");
        }
    }
}
