//! What containers and tests print is text to a GitHub runner and to a terminal, never a command.

use std::path::Path;
use std::process::Command;

use crate::support::project::Project;
use crate::support::team::{Run, Team};

/// Lines that the runner would obey, however they are set in; and what a terminal would.
const COMMANDS: &str = "  ::stop-commands::x\\n\\t::warning::obeyed\\n ::add-mask::deploy\\n##[error]obeyed\\n\\x1b]0;obeyed\\x07\\x1b[31mred";

fn on_actions(project: &Project, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", project.server("../summary.md"));
    ended(project, command)
}

fn ended(project: &Project, mut command: Command) -> Run {
    std::fs::create_dir_all(project.root().join(".deploy")).unwrap();
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let run = Run::new(output.status.code(), text(output.stdout), text(output.stderr), &[]);
    // The runner shows no line that asks it to mask something.
    let shown = run.stdout.lines().chain(run.stderr.lines()).filter(|line| !line.starts_with("::add-mask::"));
    for (line, secret) in shown.flat_map(|line| project.secrets().iter().map(move |secret| (line, secret))) {
        assert!(!line.contains(secret), "{secret:?} was shown: {run}");
    }
    run
}

/// The runner's own way: it trims a line, and obeys what begins with `::` unless commands are stopped.
fn obeyed(run: &Run) -> Vec<String> {
    let mut stopped: Option<String> = None;
    let mut found = Vec::new();
    for line in run.stdout.lines().chain(run.stderr.lines()) {
        let line = line.trim_start();
        match &stopped {
            Some(token) if line == format!("::{token}::") => stopped = None,
            Some(_) => {}
            None if line.starts_with("::stop-commands::") => {
                stopped = line.strip_prefix("::stop-commands::").map(str::to_owned)
            }
            None if line.starts_with("::") || line.contains("##[") => found.push(line.to_owned()),
            None => {}
        }
    }
    found
}

fn assert_only_ours(run: &Run) {
    let ours = ["::group::", "::endgroup::", "::add-mask::", "::error title=deploy::", "::warning title=deploy::"];
    for line in obeyed(run) {
        assert!(ours.iter().any(|begin| line.starts_with(begin)), "{line:?} would be obeyed: {run}");
        assert_ne!(line, "::add-mask::deploy", "{run}");
    }
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\u{7}'), "a terminal would obey it: {run:}");
}

#[test]
fn what_a_container_prints_is_obeyed_by_nobody() {
    let project = Project::new("instant");
    project.write("backend/gunicorn.conf.py", &format!("import sys; print('{COMMANDS}', flush=True); sys.exit(1)\n"));
    project.rewrite(
        "deploy.toml",
        "[[\"python\", \"migrate.py\"]]",
        &format!("[[\"python\", \"-c\", \"print('{}')\"]]", COMMANDS.replace('\\', "\\\\")),
    );
    project.commit("a version that prints commands");
    let failed = on_actions(&project, &["deploy", "--skip-tests"]).must_end_with(16);
    assert!(failed.stderr.contains("obeyed"), "the output is not there: {failed}");
    assert_only_ours(&failed);
    let masks = failed.stderr.lines().filter(|line| line.starts_with("::add-mask::")).count();
    assert!(masks > 0 && !failed.stderr.contains("::add-mask::1\n"), "{failed}");
    let plain = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    assert!(!plain.stderr.contains('\u{1b}') && !plain.stderr.contains('\u{7}'), "{plain}");
}

#[test]
fn what_tests_print_is_obeyed_by_nobody() {
    let project = Project::new("instant");
    std::fs::create_dir_all(project.root().join("backend/tests/loud")).unwrap();
    project.write(
        "backend/tests/loud/test_loud.py",
        &format!("def test_loud():\n    print('{COMMANDS}')\n    assert False, '::error::obeyed'\n"),
    );
    project.rewrite("tests_config.yaml", "test_groups:", "test_groups:\n  loud: true");
    let failed = on_actions(&project, &["test", "--group", "loud"]).must_end_with(10);
    assert!(failed.stderr.contains("obeyed"), "{failed}");
    assert_only_ours(&failed);
    assert!(Path::new(&project.root()).is_dir());
}
