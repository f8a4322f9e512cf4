//! The workflows of GitHub Actions, from templates.

use super::Found;
use super::test_runner::Tests;

/// Where the tool is, for the lines that build and cache it.
pub struct Place<'a> {
    /// As cargo is told of it.
    pub argument: &'a str,
    pub target: &'a str,
    pub lock: &'a str,
}

/// In a repository that `init` has prepared.
pub const IN_ITS_FOLDER: Place =
    Place { argument: "--manifest-path xtask/Cargo.toml", target: "xtask/target", lock: "xtask/Cargo.lock" };

const DEPLOY: &str = include_str!("templates/deploy-prod.yml");
const ROLLBACK: &str = include_str!("templates/rollback-prod.yml");
const TEST_JOB: &str = include_str!("templates/test-job.yml");
const SETUP_PYTHON: &str = include_str!("templates/setup-python.yml");
const SETUP_PROGRAM: &str = include_str!("templates/setup-program.yml");

/// Programs that GitHub's image of Ubuntu 24.04 does not have, and how they come there (github.com/actions/runner-images).
const NOT_ON_THE_RUNNER: [(&str, &str); 4] = [
    ("uv", "pipx install uv"),
    ("poetry", "pipx install poetry"),
    ("pnpm", "corepack enable pnpm"),
    ("mix", "sudo apt-get update && sudo apt-get install --yes elixir"),
];

/// The files by their paths.
pub fn texts(found: &Found, place: &Place) -> [(&'static str, String); 2] {
    let connection = ["SSH_HOST", "SSH_PORT", "SSH_USER", "SSH_KEY", "SSH_KNOWN_HOSTS"];
    let of_prod = |name: &str| format!("PROD_{name}");
    let env_file = found.env_file.iter().map(|_| of_prod("ENV_FILE"));
    let for_all: Vec<String> = connection.into_iter().map(of_prod).collect();
    let for_deploys: Vec<String> =
        for_all.iter().cloned().chain(env_file).chain(found.files.values().cloned()).collect();
    let checkout =
        [(found.has_submodules, "          submodules: recursive\n"), (found.has_lfs, "          lfs: true\n")];
    let checkout: String = checkout.into_iter().filter(|(has, _)| *has).map(|(_, line)| line).collect();
    let setup = match &found.tests {
        Tests::Pytest { requirements, .. } => SETUP_PYTHON.replace("@REQUIREMENTS@", &beside(requirements)),
        Tests::Commands(commands) => NOT_ON_THE_RUNNER
            .iter()
            .filter(|(program, _)| commands.iter().flatten().any(|word| runs(word, program)))
            .map(|(program, command)| SETUP_PROGRAM.replace("@PROGRAM@", program).replace("@COMMAND@", command))
            .collect(),
        Tests::Unknown => String::new(),
    };
    let has_tests = found.tests != Tests::Unknown;
    let of_tests = |text: &'static str| if has_tests { text } else { "" };
    let what = match has_tests {
        true => "Tests every push to @BRANCH@ and deploys it. Both jobs do their",
        false => "Deploys every push to @BRANCH@. It does its",
    };
    let fill = |template: &str, secrets: &[String]| {
        template
            .replace("@TEST_JOB@\n", of_tests(TEST_JOB))
            .replace("@SETUP@\n", &setup)
            .replace("@NEEDS@\n", of_tests("    needs: test\n"))
            .replace("@SKIP_TESTS@", of_tests(" --skip-tests"))
            .replace("@CHECKOUT@\n", &checkout)
            .replace("@SECRETS@\n", &lines(secrets))
            .replace("@WHAT@", what)
            .replace("@BRANCH@", &found.branch)
            .replace("@TOOL@", place.argument)
            .replace("@TARGET@", place.target)
            .replace("@LOCK@", place.lock)
    };
    [
        (".github/workflows/deploy-prod.yml", fill(DEPLOY, &for_deploys)),
        (".github/workflows/rollback-prod.yml", fill(ROLLBACK, &for_all)),
    ]
}

fn lines(secrets: &[String]) -> String {
    secrets.iter().map(|name| format!("          {name}: ${{{{ secrets.{name} }}}}\n")).collect()
}

/// Whether a word of a command is this program, or a text for a shell that calls it.
fn runs(word: &str, program: &str) -> bool {
    word == program || word.contains(&format!("'{program}'"))
}

/// Files of requirements beside this one are in the cache's key too.
fn beside(requirements: &str) -> String {
    let folder = requirements.rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
    let pattern = format!("{}requirements*.txt", folder.unwrap_or_default());
    let is_plain =
        pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./*".contains(&b)) && !pattern.starts_with(['*', '-']);
    // A text in double quotes is one of JSON too.
    if is_plain { pattern } else { format!("{}", serde_json::Value::String(pattern)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::init::Found;

    /// The repository that the tool comes from.
    fn own() -> Found {
        Found {
            branch: "main".to_owned(),
            env_file: Some("backend/.env.example".to_owned()),
            tests: Tests::Pytest {
                requirements: "backend/requirements-dev.txt".to_owned(),
                folder: "tests".to_owned(),
            },
            ..Found::default()
        }
    }

    #[test]
    fn the_tool_s_own_repository_has_what_init_would_write() {
        let place = Place { argument: "--package xtask", target: "target", lock: "Cargo.lock" };
        let [(_, deploy), (_, rollback)] = texts(&own(), &place);
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/workflows/");
        for (name, text) in [("deploy-prod.yml", deploy), ("rollback-prod.yml", rollback)] {
            assert_eq!(text, std::fs::read_to_string(format!("{root}{name}")).unwrap(), "{name}");
        }
    }

    #[test]
    fn what_the_runner_lacks_for_the_tests_is_installed() {
        let in_a_folder = vec!["sh".to_owned(), "-c".to_owned(), "cd 'api' && 'uv' 'run' 'pytest'".to_owned()];
        for (command, step) in [
            (in_a_folder, Some("      - name: Install uv\n        run: pipx install uv\n")),
            (vec!["pnpm".to_owned(), "test".to_owned()], Some("        run: corepack enable pnpm\n")),
            (vec!["npm".to_owned(), "test".to_owned()], None),
        ] {
            let found = Found { branch: "main".to_owned(), tests: Tests::Commands(vec![command]), ..Found::default() };
            let [(_, deploy), _] = texts(&found, &IN_ITS_FOLDER);
            yaml_serde::from_str::<serde_json::Value>(&deploy).unwrap_or_else(|error| panic!("{error}\n{deploy}"));
            assert_eq!(deploy.contains("- name: Install "), step.is_some(), "{deploy}");
            assert!(step.is_none_or(|step| deploy.contains(step)), "{deploy}");
        }
    }

    #[test]
    fn what_a_repository_lacks_is_left_out() {
        let found = Found {
            branch: "release/1".to_owned(),
            has_submodules: true,
            files: [("keys/tls.key".to_owned(), "PROD_KEYS_TLS_KEY".to_owned())].into(),
            ..Found::default()
        };
        for (name, text) in texts(&found, &IN_ITS_FOLDER) {
            let read: serde_json::Value =
                yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_eq!(read["jobs"].as_object().unwrap().len(), 1, "{text}");
            assert!(!text.contains('@') || !text.contains("@BRANCH@"), "{text}");
            assert!(
                text.contains("submodules: recursive\n") && text.contains("--manifest-path xtask/Cargo.toml\n"),
                "{text}"
            );
            assert!(
                !text.contains("ENV_FILE") && !text.contains("needs: test") && !text.contains("--skip-tests"),
                "{text}"
            );
        }
        let [(_, deploy), _] = texts(&found, &IN_ITS_FOLDER);
        assert!(
            deploy.contains("branches: [release/1]") && deploy.contains("secrets.PROD_KEYS_TLS_KEY }}"),
            "{deploy}"
        );
    }
}
