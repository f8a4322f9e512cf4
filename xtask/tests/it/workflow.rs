//! The deploy workflow as GitHub would run it: the very `run:` lines of its jobs, in order, in a checkout of this
//! repository, with its secrets, against a test server.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::server::{Compose, repository};
use crate::support::shared_server::on_a_server;
use crate::support::site::env_file;
use crate::support::team::copy_work_tree;

const WORKFLOW: &str = ".github/workflows/deploy-prod.yml";

/// One `run:` line with its variables, secrets filled in.
struct Step {
    run: String,
    variables: Vec<(String, String)>,
}

/// The `run:` lines of a job. `uses:` lines are GitHub's part: a checkout, Python, a cache.
fn steps(workflow: &Value, job: &str, secrets: &BTreeMap<String, String>) -> Vec<Step> {
    let job = &workflow["jobs"][job];
    let own = job["steps"].as_array().unwrap().iter().filter(|step| step.get("uses").is_none());
    let step = |step: &Value| {
        let levels = [&workflow["env"], &job["env"], &step["env"]];
        let variables = levels.into_iter().filter_map(Value::as_object).flatten();
        let filled = variables.map(|(name, value)| (name.clone(), fill(value.as_str().unwrap(), secrets)));
        assert!(step.get("if").is_none() && step.get("shell").is_none(), "this test does not understand {step}");
        Step { run: step["run"].as_str().unwrap().to_owned(), variables: filled.collect() }
    };
    own.map(step).collect()
}

/// `${{ secrets.NAME }}` as GitHub reads it: a secret that is not set is empty.
fn fill(value: &str, secrets: &BTreeMap<String, String>) -> String {
    let Some(inside) = value.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) else {
        assert!(!value.contains("${{"), "this test does not understand {value:?}");
        return value.to_owned();
    };
    let name = inside.trim().strip_prefix("secrets.").expect("an expression of the workflow names a secret");
    secrets.get(name).cloned().unwrap_or_default()
}

/// A checkout of this repository and what GitHub gives a job. It stays for the next run, so that little is built anew.
struct Runner {
    checkout: PathBuf,
    summary: PathBuf,
    log: PathBuf,
}

impl Runner {
    fn new() -> Runner {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workflow");
        let runner =
            Runner { checkout: place.join("checkout"), summary: place.join("summary.md"), log: place.join("log.txt") };
        std::fs::create_dir_all(&runner.checkout).unwrap();
        // Nothing that was deleted from the repository may still be there; what is the same keeps its time.
        if runner.checkout.join(".git").exists() {
            runner.git(&["rm", "-r", "-q", "--cached", "."]);
        } else {
            runner.git(&["init", "-q", "-b", "main"]);
        }
        let copied = copy_work_tree(&["."], &runner.checkout);
        runner.forget_all_but(&copied);
        let toml = std::fs::read_to_string(repository().join("deploy.toml")).unwrap();
        let url = "https://api.gifty.example";
        assert!(toml.contains(url), "deploy.toml has another URL now");
        runner.write("deploy.toml", &toml.replace(url, "http://api.example"));
        runner.commit("as checked out");
        runner
    }

    fn forget_all_but(&self, copied: &[String]) {
        let list = ["ls-files", "-z", "--others", "--exclude-standard"];
        let output = Command::new("git").arg("-C").arg(&self.checkout).args(list).output().unwrap();
        for file in String::from_utf8(output.stdout).unwrap().split_terminator('\0') {
            if !copied.iter().any(|copied| copied == file) {
                std::fs::remove_file(self.checkout.join(file)).unwrap();
            }
        }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.checkout.join(file), text).unwrap();
    }

    fn commit(&self, why: &str) {
        self.git(&["add", "-A"]);
        let author = ["-c", "user.name=team", "-c", "user.email=team@test.example"];
        self.git(&[&author[..], &["commit", "-q", "--allow-empty", "-m", why]].concat());
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").arg("-C").arg(&self.checkout).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    /// Runs a job as GitHub does; gives its exit code and its log.
    fn run(&self, steps: &[Step]) -> (Option<i32>, String) {
        let _none_yet = std::fs::remove_file(&self.summary);
        let mut whole = String::new();
        for step in steps {
            let begun = Instant::now();
            let log = File::create(&self.log).unwrap();
            let mut command = Command::new("bash");
            command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step.run]);
            command.current_dir(&self.checkout).stdin(Stdio::null());
            command.stdout(log.try_clone().unwrap()).stderr(log);
            command.envs([("CI", "true"), ("GITHUB_ACTIONS", "true"), ("GITHUB_ACTOR", "octocat")]);
            command.envs([("GITHUB_SERVER_URL", "https://github.example"), ("GITHUB_REPOSITORY", "team/backend")]);
            command.env("GITHUB_RUN_ID", "42").env("GITHUB_STEP_SUMMARY", &self.summary);
            command.env("CARGO_TARGET_DIR", self.checkout.with_file_name("target"));
            command.envs(step.variables.iter().map(|(name, value)| (name, value)));
            let code = command.status().unwrap().code();
            let log = std::fs::read_to_string(&self.log).unwrap();
            println!(
                "workflow: `{}` ended with {code:?} after {:.1} s",
                step.run.trim(),
                begun.elapsed().as_secs_f64()
            );
            whole.push_str(&log);
            if code != Some(0) {
                return (code, whole);
            }
        }
        (Some(0), whole)
    }

    fn summary(&self) -> String {
        std::fs::read_to_string(&self.summary).unwrap_or_default()
    }
}

/// Both jobs in order; then a deploy whose migration fails, and one whose secrets are not there.
#[test]
fn the_run_lines_deploy() {
    on_a_server(Compose::V2, |server, _| {
        let text = std::fs::read_to_string(repository().join(WORKFLOW)).unwrap();
        let workflow: Value = yaml_serde::from_str(&text).unwrap();
        let jobs: Vec<&String> = workflow["jobs"].as_object().unwrap().keys().collect();
        assert!(jobs.len() == 2 && workflow["jobs"]["deploy"]["needs"] == "test", "other jobs: {jobs:?}");
        let mut secrets: BTreeMap<String, String> = server.variables(&env_file()).into_iter().collect();
        secrets.insert("PROD_SSH_KNOWN_HOSTS".to_owned(), server.known_hosts.clone());

        let runner = Runner::new();
        let (code, log) = runner.run(&steps(&workflow, "test", &secrets));
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("passed"), "{log}");

        let deploy = steps(&workflow, "deploy", &secrets);
        let (code, log) = runner.run(&deploy);
        assert_eq!(code, Some(0), "{log}");
        check_groups(&log);
        check_masks(&log);
        let summary = runner.summary();
        for part in [
            "✅ deploy succeeded",
            "| Waiting for health check |",
            "| total |",
            "requests through nginx, 0 failed",
            "in slot",
        ] {
            assert!(summary.contains(part), "{part:?} is not in the summary:\n{summary}");
        }
        let record = server.root("tail -n 1 /app/gifty-backend/deploys.jsonl");
        assert!(
            record.contains("octocat@") && record.contains("https://github.example/team/backend/actions/runs/42"),
            "{record}"
        );

        a_failing_deploy_is_an_annotation(&runner, &deploy);
        for (name, value) in &mut secrets {
            if name == "PROD_SSH_KEY" || name == "PROD_ENV_FILE" {
                value.clear();
            }
        }
        let (code, log) = runner.run(&steps(&workflow, "deploy", &secrets));
        assert_eq!(code, Some(3), "{log}");
        assert!(annotation(&log).contains("PROD_SSH_KEY, PROD_ENV_FILE"), "{log}");
    });
}

fn a_failing_deploy_is_an_annotation(runner: &Runner, deploy: &[Step]) {
    let toml = std::fs::read_to_string(runner.checkout.join("deploy.toml")).unwrap();
    let hook = r#"[["python", "migrate.py"]]"#;
    assert!(toml.contains(hook), "deploy.toml has other hooks now");
    let failing = r#"[["python", "-c", "raise SystemExit('50% migrated')"]]"#;
    runner.write("deploy.toml", &toml.replace(hook, failing));
    let (code, log) = runner.run(deploy);
    runner.write("deploy.toml", &toml);
    assert_eq!(code, Some(14), "{log}");
    check_groups(&log);
    check_masks(&log);
    let annotation = annotation(&log);
    assert!(annotation.contains("Hook before boot") && annotation.contains("50%25 migrated"), "{annotation}");
    let summary = runner.summary();
    assert!(summary.contains("❌ failed (exit code 14)") && summary.contains("50% migrated"), "{summary}");
}

fn annotation(log: &str) -> &str {
    let found = log.lines().find(|line| line.starts_with("::error "));
    found.unwrap_or_else(|| panic!("there is no annotation in:\n{log}"))
}

/// Each stage is a group of its own, and what children print inside is never read as a command.
fn check_groups(log: &str) {
    let mut open: Option<&str> = None;
    let mut stopped: Option<String> = None;
    let mut groups = Vec::new();
    for line in log.lines() {
        if let Some(token) = line.strip_prefix("::stop-commands::") {
            assert!(stopped.is_none(), "{line}");
            stopped = Some(format!("::{token}::"));
        } else if stopped.as_deref() == Some(line) {
            stopped = None;
        } else if stopped.is_some() {
            assert!(open.is_some(), "text of a child outside of a group: {line}");
        } else if let Some(name) = line.strip_prefix("::group::") {
            assert!(open.is_none(), "{name} begins inside of {open:?}");
            open = Some(name);
            groups.push(name);
        } else if line == "::endgroup::" {
            assert!(open.take().is_some(), "a group ends that did not begin:\n{log}");
        }
    }
    assert!(open.is_none() && stopped.is_none(), "{open:?} does not end:\n{log}");
    let count = |title: &str| groups.iter().filter(|name| name.contains(title)).count();
    for title in ["Build the images", "Hook before boot"] {
        assert_eq!(count(title), 1, "{groups:?}");
    }
    assert!(groups[0].starts_with("[1/"), "{groups:?}");
}

/// Each value of the env file is masked, before anything else could show it, and shows nowhere else.
fn check_masks(log: &str) {
    let masks: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    let rest: Vec<&str> = log.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    let env_file = env_file();
    let assignments = env_file.lines().filter_map(|line| line.split_once('='));
    for (name, value) in assignments.map(|(name, value)| (name, value.trim_matches(['\'', '"']))) {
        if value.chars().count() < 6 {
            // No secret: to hide every `2` would hide the log.
            assert!(!masks.contains(&value), "{name} is masked: {masks:?}");
            continue;
        }
        assert!(masks.contains(&value.replace('%', "%25").as_str()), "{name} is not masked: {masks:?}");
        let shown = rest.iter().find(|line| line.contains(value));
        assert!(shown.is_none(), "{name} is shown: {shown:?}");
    }
    let first_group = log.lines().position(|line| line.starts_with("::group::")).unwrap();
    let last_mask = log.lines().collect::<Vec<_>>().iter().rposition(|line| line.starts_with("::add-mask::")).unwrap();
    assert!(last_mask < first_group, "a value is masked late");
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(repository().join(".github/workflows").join(name)).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

/// GitHub keeps one run that waits for each group, the latest; in a deploy's group a push would be the end of a rollback.
#[test]
fn no_push_cancels_a_rollback_that_waits() {
    let [deploy, rollback] = ["deploy-prod.yml", "rollback-prod.yml"].map(|name| read(name)["concurrency"].clone());
    assert_ne!(deploy["group"], rollback["group"]);
    for concurrency in [deploy, rollback] {
        assert_eq!(concurrency["cancel-in-progress"], false, "{concurrency}");
    }
}

/// The test job runs everybody's code and writes a cache; a job with secrets compiles anew, before it has any.
#[test]
fn a_job_with_secrets_takes_no_cache_and_compiles_without_them() {
    for (name, job) in [("deploy-prod.yml", "deploy"), ("rollback-prod.yml", "rollback")] {
        let workflow = read(name);
        let job = &workflow["jobs"][job];
        assert!(!job["env"].to_string().contains("secrets.") && !workflow["env"].to_string().contains("secrets."));
        let steps = job["steps"].as_array().unwrap();
        assert!(!steps.iter().any(|step| step.to_string().contains("cache")), "{name} takes a cache");
        let build =
            steps.iter().position(|step| step["run"].as_str().is_some_and(|run| run.starts_with("cargo build")));
        let secret = steps.iter().position(|step| step.to_string().contains("secrets."));
        assert!(build.unwrap() < secret.unwrap(), "{name} compiles with secrets");
    }
}
