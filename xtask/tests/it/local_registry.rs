//! Images of a registry: by a name that moves, by what CI has built, behind a password.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::project::Project;
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";

/// Builds the project's app on this machine, as CI would, with something that tells the image from others.
fn built(project: &Project, version: &str) -> String {
    let image = format!("{}-of-ci:{version}", project.name);
    let app = project.root().join("backend").display().to_string();
    project.docker(&["build", "-q", "-t", &format!("{image}-base"), &app]);
    let folder = project.root().join(".deploy/version");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), format!("FROM {image}-base\nENV VERSION_OF_IMAGE={version}\n")).unwrap();
    project.docker(&["build", "-q", "-t", &image, &folder.display().to_string()]);
    image
}

/// Nothing of it is built on the server.
fn use_images(project: &Project, image: &str) {
    for _service in ["api", "worker"] {
        project.rewrite(COMPOSE, "    build: .\n", &format!("    image: {image}\n"));
        project.rewrite(COMPOSE, "    volumes:\n      - .:/app\n", "");
    }
    project.commit("images of a registry");
}

/// Which image a service of the live version runs.
fn versions(project: &Project) -> Vec<String> {
    let containers = project.containers(false);
    let of_release = containers.iter().filter(|name| name.contains("api-") || name.contains("-workers"));
    of_release.map(|name| project.docker(&["exec", name, "sh", "-c", "echo $VERSION_OF_IMAGE"])).collect()
}

/// By their names: another test may have the same image under its own.
fn forget_images(project: &Project) {
    let of_ci = format!("reference={}-of-ci", project.name);
    let names = project.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &of_ci]);
    for name in names.lines() {
        project.docker(&["image", "rm", name]);
    }
}

#[test]
fn a_name_that_moved_is_another_release_and_a_rollback_needs_no_registry() {
    let (project, mut registry) = (Project::new("instant"), Registry::open());
    let first = built(&project, "1");
    registry.push(&first, "shop/api:stable");
    use_images(&project, &format!("{}/shop/api:stable", registry.server()));
    let checked = project.xtask(&["check"]).must_end_with(0);
    assert!(checked.stdout.contains("web, 127.0.0.1:"), "{checked}");
    let release = project.deploy()["release"].as_str().unwrap().to_owned();
    assert_eq!(versions(&project), ["1", "1"]);
    // Nothing has changed, so it is the same release.
    assert_eq!(project.deploy()["release"], release);
    registry.push(&built(&project, "2"), "shop/api:stable");
    let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    run.must_say(&["leads to another image than in release"]);
    assert_eq!(project.status()["live_release"], format!("{release}-2"));
    assert_eq!(versions(&project), ["2", "2"]);
    registry.stop();
    // Not even docker's cleaning takes the way back away.
    project.docker(&["image", "prune", "-f"]);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(versions(&project), ["1", "1"]);
    assert_eq!(project.status()["live_release"], release);
    // What the name led to last is on the server.
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    assert_eq!(versions(&project), ["2", "2"]);
    forget_images(&project);
}

#[test]
fn what_ci_has_built_is_deployed_in_the_place_of_a_build() {
    let (project, registry) = (Project::with_compose_of_this_machine("reload"), Registry::open());
    for _service in ["api", "worker"] {
        project.rewrite(COMPOSE, "    volumes:\n      - .:/app\n", "");
    }
    project.commit("no code is mounted");
    project.deploy();
    assert_eq!(versions(&project), ["", ""]);
    let image = registry.push(&built(&project, "7"), "shop/api:7");
    project.xtask(&["deploy", "--skip-tests", "--image", &image]).must_end_with(0).must_say(&["sha256:"]);
    assert_eq!(versions(&project), ["7", "7"]);
    project.status();
    // One of them alone, by its name.
    let image = registry.push(&built(&project, "8"), "shop/api:8");
    project.xtask(&["deploy", "--skip-tests", "--image", &format!("worker={image}")]).must_end_with(0);
    assert_eq!(versions(&project), ["", "8"]);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(versions(&project), ["7", "7"]);
    for (image, said) in [("redis=x", "neither a web service nor a worker"), ("-x", "no name of an image")] {
        project.xtask(&["deploy", &format!("--image={image}")]).must_end_with(2).must_say(&[said]);
    }
    project
        .xtask(&["deploy", "--skip-tests", "--image", "127.0.0.1:1/no:1"])
        .must_end_with(13)
        .must_say(&["127.0.0.1:1/no:1"]);
    assert_eq!(versions(&project), ["7", "7"]);
    forget_images(&project);
}

#[test]
fn a_registry_with_a_password_is_used_for_the_run_alone() {
    let (project, registry) = (Project::new("instant"), Registry::with_password());
    registry.push(&built(&project, "1"), "shop/api:1");
    use_images(&project, &format!("{}/shop/api:1", registry.server()));
    let deploy = |password: Option<&str>| {
        let mut command = project.command(&["deploy", "--skip-tests"]);
        command.envs(password.map(|password| ("REGISTRY_PASSWORD", password)));
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains(PASSWORD), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = deploy(None);
    assert!(code == Some(13) && said.contains("`registries`"), "{said}");
    let server = registry.server();
    let known = format!(
        "registries = {{ \"{server}\" = {{ user = \"{USER}\", password = \"REGISTRY_PASSWORD\" }} }}\nenv_file ="
    );
    project.rewrite("deploy.toml", "env_file =", &known);
    let (code, said) = deploy(None);
    assert!(code == Some(3) && said.contains("REGISTRY_PASSWORD"), "{said}");
    assert_eq!(deploy(Some("wrong-password")).0, Some(13));
    let (code, said) = deploy(Some(PASSWORD));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(versions(&project), ["1", "1"]);
    let left = Command::new("sh").args(["-c", "ls -d /dev/shm/deploy-registries-* 2>/dev/null"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    let holds = Command::new("grep").args(["-rlF", PASSWORD]).arg(project.root()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&holds.stdout), "");
    forget_images(&project);
}

/// The settings of docker in a script, where the host's user has these.
fn settings(own: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), own).unwrap();
    let text = concat!(
        "set -eu -o pipefail\n",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/registries.sh")),
        "use_registries < <(printf 'ghcr.io 4\\nci:phttps://index.docker.io/v1/ 3\\nd:p')\ncat \"$DOCKER_CONFIG/config.json\"\nrm -rf \"$registries\""
    );
    let output = Command::new("bash").args(["-c", text]).env("DOCKER_CONFIG", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{own}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{own} became {said}: {error}"))
}

#[test]
fn what_the_user_of_the_host_has_set_stays() {
    let known = [("ghcr.io", "Y2k6cA=="), ("https://index.docker.io/v1/", "ZDpw")];
    for own in [
        "",
        "{}",
        "{\n}\n",
        "{\"proxies\": {\"default\": {\"httpProxy\": \"http://p:1\"}}}",
        "{\"auths\": {}}",
        "{\n\t\"auths\": {\n\t\t\"registry.internal\": {\n\t\t\t\"auth\": \"eDp5\"\n\t\t}\n\t},\n\t\"credsStore\": \"pass\"\n}",
        "{\"credHelpers\": {\"ghcr.io\": \"gcloud\", \"eu.gcr.io\": \"gcloud\"}, \"auths\": {\"ghcr.io\": {\"auth\": \"b2xkOm9sZA==\"}, \"registry.internal\": {}}}",
    ] {
        let told = settings(own);
        for (registry, password) in known {
            assert_eq!(told["auths"][registry], json!({ "auth": password }), "{own} became {told}");
        }
        assert_eq!(told.get("credsStore"), None, "{own}");
        let before: Value = serde_json::from_str(own).unwrap_or(json!({}));
        for (key, value) in before.as_object().unwrap() {
            match key.as_str() {
                "auths" => assert_eq!(told["auths"].get("registry.internal"), value.get("registry.internal"), "{own}"),
                "credHelpers" => assert_eq!(
                    (told["credHelpers"].get("ghcr.io"), &told["credHelpers"]["eu.gcr.io"]),
                    (None, &json!("gcloud"))
                ),
                "credsStore" => {}
                other => assert_eq!(&told[other], value, "{own}"),
            }
        }
    }
}
