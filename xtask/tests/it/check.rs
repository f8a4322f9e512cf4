//! `cargo xtask check`: all that a deploy would refuse, before there is one.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::project::Project;
use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";

/// The role of each service.
fn roles(review: &Value) -> Vec<(String, String)> {
    let services = review["services"].as_array().unwrap().iter();
    services
        .map(|service| (service["name"].as_str().unwrap().to_owned(), service["role"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_project_is_reviewed_without_a_host() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        let run = project.xtask(&["check"]).must_end_with(0);
        for part in [
            "api ",
            "web, built here",
            "redis ",
            "accessory, redis:7-alpine",
            "adapted  depends_on",
            "nothing is refused",
        ] {
            assert!(run.stdout.contains(part), "{part:?} is not in {run}");
        }
        let review = project.xtask(&["check", "--json"]).must_end_with(0).json();
        let expected = [("api", "web"), ("worker", "worker"), ("redis", "accessory")];
        assert_eq!(roles(&review), expected.map(|(name, role)| (name.to_owned(), role.to_owned())));
        assert!(!project.root().join(".deploy/local").exists(), "a check has made something");
        assert_eq!(project.containers(true), Vec::<String>::new());
    }
}

/// As a newcomer's file has them: several at once, not committed, and without the variables that lead to a server.
#[test]
fn all_that_is_refused_is_told_in_one_run() {
    let project = Project::new("instant");
    project.rewrite(COMPOSE, "  api:\n", "  api:\n    network_mode: host\n");
    project.rewrite(COMPOSE, "  worker:\n", "  worker:\n    volumes_from: [redis]\n");
    project.rewrite(COMPOSE, "\n  redis:\n", "\n  redis:\n    environment:\n      LEVEL: ${LEVEL_OF_REDIS}\n");
    let run = project.xtask(&["check"]).must_end_with(3);
    for part in [
        "network_mode: host",
        "volumes_from",
        "LEVEL_OF_REDIS is set nowhere",
        "3 things must change",
        "not everything is committed",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is not in {run}");
    }
    // A deploy, and its plan, refuse the same before anything is shipped.
    project.rewrite(COMPOSE, "      LEVEL: ${LEVEL_OF_REDIS}\n", "      LEVEL: high\n");
    project.commit("what cannot be deployed");
    for words in [&["deploy", "--skip-tests"][..], &["deploy", "--skip-tests", "--dry-run"]] {
        let refused = project.xtask(words).must_end_with(3);
        refused.must_say(&["network_mode: host", "volumes_from"]);
    }
    let releases = project.server("releases");
    assert!(!releases.exists() || releases.read_dir().unwrap().next().is_none(), "it was shipped");
    // What compose itself does not understand is told in its words.
    project.write(COMPOSE, "services: [nonsense\n");
    let review = project.xtask(&["check", "--json"]).must_end_with(3).json();
    assert!(review["refused"][0].as_str().unwrap().contains("yaml"), "{review:#}");
}

/// A profile that the `.env` turns on is on, and a mount of memory is no mount of what the tool keeps.
#[test]
fn profiles_and_mounts_are_read_as_a_deploy_reads_them() {
    let project = Project::new("instant");
    project.rewrite(COMPOSE, "\n  redis:\n", "\n  redis:\n    profiles: [stores]\n");
    project.rewrite(COMPOSE, "      - .:/app\n", "      - .:/app\n      - /dev/shm:/dev/shm\n");
    let env = std::fs::read_to_string(project.root().join("env.local")).unwrap();
    project.write("env.local", &format!("{env}COMPOSE_PROFILES=stores\n"));
    project.commit("with a profile");
    let review = project.xtask(&["check", "--json"]).must_end_with(0).json();
    assert!(roles(&review).contains(&("redis".to_owned(), "accessory".to_owned())), "{review:#}");
    project.deploy();
    // A folder that the tool keeps is refused as a deploy would.
    let kept = project.server("meta").display().to_string();
    project.rewrite(COMPOSE, "      - /dev/shm:/dev/shm\n", &format!("      - {kept}:/kept\n"));
    let refused = project.xtask(&["check"]).must_end_with(3);
    assert!(refused.stdout.contains(&format!("mounts `{kept}`")), "{refused}");
}

/// On a machine that has neither the `.env` nor the way to the server, what stands in them is not told as a fault of the files.
#[test]
fn what_is_not_known_here_is_no_fault_of_the_compose_file() {
    let project = Project::new("instant");
    let prod = "[environments.prod]\nssh = true\nfolder = \"/srv/shop\"\nurl = \"https://shop.example\"\nnginx = {}\n";
    let toml = std::fs::read_to_string(project.root().join("deploy.toml")).unwrap();
    project.write("deploy.toml", &format!("{toml}{prod}"));
    project.rewrite(COMPOSE, "\n  redis:\n", "\n  redis:\n    environment:\n      LEVEL: ${LEVEL_OF_REDIS}\n");
    project.rewrite(COMPOSE, "    image: redis:7-alpine\n", "    image: redis:${REDIS_VERSION:?}\n");
    let run = project.xtask(&["check", "--env", "prod"]).must_end_with(0);
    for part in ["PROD_ENV_FILE is not set", "LEVEL_OF_REDIS", "nothing is refused"] {
        assert!(run.stdout.contains(part), "{part:?} is not in {run}");
    }
}

/// The machine that deploys has no docker and no compose: the host's reads the files, and nothing of them stays there.
#[test]
fn where_no_compose_is_here_the_host_reads_the_files() {
    on_a_server(Compose::V2, |server, site| {
        let programs = site.root().join(".deploy/programs");
        std::fs::create_dir_all(&programs).unwrap();
        for folder in ["/usr/local/bin", "/usr/bin", "/bin"] {
            for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
                if !entry.file_name().to_string_lossy().starts_with("docker") {
                    let _there_already = symlink(entry.path(), programs.join(entry.file_name()));
                }
            }
        }
        let right = site.variables.clone();
        site.set("PATH", &programs.display().to_string());
        let run = site.xtask(&["check"]).must_end_with(0);
        assert!(
            run.stdout.contains("read by the compose of the host") && run.stdout.contains("nothing is refused"),
            "{run}"
        );
        let releases = || server.root("ls -A /app/gifty-backend/releases /dev/shm");
        let before = releases();
        site.change(COMPOSE, "  api:\n", "  api:\n    network_mode: host\n");
        site.xtask(&["check"]).must_end_with(3);
        for words in [&["deploy", "--skip-tests"][..], &["deploy", "--skip-tests", "--dry-run"]] {
            site.xtask(words).must_end_with(3).must_say(&["network_mode: host"]);
        }
        assert_eq!(releases(), before, "something was shipped, or is left");
        site.change(COMPOSE, "    network_mode: host\n", "");
        site.deploy();
        site.variables = right;
    });
}

/// Files that compose's own words are about, and files that could not be brought before it.
#[test]
fn a_tree_that_compose_cannot_be_shown_whole_is_deployed_all_the_same() {
    let project = Project::new("instant");
    for folder in ["more", "pages"] {
        std::fs::create_dir(project.root().join("backend").join(folder)).unwrap();
    }
    // An included file names a variable that is set nowhere.
    project.write(
        "backend/more/compose.yml",
        "services:\n  more:\n    image: redis:7-alpine\n    environment:\n      LEVEL: ${LEVEL}\n",
    );
    project.rewrite(COMPOSE, "services:\n", "include: [more/compose.yml]\nservices:\n");
    let refused = project.xtask(&["check"]).must_end_with(3);
    assert!(refused.stdout.contains("name variables that the `.env` does not set: LEVEL"), "{refused}");
    project.write("backend/more/compose.yml", "services:\n  more:\n    image: redis:7-alpine\n");
    // Small files in great number take the place of none that compose reads.
    for number in 0..700 {
        project.write(&format!("backend/pages/{number}.html"), &"x".repeat(30_000));
    }
    project.commit("many pages");
    assert!(project.xtask(&["check"]).must_end_with(0).stdout.contains("nothing is refused"));
    for number in 0..5_500 {
        project.write(&format!("backend/pages/{number}.html"), &"x".repeat(3_500));
    }
    project.commit("more pages");
    let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    run.must_say(&["the compose files will be read once they are on the host"]);
}
