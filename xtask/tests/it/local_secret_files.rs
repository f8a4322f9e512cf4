//! Files of a release that are not in its commit: they come with it, go back with it, and are in no image.

use crate::support::project::Project;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";
const FIRST: &str = "first-key-that-nobody-may-see";
const SECOND: &str = "second-key-that-nobody-may-see";

/// What the web service has of a file.
fn seen(project: &Project, path: &str) -> String {
    let container = project.containers(false).into_iter().find(|name| name.contains("-api-")).unwrap();
    project.docker(&["exec", &container, "cat", path])
}

/// With a key that is mounted from a folder, and a second env file.
fn project() -> Project {
    let project = Project::new("instant");
    project.rewrite(
        "deploy.toml",
        "env_file =",
        "files = { \"secrets/key\" = { file = \"key\" }, \".env.more\" = { file = \"more\" } }\nenv_file =",
    );
    project.rewrite(COMPOSE, "      - .:/app\n", "      - .:/app\n      - ./secrets:/secrets:ro\n");
    project.rewrite(COMPOSE, "    env_file: .env\n", "    env_file: [.env, .env.more]\n");
    project.commit("secrets beside the commit");
    project.write("key", FIRST);
    project.write("more", "MORE=value-of-more\n");
    project
}

#[test]
fn a_rollback_brings_back_the_files_of_its_release() {
    let project = project();
    let checked = project.xtask(&["check"]).must_end_with(0);
    assert!(checked.stdout.contains("nothing is refused"), "{checked}");
    project.deploy();
    assert_eq!(seen(&project, "/secrets/key"), FIRST);
    let container = project.containers(false).into_iter().find(|name| name.contains("-api-")).unwrap();
    assert!(
        project.docker(&["exec", &container, "env"]).contains("MORE=value-of-more"),
        "the second env file is not read"
    );
    // The same commit with another key is another release.
    project.write("key", SECOND);
    let deployed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    assert!(!deployed.to_string().contains(SECOND), "{deployed}");
    assert_eq!(seen(&project, "/secrets/key"), SECOND);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(seen(&project, "/secrets/key"), FIRST);
    // Nothing was shared, nothing is in an image, nothing of it can be read by others.
    assert!(!project.server("shared/secrets").exists());
    let images = project.docker(&["image", "ls", "-q", "--filter", &format!("reference={}-*", project.name)]);
    assert!(!images.is_empty());
    for image in images.lines() {
        let find = "find / -xdev -path '*/secrets/key' -o -xdev -name .env.more";
        let inside = project.docker(&["run", "--rm", "--user", "0", "--entrypoint", "sh", image, "-c", find]);
        assert_eq!(inside, "", "{image}");
    }
    for folder in ["releases", "meta"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(project.server(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}");
    }
}

#[test]
fn a_file_that_is_missing_or_committed_is_refused_before_anything() {
    let project = project();
    std::fs::remove_file(project.root().join("key")).unwrap();
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(3).must_say(&["secrets/key", "No such file"]);
    // Of a variable that is not set, a check says so, and goes on.
    project.rewrite("deploy.toml", "{ file = \"key\" }", "\"LOCAL_KEY\"");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(3).must_say(&["LOCAL_KEY"]);
    let checked = project.xtask(&["check"]).must_end_with(0);
    assert!(checked.stdout.contains("LOCAL_KEY is not set, so `secrets/key` was taken to be empty"), "{checked}");
    project.rewrite("deploy.toml", "\"LOCAL_KEY\"", "{ file = \"key\" }");
    project.write("key", FIRST);
    std::fs::create_dir(project.root().join("backend/secrets")).unwrap();
    project.write("backend/secrets/key", "committed");
    project.commit("a key in the commit");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(11).must_say(&["secrets/key", "take one of them out"]);
    let releases = project.server("releases");
    assert!(!releases.exists() || releases.read_dir().unwrap().next().is_none(), "it was shipped");
}
