//! What lies on the host may have been changed by whoever has it mounted. It is not believed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::load::get;
use crate::support::project::{Project, SECRET_VALUES, env_file};
use crate::support::team::{Team, of_this_run};

fn bash(script: &str, words: &[&Path]) -> String {
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", script, "test"]).args(words).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_file_that_was_changed_on_the_host_comes_into_no_other_release() {
    let project = Project::new("instant");
    let live = project.deploy()["release"].as_str().unwrap().to_owned();
    let folder = project.server(&format!("releases/{live}"));
    let committed = std::fs::read_to_string(project.root().join("backend/app/main.py")).unwrap();
    for attack in ["content", "link", "folder"] {
        match attack {
            "content" => std::fs::write(folder.join("app/main.py"), format!("{committed}\nplanted = True\n")).unwrap(),
            "link" => {
                std::fs::remove_file(folder.join("app/store.py")).unwrap();
                symlink("/etc/passwd", folder.join("app/store.py")).unwrap();
            }
            _ => {
                let other = project.server("other");
                bash(
                    "cp -r \"$1/app/routes\" \"$2\"; echo '# planted' >>\"$2/gifts.py\"; rm -r \"$1/app/routes\"; ln -s \"$2\" \"$1/app/routes\"",
                    &[&folder, &other],
                );
            }
        }
        project.write("backend/note.txt", attack);
        project.commit("a note");
        let shipped = project.xtask(&["ship", "--json"]).must_end_with(0);
        let release = shipped.json()["release"].as_str().unwrap().to_owned();
        let shipped = shipped.must_say(&["no longer as they were shipped"]);
        let new = project.server(&format!("releases/{release}"));
        let differ = bash(
            "diff -r --no-dereference --exclude=.env --exclude=__pycache__ \"$1\" \"$2\" || true",
            &[&project.root().join("backend"), &new],
        );
        assert_eq!(differ, "", "{attack}: {shipped}");
    }
    // The same commit again is a release of its own.
    let again = project.xtask(&["deploy", "--skip-tests", "--dirty", "--json"]).must_end_with(0).json();
    assert_ne!(again["release"].as_str().unwrap(), live);
}

#[test]
fn a_rollback_runs_what_was_deployed_and_nothing_that_lies_there_now() {
    let project = Project::new("instant");
    let first = project.deploy()["release"].as_str().unwrap().to_owned();
    project.new_version("the second");
    project.deploy();
    let folder = project.server(&format!("releases/{first}"));
    // Whatever compose file lies there now, the one that was deployed is what runs.
    let compose = std::fs::read_to_string(folder.join("docker-compose.yml")).unwrap();
    std::fs::write(folder.join("docker-compose.yml"), compose.replace("- .:/app", "- .:/app\n      - /root:/hostroot"))
        .unwrap();
    let refused = project.xtask(&["rollback"]).must_end_with(4);
    refused.must_say(&["docker-compose.yml", "no longer as they were shipped", "Nothing was touched"]);
    std::fs::write(folder.join("docker-compose.yml"), &compose).unwrap();
    for planted in [".compose.slot-blue.json", "compose.slot-green.json", "docker-compose.override.yml"] {
        symlink("/etc/passwd", folder.join(planted)).unwrap();
    }
    // A module that stands before the real one is found by its name alone; what an app writes beside its code is its own.
    std::fs::write(folder.join("redis.py"), "print('planted', flush=True)\n").unwrap();
    std::fs::write(folder.join("notes.txt"), "of the app\n").unwrap();
    let refused = project.xtask(&["rollback"]).must_end_with(4);
    let refused = refused.must_say(&["redis.py (added)", "Nothing was touched"]);
    assert!(!refused.stderr.contains("notes.txt"), "{refused}");
    std::fs::remove_file(folder.join("redis.py")).unwrap();
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0).json();
    assert_eq!(back["serves"], first.as_str());
    let web = project.containers(false).into_iter().find(|name| name.contains("api")).unwrap();
    let mounts = project.docker(&["inspect", &web, "--format", "{{range .Mounts}}{{.Source}} {{end}}"]);
    assert!(!mounts.contains("/root"), "{mounts}");
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().contains("services"), "a planted link was followed");
}

/// Today's settings are not those of yesterday's release.
#[test]
fn a_rollback_uses_the_settings_the_release_was_made_with() {
    let project = Project::new("instant");
    let first = project.deploy()["release"].clone();
    project.rewrite("backend/docker-compose.yml", "  redis:\n    image", "  mailer:\n    build: .\n    command: [\"sleep\", \"600\"]\n    init: true\n    healthcheck:\n      disable: true\n    env_file: .env\n  redis:\n    image");
    project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = [\"worker\", \"mailer\"]");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 30\nexpect = { status = \"ok\", version = 2 }");
    project.change(
        "backend/app/routes/service.py",
        "return Health(status=\"ok\", release=settings.release)",
        "return Health(status=\"ok\", release=settings.release, version=2)",
    );
    let model = bash("grep -rln 'class Health' \"$1\"", &[&project.root().join("backend/app")]);
    let text = std::fs::read_to_string(model.trim()).unwrap();
    std::fs::write(model.trim(), text.replacen("    release: ", "    version: int = 1\n    release: ", 1)).unwrap();
    project.commit("a version that says its number");
    let second = project.deploy();
    assert!(project.containers(false).iter().any(|name| name.contains("mailer")));
    // An image that is gone is built, not looked for elsewhere.
    let image = format!("{}-worker:{}", project.name, first.as_str().unwrap());
    project.docker(&["image", "rm", &image]);
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0).json();
    assert_eq!((&back["serves"], &back["from_release"]), (&first, &second["release"]));
    assert!(
        !project.containers(true).iter().any(|name| name.contains("mailer")),
        "a worker that the release has not runs on"
    );
    project.status();
}

/// A record that is not what it was, and a lock that others would hold, stop nothing.
#[test]
fn the_record_and_the_lock_are_nobody_elses_to_break() {
    let project = Project::new("instant");
    let served = project.deploy()["release"].clone();
    let record = project.server("deploys.jsonl");
    let mode = |name: &str| std::fs::metadata(project.server(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("deploys.jsonl"), mode("deploy.lock")), (0o600, 0o600));
    for line in [
        format!("{{\"serves\":\"{}", "x".repeat(70 << 20)),
        "{\"tab\":\t\"raw\",\u{1}\n".to_owned(),
        "\0\0\0".to_owned(),
    ] {
        std::fs::write(&record, line).unwrap();
        let status = project.xtask(&["status", "--json"]).json();
        assert_eq!(status["live_release"], served, "{status:#}");
    }
    project.new_version("after the record was spoiled");
    project.deploy();
    project.xtask(&["rollback"]).must_end_with(0);
    project.status();
    // A hook that prints a line without an end is cut, not recorded whole.
    project.rewrite(
        "deploy.toml",
        "[[\"python\", \"migrate.py\"]]",
        "[[\"python\", \"-c\", \"print('x' * 3000000); raise SystemExit(3)\"]]",
    );
    project.new_version("whose hook says a lot");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(14);
    assert!(std::fs::metadata(&record).unwrap().len() < 200_000);
}

/// With the least of ignore files, or none, an image has nothing of the `.env`.
#[test]
fn no_image_has_a_value_of_the_env_file() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        for ignore in [None, Some("node_modules\n!.env\n")] {
            match ignore {
                None => std::fs::remove_file(project.root().join("backend/.dockerignore")).unwrap(),
                Some(text) => project.write("backend/.dockerignore", text),
            }
            project.commit("another ignore file");
            let release = project.deploy()["release"].as_str().unwrap().to_owned();
            for service in ["api", "worker"] {
                let image = format!("{}-{service}:{release}", project.name);
                let found = bash(
                    "docker save \"$1\" | tar -xO --wildcards '*' 2>/dev/null | grep -caF \"$2\" || true",
                    &[Path::new(&image), Path::new(SECRET_VALUES[0])],
                );
                assert_eq!(found.trim(), "0", "{image} holds a secret");
                let files = project.docker(&[
                    "run",
                    "--rm",
                    "--entrypoint",
                    "sh",
                    &image,
                    "-c",
                    "cat /app/.env 2>/dev/null; ls -a /app",
                ]);
                assert!(files.lines().any(|file| file == "migrate.py"), "{files}");
                assert!(!files.lines().any(|file| file == ".env" || file.contains("API_TOKEN=")), "{files}");
            }
        }
    }
}

/// What a release was given is hidden when it comes back, though the `.env` of today has other values.
#[test]
fn a_release_that_comes_back_shows_its_settings_to_nobody() {
    let project = Project::new("instant");
    let text = std::fs::read_to_string(project.root().join("backend/gunicorn.conf.py")).unwrap_or_default();
    let die = "import json, os, sys\nif os.path.exists('/state/die'):\n    print(json.dumps(dict(os.environ)), flush=True)\n    sys.exit(1)\n";
    project.write("backend/gunicorn.conf.py", &format!("{die}{text}"));
    project.rewrite("backend/docker-compose.yml", "      - .:/app\n", "      - .:/app\n      - ./state:/state\n");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 15");
    let secret = |number: u32| format!("pa55-of-release-{number}-{}", of_this_run());
    let mut releases = Vec::new();
    for number in [1, 2] {
        project.write("env.local", &format!("{}DATABASE_PASSWORD={}\n", env_file(), secret(number)));
        project.commit("with another password");
        project.new_version(&format!("number {number}"));
        releases.push(project.deploy()["release"].as_str().unwrap().to_owned());
    }
    std::fs::write(project.server("shared/state/die"), "").unwrap();
    let (free, _) = project.free_slot();
    for (words, code) in [
        (vec!["rollback"], 16),
        (vec!["health", &free], 16),
        (vec!["switch", &free], 4),
        (vec!["build", "--release", &releases[0]], 0),
    ] {
        let output = project.command(&words).env("GITHUB_ACTIONS", "true").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // By these GitHub is told what to hide.
        let said: String =
            said.lines().filter(|line| !line.starts_with("::add-mask::")).map(|line| format!("{line}\n")).collect();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        let record = std::fs::read_to_string(project.server("deploys.jsonl")).unwrap();
        for number in [1, 2] {
            assert!(!said.contains(&secret(number)), "{words:?} shows a password: {said}");
            assert!(!record.contains(&secret(number)), "{words:?} records a password: {record}");
        }
        if words == ["rollback"] {
            assert!(said.contains("DATABASE_PASSWORD") && said.contains("•••") && said.contains("::error"), "{said}");
        }
    }
    assert_eq!(project.status()["live_release"], releases[1].as_str());
}

/// A container that prints its settings as it dies: nothing of them is shown.
#[test]
fn a_container_that_prints_its_settings_shows_them_to_nobody() {
    let project = Project::new("instant");
    let secret = "it's \"quoted\" pa55";
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END KEY-----";
    let env = format!(
        "{}QUOTED=\"it's \\\"quoted\\\" pa55\"\nKEY='{key}'\nDSN=postgres://shop:hunter2hunter2@db/shop\nMODE=release\n",
        env_file()
    );
    project.write("env.local", &env);
    project.deploy();
    project.new_version("the second");
    let second = project.deploy()["release"].clone();
    // From now on every start of any release prints them and dies.
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 5");
    let die = "import json, os, sys; print(os.environ['QUOTED'], json.dumps(dict(os.environ)), os.environ['KEY'], 'hunter2hunter2', repr(os.environ['QUOTED'])); sys.exit(1)";
    project.write("backend/gunicorn.conf.py", die);
    project.write("env.local", &env.replace("MODE=release", "MODE=debug"));
    project.commit("a version that prints its settings");
    let failed = project.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(16);
    let record = std::fs::read_to_string(project.server("deploys.jsonl")).unwrap();
    for told in [&failed.stdout, &failed.stderr, &record] {
        for shown in ["hunter2hunter2", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", SECRET_VALUES[0], secret, "quoted\\\" pa55"]
        {
            assert!(!told.contains(shown), "{shown:?} was shown: {told}");
        }
        assert!(told.contains("•••"), "the log of the container is not there: {told}");
    }
    assert!(failed.json()["release"].is_string(), "a key of the JSON was masked: {failed}");
    assert_eq!(project.status()["live_release"], second);
    let page = get(&project.address(), "/health").unwrap();
    assert_eq!(page.status, 200);
}
