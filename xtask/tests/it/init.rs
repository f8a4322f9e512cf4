//! `init`: a repository that has a compose file, and what the tool makes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::projects::guest_book;
use crate::support::adoption::{adopt, body, post};
use crate::support::project::Project;
use crate::support::server::{Compose, docker_with_compose_v2};
use crate::support::team::{Run, Team, tool};

const COMPOSE: &str = "services:\n  web:\n    build: .\n    ports: [\"8000:8000\"]\n    env_file: [.env, keys/mail.env]\n    environment: {DB: \"${DB_PASSWORD:?}\", LEVEL: \"${LEVEL:-info}\"}\n  \
                       nginx: {image: \"nginx:1.25\", ports: [\"80:80\"], depends_on: [web]}\n";

/// A repository that nobody has prepared.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn with(files: &[(&str, &str)]) -> Repository {
        let repository = Repository { folder: tempfile::Builder::new().prefix("deploy-test-init-").tempdir().unwrap() };
        for (path, text) in files {
            std::fs::create_dir_all(repository.root().join(path).parent().unwrap()).unwrap();
            repository.write(path, text);
        }
        repository.git(&["init", "-q", "-b", "main"]);
        repository.commit("first");
        repository
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every file, but for git's own.
    fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn collect(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                match () {
                    () if kind.is_dir() && entry.file_name() == ".git" => {}
                    () if kind.is_dir() => collect(&path, all),
                    () if kind.is_symlink() => {
                        let leads_to = std::fs::read_link(&path).unwrap();
                        all.insert(path, leads_to.into_os_string().into_encoded_bytes());
                    }
                    () => drop(all.insert(path.clone(), std::fs::read(&path).unwrap())),
                }
            }
        }
        let mut all = BTreeMap::new();
        collect(self.root(), &mut all);
        all
    }

    fn cargo(&self, words: &[&str]) -> std::process::Output {
        // Built once for all that are brought in, and not anew in each run of the tests.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init");
        let mut command = Command::new(env!("CARGO"));
        command.args(words).current_dir(self.root()).env("CARGO_TARGET_DIR", target).env_remove("CARGO_MANIFEST_DIR");
        command.output().unwrap()
    }
}

impl Team for Repository {
    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool(arguments, self.root());
        command.env("DOCKER_CONFIG", docker_with_compose_v2());
        command
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }
}

/// What a result says, on standard output.
#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    let text = run.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in:\n{text}"));
}

#[test]
fn a_project_is_adopted_by_what_init_writes() {
    let project = Project::initialised("flask", Compose::V2);
    adopt(&project, &guest_book(), |project, volume| {
        post(&project.address(), "/sign", &[&format!("name=reader of {volume}")]);
        assert!(body(project, "/").contains(&format!("reader of {volume}")));
    });
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let files = [
        ("docker-compose.yml", COMPOSE),
        ("docker-compose.override.yml", "services: {web: {command: dev}}\n"),
        ("Dockerfile", "FROM python:3.11-slim\n"),
        (".gitignore", "dist\nkeys/mail.env\n.env\n*.lock\nrelease/\n"),
        (".dockerignore", ".git\n"),
        ("Makefile", "deploy:\n\t./deploy.sh\n"),
        (".cargo/config.toml", "[alias]\nb = \"build\"\n"),
        (".github/workflows/deploy-prod.yml", "name: ours\n"),
        ("package.json", "{\"scripts\": {\"test\": \"vitest\"}}\n"),
    ];
    let repository = Repository::with(&files);
    let before = repository.all();
    let shown = repository.xtask(&["init", "--dry-run"]).must_end_with(0);
    says(&shown, &["deploy.toml", "docker-compose.override.yml is for development"]);
    assert_eq!(repository.all(), before, "a dry run has written");

    let run = repository.xtask(&["init", "--url", "https://shop.example/api"]).must_end_with(3);
    says(&run, &["PROD_FILE_KEYS_MAIL_ENV", "there is no", "keys/mail.env", "DB_PASSWORD", "2 things must change"]);
    for (path, text) in files {
        let now = repository.read(path);
        assert!(now.starts_with(text.trim_end()) || path == ".cargo/config.toml", "{path}: {now}");
    }
    assert_eq!(repository.read(".github/workflows/deploy-prod.yml"), "name: ours\n");
    assert!(repository.read(".cargo/config.toml").contains("b = \"build\"\n"));
    assert!(
        !repository.read("Makefile").contains("\ndeploy: \n") && repository.read("Makefile").contains("\nrollback:\n")
    );
    assert!(
        repository.read("env.template").lines().any(|line| line == "DB_PASSWORD="),
        "{}",
        repository.read("env.template")
    );
    let toml = repository.read("deploy.toml");
    for part in [
        "off = [\"nginx\"]",
        "url = \"https://shop.example/api\"",
        "\"keys/mail.env\" = \"PROD_FILE_KEYS_MAIL_ENV\"",
        "command = [[\"npm\"",
    ] {
        assert!(toml.contains(part), "{part}\n{toml}");
    }
    assert!(repository.read(".github/workflows/rollback-prod.yml").contains("--manifest-path xtask/Cargo.toml"));

    // What it asked for is given, and nothing is refused.
    repository.rewrite("env.template", "DB_PASSWORD=", "DB_PASSWORD=for-this-machine");
    std::fs::create_dir_all(repository.root().join("keys")).unwrap();
    repository.write("keys/mail.env", "MAIL=none\n");
    repository.commit("prepared");
    for path in ["xtask/Cargo.lock", "xtask/src/rules/release/tree.rs"] {
        repository.git(&["ls-files", "--error-unmatch", "--", path]);
    }
    let again = repository.xtask(&["init"]).must_end_with(0);
    says(&again, &["nothing is refused", "web    web, built here", "nginx  off"]);
    assert!(!again.to_string().contains("writes"), "{again}");
}

#[test]
fn no_value_of_an_env_file_is_written_or_shown() {
    const SECRET: &str = "hunter2supersecret";
    let compose = "services:\n  web:\n    build: .\n    ports: [\"8000:8000\"]\n    volumes: [\"${DATA_DIR}:/data\"]\n    \
        healthcheck: {test: [CMD, curl, \"http://localhost:8000/up?token=${TOKEN}\"]}\n    \
        depends_on: {migrate: {condition: service_completed_successfully}}\n  \
        migrate: {build: ., command: [migrate, \"postgres://app:${TOKEN}@db/app\"]}\n";
    let repository = Repository::with(&[
        ("compose.yaml", compose),
        ("Dockerfile", "FROM python:3.11-slim\n"),
        (".gitignore", ".env\n"),
        (".env.example", "TOKEN=\n"),
    ]);
    repository.write(".env", &format!("TOKEN={SECRET}\nDATA_DIR=/srv/{SECRET}\nMOTTO={SECRET}\n"));
    let run = repository.xtask(&["init"]);
    assert!(!run.to_string().contains(SECRET), "{run}");
    says(&run, &["migrate: no hook was written", "healthy where / answers"]);
    for (path, content) in repository.all().into_iter().filter(|(path, _)| !path.ends_with(".env")) {
        assert!(!String::from_utf8_lossy(&content).contains(SECRET), "{}", path.display());
    }
    let template = repository.read("env.template");
    assert!(template.lines().any(|line| line == "MOTTO="), "{template}");
    assert!(!repository.read("deploy.toml").contains("before_boot"), "{}", repository.read("deploy.toml"));
}

#[test]
fn what_leads_out_of_the_repository_is_not_followed() {
    let repository = Repository::with(&[
        ("compose.yaml", "services: {web: {image: x, ports: ['80:80']}}\n"),
        ("rules.mk", "a:\n\tb\n"),
    ]);
    let outside = tempfile::Builder::new().prefix("deploy-test-init-").tempdir().unwrap();
    std::os::unix::fs::symlink("rules.mk", repository.root().join("Makefile")).unwrap();
    repository.commit("a link");
    let run = repository.xtask(&["init", "--dry-run"]).must_end_with(0);
    says(&run, &["look     Makefile could not be read"]);
    std::os::unix::fs::symlink(outside.path(), repository.root().join(".github")).unwrap();
    let before = repository.all();
    repository.xtask(&["init"]).must_end_with(2).must_say(&[".github is no folder"]);
    assert_eq!(repository.all(), before);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_prepared_is_refused_and_left_as_it_is() {
    let compose = ("docker-compose.yml", "services: {web: {image: x, ports: ['80:80']}}\n");
    for (files, told) in [
        (&[("README.md", "none")][..], &["there is no compose file", "--compose"][..]),
        (&[("a/compose.yml", ""), ("b/compose.yml", "")], &["a/, b/", "--compose"]),
        (&[compose, ("xtask/Cargo.toml", "[package]\nname = 'xtask'\n")], &["something else called xtask"]),
        (&[compose, ("Cargo.toml", "[workspace]\nmembers = ['*']\n")], &["exclude = [\"xtask\"]"]),
        (&[compose, ("rust-toolchain.toml", "[toolchain]\nchannel = '1.70'\n")], &["asks for Rust 1.70"]),
    ] {
        let repository = Repository::with(files);
        let before = repository.all();
        repository.xtask(&["init"]).must_end_with(2).must_say(told);
        assert_eq!(repository.all(), before, "{files:?}");
    }
    let broken = Repository::with(&[("compose.yaml", "services: {web: {imagee: x}}\n")]);
    let before = broken.all();
    broken.xtask(&["init"]).must_end_with(3).must_say(&["imagee"]);
    assert_eq!(broken.all(), before);
    let no_repository = tempfile::Builder::new().prefix("deploy-test-init-").tempdir().unwrap();
    broken.xtask(&["init", no_repository.path().to_str().unwrap()]).must_end_with(2).must_say(&["git init"]);
}

#[test]
fn the_tool_that_is_brought_in_works_beside_the_repository_s_own_crates() {
    let repository = Repository::with(&[
        ("Cargo.toml", "[workspace]\nresolver = '3'\nmembers = ['crates/*']\n"),
        ("crates/shop/Cargo.toml", "[package]\nname = 'shop'\nversion = '0.1.0'\nedition = '2021'\n"),
        ("crates/shop/src/main.rs", "fn main() {}\n"),
        ("compose.yaml", "services: {web: {image: x, ports: ['80:80']}}\n"),
        (".gitignore", "/target\n"),
    ]);
    says(&repository.xtask(&["init"]).must_end_with(0), &["web, x"]);
    assert!(!repository.root().join("xtask/tests").exists());
    let metadata = repository.cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages: Vec<&str> =
        metadata["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(packages, ["shop"]);
    let version = repository.cargo(&["xtask", "--version"]);
    let said = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(
        version.status.success() && said.contains(env!("CARGO_PKG_VERSION")),
        "{said}{}",
        String::from_utf8_lossy(&version.stderr)
    );
    assert!(!repository.root().join("Cargo.lock").exists(), "the repository's own crates were touched");

    // The tool that was brought in brings itself into another one.
    let other = Repository::with(&[("compose.yaml", "services: {web: {image: x, ports: ['80:80']}}\n")]);
    let brought = repository.cargo(&["xtask", "init", other.root().to_str().unwrap()]);
    assert!(brought.status.success(), "{}", String::from_utf8_lossy(&brought.stderr));
    assert_eq!(other.read("xtask/Cargo.toml"), repository.read("xtask/Cargo.toml"));
    assert_eq!(other.read("xtask/Cargo.lock"), repository.read("xtask/Cargo.lock"));
}

#[test]
fn an_update_brings_a_newer_tool_and_leaves_the_settings() {
    let repository = Repository::with(&[("compose.yaml", "services: {web: {image: x, ports: ['80:80']}}\n")]);
    repository.xtask(&["init", "--update"]).must_end_with(2).must_say(&["no tool in this repository"]);
    repository.xtask(&["init"]).must_end_with(0);
    let main = repository.read("xtask/src/main.rs");
    repository.write("xtask/src/main.rs", "// of an older tool\n");
    repository.write("xtask/src/gone.rs", "// a file that the newer one has not\n");
    repository.rewrite("deploy.toml", "# The server.", "keep_this = true # The server.");
    repository.commit("an older tool");
    repository.write("xtask/src/main.rs", "// in work\n");
    repository.xtask(&["init", "--update"]).must_end_with(2).must_say(&["not committed", "xtask/src/main.rs"]);
    assert_eq!(repository.read("xtask/src/main.rs"), "// in work\n");
    repository.git(&["checkout", "-q", "--", "."]);
    says(
        &repository.xtask(&["init", "--update"]).must_end_with(0),
        &["writes   xtask/src/main.rs", "removes  xtask/src/gone.rs"],
    );
    assert_eq!(repository.read("xtask/src/main.rs"), main);
    assert!(!repository.root().join("xtask/src/gone.rs").exists());
    assert!(repository.read("deploy.toml").contains("keep_this"));
    repository.commit("the newer tool");
    says(&repository.xtask(&["init", "--update"]).must_end_with(0), &["is this one already"]);
}
