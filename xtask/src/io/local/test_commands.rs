//! Runs the app's tests by commands of its own, in the place of pytest.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::process::{self, Command};
use crate::rules::config::TestCommands;
use crate::rules::failure::Kind;
use crate::rules::test_summary::Summary;
use crate::rules::test_summary::junit::{self, Results};

/// Runs the commands in `folder`, one after the other; `extra` is given to the last one. Tests that fail and are told in JUnit XML are
/// no error here but a summary without success.
///
/// # Errors
/// [`Kind::Tests`] where a command fails and tells no test that did, or writes no results that it was to write.
pub fn run(tests: &TestCommands, folder: &Path, extra: &[String], limit: Duration) -> Result<Summary> {
    let junit = tests.junit.as_ref().map(|path| folder.join(path));
    let earlier = junit.as_deref().and_then(written_at);
    let begun = Instant::now();
    let mut failed = None;
    for (number, words) in tests.commands.iter().enumerate() {
        let last = number + 1 == tests.commands.len();
        let program = in_folder(folder, &words[0]);
        let words = words[1..].iter().chain(if last { extra } else { &[] }).cloned();
        let mut command = Command::new("run the tests", [program].into_iter().chain(words)).in_folder(folder);
        for (name, value) in &tests.env {
            command = command.with_variable(name, value);
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(Kind::Tests.error(format!("the tests have taken {} s (`test` in [limits])", limit.as_secs())));
        }
        let finished = process::stream(&command.within(left)).map_err(of_tests)?;
        if finished.code != Some(0) {
            failed = Some((shown(&tests.commands[number]), finished.code));
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let results = match &junit {
        Some(file) if written_at(file).is_some_and(|now| Some(now) != earlier) => match read(file) {
            Ok(results) => Some(results),
            // The command's own end says more than a file that it has left half written.
            Err(_) if failed.is_some() => None,
            Err(error) => return Err(error),
        },
        _ => None,
    };
    let told = results.as_ref().is_some_and(|results| results.failed + results.errors > 0);
    match (failed, &junit, &results) {
        (Some((command, code)), _, _) if !told => {
            let how = code.map_or("was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"));
            return Err(Kind::Tests.error(format!("`{command}` {how}; its last lines are above")));
        }
        (None, Some(file), None) => {
            return Err(Kind::Tests.error(format!(
                "the tests ended well and have not written {}; `junit` in [test] names what they write",
                file.display()
            )));
        }
        (None, Some(_), Some(results)) if *results == (Results { seconds: results.seconds, ..Results::default() }) => {
            return Err(Kind::Tests.error("the commands ended well, and by their results no test ran"));
        }
        _ => {}
    }
    let results = Results { seconds, ..results.unwrap_or_default() };
    let commands = tests.commands.iter().map(|words| shown(words)).collect();
    Ok(Summary { results, commands, junit, ..Summary::default() })
}

/// A program that is named by a path is the app's own, as in `./gradlew`; one without is looked for in `PATH`.
fn in_folder(folder: &Path, program: &str) -> String {
    match program.contains('/') {
        true => folder.join(program).display().to_string(),
        false => program.to_owned(),
    }
}

/// A program that is not there, or takes too long, is a failure of the tests; a signal is none.
fn of_tests(error: anyhow::Error) -> anyhow::Error {
    match Kind::of(&error) {
        Some(Kind::Interrupted) => error,
        _ => Kind::Tests.around(error, "the tests could not be run to their end"),
    }
}

fn shown(words: &[String]) -> String {
    console::masked(&words.join(" "))
}

/// A file of an earlier run must not be taken for that of this one, and is not ours to remove.
fn written_at(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(file: &PathBuf) -> Result<Results> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let results = junit::parse(&String::from_utf8_lossy(&text));
    results.map_err(|error| Kind::Tests.error(format!("{} is no JUnit XML: {error:#}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const FAILED: &str = "<testsuite><testcase classname=\"cart\" name=\"adds\"/><testcase classname=\"cart\" name=\"removes\"><failure/></testcase></testsuite>";

    fn commands(scripts: &[&str], junit: Option<&str>) -> TestCommands {
        let sh = |script: &&str| vec!["sh".to_owned(), "-c".to_owned(), (*script).to_owned()];
        let env = BTreeMap::from([("MODE".to_owned(), "of a test".to_owned())]);
        TestCommands { commands: scripts.iter().map(sh).collect(), junit: junit.map(str::to_owned), env }
    }

    fn run_in(folder: &Path, scripts: &[&str], junit: Option<&str>) -> Result<Summary, String> {
        let limit = Duration::from_secs(20);
        run(&commands(scripts, junit), folder, &[], limit).map_err(|error| {
            assert_eq!(Kind::of(&error), Some(Kind::Tests), "{error:#}");
            format!("{error:#}")
        })
    }

    #[test]
    fn all_commands_run_in_the_app_s_folder_until_one_fails() {
        let folder = tempfile::tempdir().unwrap();
        let summary = run_in(folder.path(), &["echo \"$MODE\" >first", "cat first >second"], None).unwrap();
        assert!(summary.success() && summary.describe().starts_with("ended well in"), "{}", summary.describe());
        assert_eq!(std::fs::read_to_string(folder.path().join("second")).unwrap(), "of a test\n");
        let told = run_in(folder.path(), &["exit 3", ": >third"], None).unwrap_err();
        assert!(told.contains("`sh -c exit 3` ended with exit code 3"), "{told}");
        assert!(!folder.path().join("third").exists(), "a command ran after one that failed");
    }

    #[test]
    fn a_program_of_the_app_is_found_there_and_one_that_is_not_there_fails_the_tests() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("runner"), "#!/bin/sh\npwd >where\n").unwrap();
        let mut tests = commands(&[":"], None);
        tests.commands = vec![vec!["./runner".to_owned()]];
        let run_it = || run(&tests, folder.path(), &[], Duration::from_secs(20));
        assert_eq!(Kind::of(&run_it().unwrap_err()), Some(Kind::Tests), "it is no program yet");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path().join("runner"), mode).unwrap();
        run_it().unwrap();
        let place = std::fs::read_to_string(folder.path().join("where")).unwrap();
        assert_eq!(std::path::Path::new(place.trim()), folder.path().canonicalize().unwrap());
        let late = run(&commands(&["sleep 20"], None), folder.path(), &[], Duration::from_millis(300)).unwrap_err();
        assert_eq!(Kind::of(&late), Some(Kind::Tests), "{late:#}");
    }

    #[test]
    fn what_the_runner_tells_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let write = format!("mkdir -p out; echo '{FAILED}' >out/junit.xml; exit 1");
        let summary = run_in(folder.path(), &[&write], Some("out/junit.xml")).unwrap();
        assert!(!summary.success());
        let text = summary.describe();
        assert!(text.starts_with("1 failed, 1 passed in") && text.contains("failed: cart::removes"), "{text}");
        // A runner that hides a failure in its exit code hides nothing.
        let summary = run_in(folder.path(), &[&write.replace("exit 1", "exit 0")], Some("out/junit.xml")).unwrap();
        assert!(!summary.success());
    }

    #[test]
    fn results_that_were_not_written_or_say_nothing_are_no_success() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.xml"), FAILED).unwrap();
        for (script, file, told) in [
            (":", "old.xml", "have not written"),
            (":", "none.xml", "have not written"),
            ("echo nonsense >bad.xml", "bad.xml", "is no JUnit XML"),
            ("echo '<testsuite/>' >empty.xml", "empty.xml", "no test ran"),
        ] {
            let problem = run_in(folder.path(), &[script], Some(file)).unwrap_err();
            assert!(problem.contains(told), "{script}: {problem}");
        }
        let half = run_in(folder.path(), &["echo '<testsuite>' >half.xml; exit 9"], Some("half.xml")).unwrap_err();
        assert!(half.contains("ended with exit code 9"), "{half}");
        let broken = run_in(folder.path(), &["exit 2"], Some("old.xml")).unwrap_err();
        assert!(broken.contains("ended with exit code 2"), "{broken}");
    }
}
