//! What is neither the web service nor a worker: started where it is missing, left alone where it runs, and named where it is
//! not what the compose file says any more.

use crate::support::ports::free_port;
use crate::support::project::Project;
use crate::support::team::{Run, Team};

const COMPOSE: &str = "backend/docker-compose.yml";

fn add(project: &Project, service: &str) {
    project.rewrite(COMPOSE, "services:", &format!("services:\n{service}"));
}

/// The containers of a service, as `compose project/id/restart policy`.
fn running(project: &Project, service: &str) -> Vec<String> {
    let of = project.containers(false).into_iter().filter(|name| name.contains(service)).map(|name| {
        let format =
            "{{index .Config.Labels \"com.docker.compose.project\"}}/{{.Id}}/{{.HostConfig.RestartPolicy.Name}}";
        project.docker(&["inspect", "--format", format, &name])
    });
    of.collect()
}

/// Two schedulers would do everything twice, and none would do nothing.
#[test]
fn an_accessory_that_becomes_a_worker_works_once_whatever_becomes_of_the_deploy() {
    let project = Project::new("instant");
    add(
        &project,
        "  scheduler:\n    image: redis:7-alpine\n    init: true\n    command: [\"sleep\", \"600\"]\n    restart: always",
    );
    project.commit("with a scheduler beside it");
    let first = project.deploy()["release"].clone();
    let accessory = running(&project, "scheduler");
    assert!(accessory.len() == 1 && accessory[0].ends_with("/always"), "{accessory:?}");

    project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = [\"worker\", \"scheduler\"]");
    project.rewrite("deploy.toml", "[hooks]\n", "[hooks]\nafter_switch = [[\"false\"]]\n");
    project.commit("the scheduler is a worker");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(14);
    assert_eq!(running(&project, "scheduler"), accessory, "the accessory does not work as it did");
    assert_eq!(project.status()["live_release"], first);

    project.rewrite("deploy.toml", "after_switch = [[\"false\"]]\n", "");
    project.commit("the hook is right");
    project.deploy();
    let worker = running(&project, "scheduler");
    assert!(worker.len() == 1 && worker[0].starts_with(&format!("{}-workers/", project.name)), "{worker:?}");
    project.status();

    project.xtask(&["rollback"]).must_end_with(0);
    // With `always`, a reboot would have started it beside the worker.
    let again = running(&project, "scheduler");
    assert_eq!(again, [accessory[0].replace("/always", "/unless-stopped")], "the accessory does not work as it did");
    assert_eq!(project.status()["live_release"], first);
}

/// It may come before what it needs; docker starts it again, and then it runs.
#[test]
fn an_accessory_that_needs_some_tries_is_waited_for_and_one_that_never_runs_is_shown() {
    let project = Project::new("instant");
    let tries = "n=$$(cat /tries || echo 0); echo $$((n + 1)) >/tries; [ $$n -ge 4 ] || exit 1; exec sleep 600";
    add(
        &project,
        &format!(
            "  late:\n    image: redis:7-alpine\n    init: true\n    command: [\"sh\", \"-c\", \"{tries}\"]\n    restart: always"
        ),
    );
    project.commit("with one that needs five tries");
    project.deploy();
    project.status();
    add(
        &project,
        "  never:\n    image: redis:7-alpine\n    command: [\"sh\", \"-c\", \"echo no such database; exit 3\"]\n    restart: always\n  \
         once:\n    image: redis:7-alpine\n    command: [\"sh\", \"-c\", \"exit 5\"]",
    );
    project.commit("with one that never runs");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&["these accessories do not run", "never", "no such database"]);
    project.change(COMPOSE, "echo no such database; exit 3", "exec sleep 600");
    let never = project.containers(true).into_iter().find(|name| name.contains("never")).unwrap();
    project.docker(&["rm", "-f", &never]);
    let ended = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
    let ended = ended.must_say(&["these accessories have ended", "once (container"]);
    // The end of a run says it too, among hundreds of lines of a build.
    assert!(ended.to_string().contains("\nwarning  these accessories have ended"), "{ended}");

    let api = "    depends_on:\n      redis:\n        condition: service_healthy\n    healthcheck:\n      test: [\"CMD\", \"python\"";
    project.change(
        COMPOSE,
        api,
        &api.replace("depends_on:\n", "depends_on:\n      once:\n        condition: service_started\n"),
    );
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&["these accessories do not run", "once (container", "exit code 5", "`off`"]);
}

/// Two databases on one folder, or in one volume, spoil each other's data.
#[test]
fn an_accessory_under_a_new_name_is_not_started_beside_the_old_one() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        for (number, (old, new, data)) in
            [("ledger", "book", "./ledger:/data"), ("shelf", "rack", "kept:/data")].into_iter().enumerate()
        {
            add(
                &project,
                &format!(
                    "  {old}:\n    image: redis:7-alpine\n    command: [redis-server, --appendonly, \"yes\"]\n    volumes: [\"{data}\"]\n    restart: always"
                ),
            );
            if number == 1 {
                project.rewrite(COMPOSE, "volumes:\n  redis-data:", "volumes:\n  kept:\n  redis-data:");
            }
            project.commit("with a database");
            project.deploy();
            let of = |service: &str| project.containers(true).into_iter().find(|name| name.contains(service));
            let before = of(old).unwrap();
            project.docker(&["exec", &before, "redis-cli", "set", "row", old]);
            project.change(COMPOSE, &format!("  {old}:\n    image"), &format!("  {new}:\n    image"));
            let live = project.status()["live_release"].clone();
            let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
            refused.must_say(&[&format!("the service {old}"), "still runs", &format!("docker rm -f {before}")]);
            assert_eq!((of(new), project.status()["live_release"].clone()), (None, live));
            project.docker(&["rm", "-f", &before]);
            project.deploy();
            assert_eq!(project.docker(&["exec", &of(new).unwrap(), "redis-cli", "get", "row"]), old);
        }
        // One whose data nobody else has runs on, and is named.
        let last = project.containers(true).into_iter().find(|name| name.contains("rack")).unwrap();
        project.rewrite(COMPOSE, "  rack:\n    image", "  rack:\n    profiles: [unused]\n    image");
        project.commit("without the rack");
        let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
        run.must_say(&["the service rack", "still runs", &format!("docker rm -f {last}")]);
    }
}

const EARLIER: &str = "as an earlier compose file defines it";

fn silent(run: &Run) {
    assert!(!run.stderr.contains(EARLIER), "it has not changed: {run}");
}

/// What an accessory has mounted of the release is a part of it, links too, by whichever command it is looked at.
#[test]
fn an_accessory_is_called_changed_where_it_is_and_nowhere_else() {
    let project = Project::new("instant");
    project.rewrite(COMPOSE, "      - redis-data:/data", "      - redis-data:/data\n      - ./conf:/conf:ro");
    std::fs::create_dir(project.root().join("backend/conf")).unwrap();
    project.write("backend/conf/one.conf", "appendonly yes\n");
    let link = project.root().join("backend/conf/current.conf");
    std::os::unix::fs::symlink("one.conf", &link).unwrap();
    project.commit("with a link among its files");
    silent(&project.xtask(&["deploy", "--skip-tests"]).must_end_with(0));
    project.new_version("the second");
    silent(&project.xtask(&["deploy", "--skip-tests"]).must_end_with(0));
    silent(&project.xtask(&["rollback"]).must_end_with(0));
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("two.conf", &link).unwrap();
    project.commit("the link leads elsewhere");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(0).must_say(&["the accessory redis", EARLIER]);
}

/// One that is built runs the image that it was built with, and what runs once runs anew for another definition.
#[test]
fn a_built_accessory_keeps_its_image_until_it_is_made_anew() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        project.write("backend/Dockerfile.cache", "FROM redis:7-alpine\nARG LEVEL\nENV LEVEL=$LEVEL\n");
        let build =
            "    build:\n      context: .\n      dockerfile: Dockerfile.cache\n      args:\n        LEVEL: \"1\"";
        add(
            &project,
            &format!(
                "  cache:\n{build}\n    depends_on:\n      prepare:\n        condition: service_completed_successfully\n  \
                 prepare:\n{build}\n    command: [\"sh\", \"-c\", \"echo $$LEVEL >>/prepared/log\"]\n    volumes:\n      - ./prepared:/prepared"
            ),
        );
        project.rewrite("deploy.toml", "keep = 3", "keep = 3\naccessories = [\"cache\", \"prepare\"]");
        project.commit("with a cache that is built");
        project.deploy();
        let level = || {
            let cache = project.containers(false).into_iter().find(|name| name.contains("cache")).unwrap();
            (project.docker(&["exec", &cache, "printenv", "LEVEL"]), cache)
        };
        let (first, cache) = level();
        assert_eq!(first, "1");
        project.rewrite(COMPOSE, "LEVEL: \"1\"", "LEVEL: \"2\"");
        project.change(COMPOSE, "LEVEL: \"1\"", "LEVEL: \"2\"");
        let run = project.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
        run.must_say(&["the accessory cache", EARLIER, &format!("docker rm -f {cache}")]);
        assert_eq!(level().0, "1", "a deploy has renewed what runs");
        project.docker(&["rm", "-f", &cache]);
        project.deploy();
        assert_eq!(level().0, "2");
        let log = std::fs::read_to_string(project.server("shared/prepared/log")).unwrap();
        assert_eq!(log, "1\n2\n", "what runs once did not run once for each definition");
        project.status();
    }
}

/// Docker has each name of a container, and each port of the machine, once.
#[test]
fn a_name_or_port_that_another_container_has_stops_a_deploy_and_no_second_environment() {
    let project = Project::new("instant");
    let (ledger, port) = (format!("{}-ledger", project.name), free_port());
    let fixed = |published: u16| {
        format!(
            "  ledger:\n    image: redis:7-alpine\n    container_name: {ledger}\n    ports: [\"127.0.0.1:{published}:6379\"]\n    restart: always\n    \
             command: [redis-server, --protected-mode, \"no\"]"
        )
    };
    add(&project, &fixed(port));
    project.rewrite(
        COMPOSE,
        "  worker:\n    build: .\n",
        &format!("  clerk:\n    image: redis:7-alpine\n    restart: always\n    command: [sh, -c, \"redis-cli -h {ledger} ping && exec sleep 600\"]\n    depends_on: [ledger]\n  worker:\n    build: .\n"),
    );
    project.commit("with a ledger");
    // Another project's, which is left as it is.
    let label = format!("com.docker.compose.project={}-dev", project.name);
    let publish = format!("127.0.0.1:{port}:6379");
    let words = ["run", "-d", "--name", &ledger, "--label", &label, "-p", &publish, "redis:7-alpine", "redis-server"];
    let other = project.docker(&words);
    let remedy = format!("docker rm -f {ledger}");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&[&format!("of {}-dev", project.name), "container_name", &remedy]);
    assert_eq!(project.containers(true).len(), 0, "{:?}", project.containers(true));

    // An environment beside production gives it a name that is its own.
    let name = format!("name = \"{}\"", project.name);
    project.rewrite("deploy.toml", &name, &name.replace("test", "prod"));
    project.rewrite("deploy.toml", "[environments.local]\n", &format!("[environments.local]\n{name}\n"));
    project.commit("an environment beside production");
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&[&format!("publishes port {port}"), &format!("the container {ledger}"), "`ports`"]);
    project.rewrite(COMPOSE, &fixed(port), &fixed(free_port()));
    project.commit("a port of its own");
    project.deploy();
    let clerk = project.containers(false).into_iter().find(|name| name.contains("clerk")).unwrap();
    assert_eq!(project.docker(&["logs", &clerk]), "PONG");
    let is_other = project.docker(&["inspect", "--format", "{{.Id}} {{.State.Running}}", &ledger]);
    assert_eq!(is_other, format!("{other} true"));
    project.deploy();
    project.docker(&["rm", "-f", "-v", &ledger]);
}
