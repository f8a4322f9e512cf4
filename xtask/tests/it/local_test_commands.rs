//! Tests that are no pytest: commands of the project's own, or none.

use crate::support::project::Project;
use crate::support::team::Team;

const TEST: &str = "[test]\nrequirements = \"backend/requirements-dev.txt\"\n";

/// A runner as others have it: it writes JUnit XML, and ends with 1 where a test fails.
const RUNNER: &str = "#!/bin/sh\nset -e\nmkdir -p reports\n[ \"$MODE\" = quick ]\nif [ -e broken ] || [ \"$1\" = --all ]; then inside='<failure message=\"no\"/>' code=1; else inside='' code=0; fi\nprintf '<testsuites><testsuite time=\"0.1\"><testcase classname=\"cart\" name=\"adds\">%s</testcase></testsuite></testsuites>' \"$inside\" >reports/junit.xml\nexit $code\n";

#[test]
fn a_deploy_runs_the_project_s_own_tests() {
    let project = Project::new("instant");
    let commands = "[test]\ncommand = [[\"sh\", \"-c\", \": >../prepared\"], [\"sh\", \"runner.sh\"]]\njunit = \"reports/junit.xml\"\nenv = { MODE = \"quick\" }\n";
    project.rewrite("deploy.toml", TEST, commands);
    project.write("backend/runner.sh", RUNNER);
    project.rewrite(".gitignore", ".deploy/\n", ".deploy/\nbackend/reports/\nprepared\n");
    project.commit("with tests of its own");
    let run = project.xtask(&["deploy", "--json"]).must_end_with(0);
    assert_eq!(run.json()["stages"][0]["name"], "Run the tests");
    run.must_say(&["1 passed in", "commands: sh -c : >../prepared, sh runner.sh"]);
    assert!(project.root().join("prepared").exists());
    let serving = project.status()["live_release"].clone();

    let alone = project.xtask(&["test", "--json"]).must_end_with(0).json();
    assert_eq!((&alone["passed"], &alone["failed"]), (&1.into(), &0.into()), "{alone:#}");
    let failed = project.xtask(&["test", "--", "--all"]).must_end_with(10);
    assert!(failed.stdout.contains("failed: cart::adds"), "{failed}");
    project.xtask(&["test", "--group", "cart"]).must_end_with(2).must_say(&["--group is for pytest"]);
    project.write("backend/broken", "");
    project.commit("that is broken");
    project.xtask(&["deploy"]).must_end_with(10).must_say(&["failed: cart::adds"]);
    assert_eq!(project.status()["live_release"], serving);
}

#[test]
fn where_tests_are_off_a_deploy_has_no_such_stage() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", TEST, "[test]\noff = true\n");
    let plan = project.xtask(&["deploy", "--dry-run"]).must_end_with(0);
    assert!(!plan.stdout.contains("Run the tests"), "{plan}");
    project.xtask(&["test"]).must_end_with(3).must_say(&["there are no tests to run", "off = true"]);
}
