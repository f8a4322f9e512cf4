//! What a build is given beside the files of the commit.

use crate::support::project::{Project, SECRET_VALUES, env_file};
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";
const LICENCE: &str = "licence-that-no-image-keeps";

/// The web service is built with two secrets, one of the `.env` and one that is a file of the environment.
fn built_with_secrets(project: &Project) {
    // The layer is the same for both, and one that is there is used again.
    for service in ["api", "worker"] {
        let build = format!("  {service}:\n    build: {{context: ., secrets: [token, licence]}}\n");
        project.rewrite(COMPOSE, &format!("  {service}:\n    build: .\n"), &build);
    }
    let text = std::fs::read_to_string(project.root().join(COMPOSE)).unwrap();
    let secrets = "secrets:\n  token: {environment: API_TOKEN}\n  licence: {file: ./licence.txt}\n";
    project.write(COMPOSE, &format!("{text}\n{secrets}"));
    // A layer that an earlier run has built would be used again, whatever its secrets were.
    let sum = format!(
        "RUN --mount=type=secret,id=token,required=true --mount=type=secret,id=licence,required=true : {} && \
         cat /run/secrets/token /run/secrets/licence | sha256sum >/built-with\n",
        project.name
    );
    project.rewrite("backend/Dockerfile", "COPY . .\n", &format!("COPY . .\n{sum}"));
    project.write("licence.local", LICENCE);
    let file = "env_file = \"env.local\"\nfiles = { \"licence.txt\" = { file = \"licence.local\" } }\n";
    project.rewrite("deploy.toml", "env_file = \"env.local\"\n", file);
    project.write(".gitignore", ".deploy/\n__pycache__/\n*.local\n");
    project.commit("built with secrets");
}

#[test]
fn a_build_uses_secrets_that_its_image_does_not_keep() {
    let project = Project::new("instant");
    built_with_secrets(&project);
    let release = project.deploy()["release"].as_str().unwrap().to_owned();
    let api = project.containers(false).into_iter().find(|name| name.contains("api-")).unwrap();
    let sum = project.docker(&["exec", &api, "cat", "/built-with"]);
    let expected = std::process::Command::new("bash")
        .args(["-c", "printf %s%s \"$1\" \"$2\" | sha256sum", "sum", SECRET_VALUES[0], LICENCE])
        .output()
        .unwrap();
    assert_eq!(sum, String::from_utf8(expected.stdout).unwrap().trim());
    let image = format!("{}-api:{release}", project.name);
    let kept = "docker save \"$1\" | tar -xO | { gzip -dcf 2>/dev/null || cat; } | grep -acE \"$2\" || true";
    let pattern = format!("{}|{LICENCE}", SECRET_VALUES[0]);
    let found = std::process::Command::new("bash").args(["-c", kept, "kept", &image, &pattern]).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap().trim(), "0", "the image keeps a secret");
    let history = project.docker(&["history", "--no-trunc", &image]);
    assert!(!history.contains(SECRET_VALUES[0]) && !history.contains(LICENCE), "{history}");
}

/// Compose v1 knows no secrets of a build.
#[test]
fn where_compose_has_no_secrets_of_a_build_it_is_refused_before_anything_moves() {
    let project = Project::with_compose_of_this_machine("instant");
    built_with_secrets(&project);
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
    refused.must_say(&["secrets", "Package release"]);
    assert_eq!(project.containers(true), Vec::<String>::new());
}

#[test]
fn an_argument_of_a_build_that_is_called_as_a_secret_is_named() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        let args = "  api:\n    build: {context: ., args: {PIP_TOKEN: \"${API_TOKEN}\", EDITION: small}}\n";
        project.rewrite(COMPOSE, "  api:\n    build: .\n", args);
        project.commit("built with arguments");
        let checked = project.xtask(&["check"]).must_end_with(0);
        assert!(checked.stdout.contains("the argument `PIP_TOKEN`"), "{checked}");
        assert!(!checked.stdout.contains("`EDITION`"), "{checked}");
        project.write("env.local", &env_file().replace(SECRET_VALUES[0], ""));
        let checked = project.xtask(&["check"]).must_end_with(0);
        assert!(!checked.stdout.contains("the argument"), "{checked}");
    }
}

/// For another processor than the host's, which could not run it.
#[test]
fn a_service_for_another_processor_is_refused_before_anything_moves() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        project.rewrite(COMPOSE, "  worker:\n    build: .\n", "  worker:\n    build: .\n    platform: linux/s390x\n");
        project.commit("for another processor");
        let told = ["service `worker` has `platform: linux/s390x`", "which this host cannot run"];
        project.xtask(&["deploy", "--skip-tests"]).must_end_with(3).must_say(&told);
        assert_eq!(project.containers(true), Vec::<String>::new());
        project.change(COMPOSE, "linux/s390x", "linux/amd64");
        let checked = project.xtask(&["check"]).must_end_with(0);
        assert!(checked.stdout.contains("platform"), "{checked}");
    }
}
