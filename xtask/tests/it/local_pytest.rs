//! `cargo xtask test` as a stranger's project meets it.

use std::process::Command;

use crate::support::project::Project;
use crate::support::team::Team;

/// The least there can be of a deploy.toml has no environment `local`, and tests need none.
#[test]
fn tests_need_no_environment_and_get_their_variables() {
    let project = Project::new("instant");
    let least = "[project]\nname = \"shop\"\napp = \"backend\"\nweb = \"api\"\n[test]\nrequirements = \"backend/requirements-dev.txt\"\nenv = { MODE_OF_TESTS = \"quick\" }\n\
                 [environments.prod]\nssh = true\nfolder = \"/srv/shop\"\nurl = \"https://shop.example\"\nnginx = {}\n";
    project.write("deploy.toml", least);
    std::fs::create_dir_all(project.root().join("backend/tests/env")).unwrap();
    project.write(
        "backend/tests/env/test_env.py",
        "import os\n\n\ndef test_mode():\n    assert os.environ['MODE_OF_TESTS'] == 'quick'\n",
    );
    let words = ["test", "--group", "env", "--json"];
    let mut command = project.command(&words);
    // A person's settings for pip lead nothing past the environment of the tests.
    command.env("PIP_USER", "1").env("PIP_TARGET", project.root().join("elsewhere"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!project.root().join("elsewhere").exists());
    project.xtask(&["package", "--dirty"]).must_end_with(0);
    project.xtask(&["test", "--env", "nowhere"]).must_end_with(3);

    // What lacks pytest is told before anything is installed.
    project.rewrite("deploy.toml", "backend/requirements-dev.txt", "backend/requirements.txt");
    let begun = std::time::Instant::now();
    let refused = project.xtask(&["test"]).must_end_with(3);
    refused.must_say(&["does not name pytest", "requirements-dev.txt", "[test]"]);
    assert!(begun.elapsed().as_secs() < 5);
}

/// A test that ends the run half way has not let the others pass.
#[test]
fn a_run_that_something_ends_half_way_is_no_success() {
    let project = Project::new("instant");
    std::fs::create_dir_all(project.root().join("backend/tests/half")).unwrap();
    let file = "backend/tests/half/test_half.py";
    for (end, parts) in [
        ("pytest.exit('enough', returncode=0)", &["pytest ended after 2 of 4 tests"][..]),
        ("os._exit(0)", &["ended the process", "os._exit"]),
    ] {
        project.write(file, &format!("import os\n\nimport pytest\n\n\ndef test_one():\n    pass\n\n\ndef test_two():\n    {end}\n\n\ndef test_three():\n    assert False\n\n\ndef test_four():\n    pass\n"));
        project.xtask(&["test", "--group", "half"]).must_end_with(10).must_say(parts);
    }
    project.write(file, "def test_one():\n    pass\n");
    project.xtask(&["test", "--group", "half"]).must_end_with(0);
    // A log that shows signatures is a person's, and no part of a commit's time.
    let key = project.root().join(".deploy/signing");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    let key = key.to_str().unwrap();
    for (name, value) in
        [("log.showSignature", "true"), ("gpg.format", "ssh"), ("user.signingKey", key), ("commit.gpgSign", "true")]
    {
        project.git(&["config", name, value]);
    }
    project.commit("with signatures");
    let log = Command::new("git").arg("-C").arg(project.root()).args(["log", "-1", "--format=%ct"]).output().unwrap();
    let said = [log.stdout, log.stderr].concat();
    assert!(said.split(|byte| *byte == b'\n').count() > 2, "git says nothing of the signature: {said:?}");
    project.xtask(&["package"]).must_end_with(0);
    project.write("backend/report.xml", "");
    project.xtask(&["package"]).must_end_with(11).must_say(&["report.xml", ".gitignore"]);
}
