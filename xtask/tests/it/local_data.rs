//! What users have given the application outlives its releases, whatever becomes of those.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::project::Project;
use crate::support::team::{Run, Team};

/// The web service keeps uploads, the database its files, both in folders beside the compose file, as most compose files do.
fn with_data(project: &Project) {
    let compose = "backend/docker-compose.yml";
    project.rewrite(compose, "      - .:/app\n    env_file: .env\n    depends_on:\n      redis:\n        condition: service_healthy\n    healthcheck:", "      - .:/app\n      - ./uploads:/uploads\n      - ./media:/app/media\n      - /cache\n    env_file: .env\n    depends_on:\n      redis:\n        condition: service_healthy\n    healthcheck:");
    project.rewrite(compose, "redis-data:/data", "./dbdata:/data");
    std::fs::create_dir(project.root().join("backend/media")).unwrap();
    project.write("backend/media/.gitkeep", "");
    project.write(
        "backend/Dockerfile",
        &std::fs::read_to_string(project.root().join("backend/Dockerfile")).unwrap().replace("USER 10001:10001\n", ""),
    );
    project.commit("with data in folders");
}

/// Volumes without a name on this machine that no container has.
fn anonymous_volumes(project: &Project) -> BTreeSet<String> {
    let all = project.docker(&["volume", "ls", "-q", "--filter", "dangling=true"]);
    all.lines().filter(|name| name.len() == 64).map(str::to_owned).collect()
}

fn web(project: &Project) -> String {
    project.containers(false).into_iter().find(|name| name.contains("api")).unwrap()
}

fn in_web(project: &Project, script: &str) -> String {
    project.docker(&["exec", &web(project), "sh", "-c", script])
}

#[test]
fn data_is_there_to_the_byte_when_all_releases_of_its_time_are_gone() {
    let project = Project::new("instant");
    with_data(&project);
    let before = anonymous_volumes(&project);
    let first = project.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
    let first = first.must_say(&["`uploads` is not in the commit", "`dbdata`", "`media`"]).json();
    let first = first["release"].as_str().unwrap().to_owned();
    in_web(
        &project,
        "echo of-a-user >/uploads/photo && echo of-another >/app/media/film && mkdir -p /app/written && echo beside >/app/written/file",
    );
    project.redis(&["set", "row", "of-the-database"]);

    let mut warned = false;
    for number in 0..5 {
        project.new_version(&format!("number {number}"));
        let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
        assert!(!run.stderr.contains("is not in the commit"), "what is known is said once: {run}");
        warned |= run.stderr.contains("written/file") && run.stderr.contains("`shared`");
        assert_eq!(in_web(&project, "cat /uploads/photo /app/media/film"), "of-a-user\nof-another");
    }
    assert!(warned, "nobody was told of what the app wrote beside its code");
    assert!(!project.server(&format!("releases/{first}")).exists(), "the first release should have been pruned");
    assert!(!project.server(&format!("meta/{first}")).exists());
    let left = std::fs::read_to_string(project.server(&format!("leftovers/{first}/written/file")));
    assert_eq!(left.unwrap(), "beside\n", "what did not come with the release was deleted with it");
    let rows = project.redis(&["get", "row"]);
    project.docker(&["rm", "-f", "-v", &project.redis_container()]);
    project.new_version("after the database's container was removed");
    project.deploy();
    assert_eq!((rows.as_str(), project.redis(&["get", "row"]).as_str()), ("of-the-database", "of-the-database"));
    let back = project.xtask(&["rollback", "--json"]).must_end_with(0);
    assert_eq!(in_web(&project, "cat /uploads/photo /app/media/film"), "of-a-user\nof-another", "{back}");
    let volumes = anonymous_volumes(&project).difference(&before).count();
    assert_eq!(volumes, 0, "volumes without a name are left");
    project.status();
}

#[test]
fn what_shared_names_is_shared_also_where_it_is_committed_and_found_where_it_lies() {
    let project = Project::new("instant");
    with_data(&project);
    project.write("backend/media/seed.txt", "committed\n");
    project.commit("with a seed");
    project.deploy();
    in_web(&project, "echo new >/app/media/film");
    project.rewrite("deploy.toml", "keep = 3", "keep = 3\nshared = [\"media\"]");
    project.new_version("which shares its media");
    // They lie in the folder of a release, with which they would go.
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
    copy_as_told(&refused.must_say(&["data of `media` lies in a release's folder", "film"]));
    let before = project.status()["live_release"].clone();
    project.deploy();
    assert_eq!(in_web(&project, "cat /app/media/film"), "new");
    // The release that had it is as it came, so that there is a way back.
    let back = project.xtask(&["rollback"]).must_end_with(0);
    back.must_say(&["has `media` of its own, and does not see the data in"]);
    assert_eq!(project.status()["live_release"], before);
    project.xtask(&["rollback"]).must_end_with(0);

    // A second place for the same is not guessed about.
    let shared = project.server("shared/uploads");
    std::fs::rename(&shared, project.server("elsewhere")).unwrap();
    std::os::unix::fs::symlink(project.server("elsewhere"), &shared).unwrap();
    project.new_version("whose data was moved and linked");
    project.deploy();
    in_web(&project, "echo there >/uploads/photo");
    assert_eq!(std::fs::read_to_string(project.server("elsewhere/photo")).unwrap(), "there\n");
}

/// Does what the refusal says, to the letter.
fn copy_as_told(refused: &Run) {
    let line = refused.stderr.lines().find(|line| line.contains("cp -an ")).unwrap();
    let command = line.split_once("may not): ").unwrap().1.split_once("; then deploy again").unwrap().0;
    assert!(Command::new("bash").args(["-ec", command]).status().unwrap().success(), "{command}");
}

/// What was data is committed one day: the new version would see what is committed, and nothing else.
#[test]
fn data_is_not_hidden_by_what_is_committed_over_it() {
    let project = Project::new("instant");
    with_data(&project);
    project.deploy();
    in_web(&project, "echo of-a-user >/uploads/photo");
    std::fs::create_dir(project.root().join("backend/uploads")).unwrap();
    project.write("backend/uploads/index.html", "nothing here\n");
    project.commit("with a page for the folder of uploads");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
    refused.must_say(&["`uploads` comes with the release now", "shared/uploads", "name it in `shared`"]);
    assert_eq!(in_web(&project, "cat /uploads/photo"), "of-a-user");
    project.rewrite("deploy.toml", "keep = 3", "keep = 3\nshared = [\"uploads\"]");
    project.new_version("whose uploads are shared");
    project.deploy();
    assert_eq!(in_web(&project, "cat /uploads/photo"), "of-a-user");
    // Nor is it forgotten where it is not mounted any more.
    project.rewrite("deploy.toml", "\nshared = [\"uploads\"]", "");
    project.rewrite("backend/docker-compose.yml", "      - ./uploads:/uploads\n", "");
    project.commit("without uploads");
    let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    run.must_say(&["no service has", "shared/uploads mounted any more"]);
}

/// The image's user is neither root nor the one who deploys; no other user of the host gets at what it writes.
#[test]
fn a_container_of_any_user_writes_its_data_and_nobody_else_reads_it() {
    let project = Project::new("instant");
    project.rewrite("backend/docker-compose.yml", "      - .:/app\n", "      - .:/app\n      - ./uploads:/uploads\n");
    project.commit("with uploads");
    project.deploy();
    assert_eq!(in_web(&project, "id -u; echo mine >/uploads/photo; cat /uploads/photo"), "10001\nmine");
    let read = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "cat"])
        .arg(project.server("shared/uploads/photo"))
        .output()
        .unwrap();
    assert!(!read.status.success(), "another user of the host reads it");
    let mode = std::fs::metadata(project.server("shared")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_folder_that_compose_was_used_in_by_hand_keeps_its_data() {
    let project = Project::new("instant");
    with_data(&project);
    let folder = project.server("");
    std::fs::create_dir_all(folder.join("uploads")).unwrap();
    std::fs::write(folder.join("uploads/photo"), "of before\n").unwrap();
    let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    run.must_say(&["`uploads` is used where it lies"]);
    assert_eq!(in_web(&project, "cat /uploads/photo"), "of before");
    project.new_version("the second");
    project.deploy();
    assert_eq!(in_web(&project, "cat /uploads/photo && echo more >/uploads/more"), "of before");
    assert!(folder.join("uploads/more").exists(), "the data is not where it was");
}

/// Reached through a link, a folder has two names; what is mounted has one.
#[test]
fn through_a_symbolic_link_nothing_is_pruned_that_is_mounted() {
    let project = Project::with_compose_of_this_machine("instant");
    std::fs::create_dir_all(project.root().join("real")).unwrap();
    std::os::unix::fs::symlink("real", project.root().join("link")).unwrap();
    project.write(".gitignore", ".deploy/\n__pycache__/\nreal\nlink\n");
    project.rewrite("deploy.toml", "folder = \".deploy/local\"", "folder = \"link/deploy\"");
    project.write("backend/redis.conf", "appendonly yes\nprotected-mode no\n");
    project.rewrite(
        "backend/docker-compose.yml",
        "      - redis-data:/data",
        "      - redis-data:/data\n      - ./redis.conf:/redis.conf:ro",
    );
    project.commit("with a file that the accessory mounts");
    let first = project.deploy()["release"].as_str().unwrap().to_owned();
    for number in 0..5 {
        project.new_version(&format!("number {number}"));
        project.deploy();
    }
    let releases = std::fs::read_dir(project.root().join("real/deploy/releases")).unwrap().count();
    assert!(releases <= 4, "{releases} releases are left with keep = 3 and one that is mounted");
    let mounted = project.root().join(format!("real/deploy/releases/{first}/redis.conf"));
    assert!(mounted.exists(), "a file that a running accessory has mounted was pruned");
    let container = project.redis_container();
    assert!(project.docker(&["exec", &container, "cat", "/redis.conf"]).contains("appendonly"));
    if let Ok(pid) = std::fs::read_to_string(project.root().join("real/deploy/nginx/nginx.pid")) {
        assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    }
}

/// What only the web service and workers use is made as the project says, and what would hide new code is refused.
#[test]
fn networks_and_volumes_are_what_the_compose_file_says() {
    for (number, project) in
        [Project::new("instant"), Project::with_compose_of_this_machine("instant")].iter().enumerate()
    {
        let compose = "backend/docker-compose.yml";
        project.rewrite(compose, "  worker:\n    build: .", "  worker:\n    networks: [shut]\n    build: .");
        project.rewrite(compose, "    command: [\"python\", \"worker.py\"]\n", "    command: [\"sleep\", \"600\"]\n");
        project.rewrite(
            compose,
            "      - .:/app\n    env_file",
            "      - .:/app\n      - scratch:/scratch\n    env_file",
        );
        project.rewrite(compose, "volumes:\n  redis-data:", "networks:\n  shut:\n    internal: true\n    labels:\n      of: us\n    ipam:\n      config:\n        - subnet: 10.213.{number}.0/24\nvolumes:\n  scratch:\n    driver_opts:\n      type: tmpfs\n      device: tmpfs\n      o: size=8m\n  redis-data:".replace("{number}", &number.to_string()).as_str());
        project.commit("with a network and a volume of its own");
        project.deploy();
        let name = |what: &str| format!("{}_{what}", project.name);
        let network = project.docker(&[
            "network",
            "inspect",
            &name("shut"),
            "--format",
            "{{.Internal}} {{index .Labels \"of\"}} {{(index .IPAM.Config 0).Subnet}}",
        ]);
        assert_eq!(network, format!("true us 10.213.{number}.0/24"));
        let volume =
            project.docker(&["volume", "inspect", &name("scratch"), "--format", "{{.Options.type}} {{.Options.o}}"]);
        assert_eq!(volume, "tmpfs size=8m");
        let worker = project.containers(false).into_iter().find(|name| name.contains("worker")).unwrap();
        let networks = project.docker(&[
            "inspect",
            &worker,
            "--format",
            "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
        ]);
        for network in networks.split_whitespace() {
            let internal = project.docker(&["network", "inspect", network, "--format", "{{.Internal}}"]);
            assert_eq!(internal, "true", "the worker has a way out through {network}");
        }
        project.rewrite(compose, "      - .:/app\n      - scratch:/scratch", "      - scratch:/app");
        project.commit("with a volume over the code");
        project
            .xtask(&["deploy", "--skip-tests"])
            .must_end_with(13)
            .must_say(&["mounted at /app, over the code", "every later version"]);
        project.status();
    }
}

/// Under another name a volume would be new and empty, and what was written would be out of sight.
#[test]
fn a_volume_under_a_new_name_hides_no_data() {
    const COMPOSE: &str = "backend/docker-compose.yml";
    let project = Project::new("instant");
    let mounted = |key: &str, volume: &str| {
        project.rewrite(COMPOSE, "      - .:/app\n", &format!("      - .:/app\n      - {key}:/orders\n"));
        project.rewrite(COMPOSE, "volumes:\n  redis-data:", &format!("volumes:\n  {key}: {volume}\n  redis-data:"));
        project.commit(&format!("orders in the volume {key}"));
    };
    mounted("orders", "{}");
    let first = project.deploy()["release"].clone();
    let api = || project.containers(false).into_iter().find(|name| name.contains("api")).unwrap();
    project.docker(&["exec", "-u", "0", &api(), "sh", "-c", "echo kept >/orders/rows"]);
    let rows = || project.docker(&["exec", &api(), "cat", "/orders/rows"]);
    project.forget_last_commit();

    mounted("sales", "{}");
    let own = |key: &str| format!("{}_{key}", project.name);
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&[&own("sales"), &format!("`name: {}`", own("orders")), "out of sight"]);
    assert_eq!((project.status()["live_release"].clone(), rows()), (first, "kept".to_owned()));
    project.forget_last_commit();
    mounted("sales", &format!("{{name: {}}}", own("orders")));
    project.deploy();
    assert_eq!(rows(), "kept");
    project.forget_last_commit();

    // It is meant so.
    project.docker(&["volume", "create", &own("sales")]);
    mounted("sales", "{}");
    project.deploy();
    assert!(rows_are_missing(&project, &api()));
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(rows(), "kept");
    project.status();
}

fn rows_are_missing(project: &Project, container: &str) -> bool {
    project.docker(&["exec", container, "sh", "-c", "ls /orders"]).is_empty()
}
