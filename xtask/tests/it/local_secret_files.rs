//! Files of a release that are not in its commit: they come with it, go back with it, and are in no image.

use crate::support::load::{BOTH, Load, assert_none_failed};
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

/// The images of the releases, by what docker calls them.
fn image_of_live(project: &Project) -> String {
    let container = project.containers(false).into_iter().find(|name| name.contains("-api-")).unwrap();
    project.docker(&["inspect", "-f", "{{.Image}}", &container])
}

/// What the tree has is of no matter: only the env file and the files change.
#[test]
fn an_env_file_is_pushed_to_the_release_that_serves() {
    let project = project();
    let env = project.root().join("env.local");
    let first_env = std::fs::read_to_string(&env).unwrap();
    let first = project.deploy()["release"].clone();
    let image = image_of_live(&project);
    let told = project.xtask(&["env", "push"]).must_end_with(0);
    told.must_say(&["has this env file and these files already"]);

    project.write("key", SECOND);
    project.write("more", "MORE=another-value-of-more\nEXTRA=1\n");
    project.write("env.local", &format!("{first_env}PUSHED=yes\n"));
    project.change(
        "backend/app/routes/service.py",
        "import asyncio",
        "import asyncio\nraise RuntimeError('code of now')",
    );
    let load = Load::start(&project.address(), &BOTH, 40);
    let pushed = project.xtask(&["env", "push", "--json"]).must_end_with(0);
    assert_none_failed("an env file that is pushed", &load.finish(), &BOTH);
    let pushed = pushed.json();
    assert_eq!(
        (&pushed["from_release"], &pushed["release"], &pushed["serves"]),
        (&first, &format!("{}-2", first.as_str().unwrap()).into(), &pushed["release"])
    );
    assert_eq!((seen(&project, "/secrets/key"), image_of_live(&project)), (SECOND.to_owned(), image.clone()));
    let container = project.containers(false).into_iter().find(|name| name.contains("-api-")).unwrap();
    let inside = project.docker(&["exec", &container, "env"]);
    assert!(
        inside.contains("PUSHED=yes") && inside.contains("MORE=another-value-of-more") && inside.contains("EXTRA=1"),
        "{inside}"
    );
    project.status();
    project.xtask(&["env", "push"]).must_end_with(0).must_say(&["already"]);

    // What was made so is a release as any other.
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(seen(&project, "/secrets/key"), FIRST);
    assert_eq!(project.status()["live_release"], first);
    project.xtask(&["rollback", "--to", pushed["release"].as_str().unwrap()]).must_end_with(0);
    project.change(
        "backend/app/routes/service.py",
        "import asyncio\nraise RuntimeError('code of now')",
        "import asyncio",
    );
    let pushed = project.deploy();
    assert_eq!(seen(&project, "/secrets/key"), SECOND);

    // What something has changed is not made into a release.
    let file = project.server(&format!("releases/{}/worker.py", pushed["release"].as_str().unwrap()));
    let committed = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{committed}\nprint('planted')\n")).unwrap();
    project.write("key", "a third key that nobody may see");
    project.xtask(&["env", "push"]).must_end_with(4).must_say(&["worker.py", "no longer as they were shipped"]);
    std::fs::write(&file, committed).unwrap();
    project.xtask(&["env", "push", "--dry-run"]).must_end_with(0);
    project.xtask(&["env", "push"]).must_end_with(0);
    project.status();
}

#[test]
fn an_image_that_depends_on_the_env_file_is_built_anew() {
    let project = project();
    project.rewrite(
        COMPOSE,
        "  api:\n    build: .\n",
        "  api:\n    build: {context: ., args: {WHICH: \"${WHICH:-none}\"}}\n",
    );
    project.rewrite(
        "backend/Dockerfile",
        "USER 10001:10001",
        "ARG WHICH\nRUN echo \"$WHICH\" >/which\nUSER 10001:10001",
    );
    project.commit("with an argument");
    project.deploy();
    let first_env = std::fs::read_to_string(project.root().join("env.local")).unwrap();
    project.write("env.local", &format!("{first_env}WHICH=other\n"));
    let pushed = project.xtask(&["env", "push"]).must_end_with(0);
    assert!(pushed.stderr.contains("the images are built anew"), "{pushed}");
    assert_eq!(seen(&project, "/which").trim(), "other");
    project.status();
}
