//! The compose file is honoured or refused: what of each key reaches a container, on both kinds of compose.

use crate::support::project::{Project, env_file};
use crate::support::team::Team;

/// A key as it stands in the file, and what docker says of it then.
const KEPT: [(&str, &str, &str); 27] = [
    ("cap_add: [SYS_NICE]", "{{.HostConfig.CapAdd}}", "[SYS_NICE]"),
    ("cap_drop: [MKNOD]", "{{.HostConfig.CapDrop}}", "[MKNOD]"),
    ("cpus: 0.5", "{{.HostConfig.NanoCpus}}", "500000000"),
    ("cpuset: \"0\"", "{{.HostConfig.CpusetCpus}}", "0"),
    ("devices: [\"/dev/null:/dev/other\"]", "{{range .HostConfig.Devices}}{{.PathInContainer}}{{end}}", "/dev/other"),
    ("dns_opt: [use-vc]", "{{.HostConfig.DnsOptions}}", "[use-vc]"),
    ("init: true", "{{.HostConfig.Init}}", "true"),
    ("labels: {of.us: \"yes\"}", "{{index .Config.Labels \"of.us\"}}", "yes"),
    ("mem_reservation: 200m", "{{.HostConfig.MemoryReservation}}", "209715200"),
    ("security_opt: [\"no-new-privileges:true\"]", "{{.HostConfig.SecurityOpt}}", "[no-new-privileges:true]"),
    ("cpu_shares: 512", "{{.HostConfig.CpuShares}}", "512"),
    ("dns: [10.1.2.3]", "{{.HostConfig.Dns}}", "[10.1.2.3]"),
    ("dns_search: [corp.example]", "{{.HostConfig.DnsSearch}}", "[corp.example]"),
    ("extra_hosts: [\"other.example:10.1.2.4\"]", "{{.HostConfig.ExtraHosts}}", "[other.example:10.1.2.4]"),
    ("group_add: [\"2001\"]", "{{.HostConfig.GroupAdd}}", "[2001]"),
    ("ipc: private", "{{.HostConfig.IpcMode}}", "private"),
    (
        "logging: {driver: json-file, options: {max-size: 3m}}",
        "{{index .HostConfig.LogConfig.Config \"max-size\"}}",
        "3m",
    ),
    ("mem_limit: 300m", "{{.HostConfig.Memory}}", "314572800"),
    ("oom_score_adj: 100", "{{.HostConfig.OomScoreAdj}}", "100"),
    ("pids_limit: 200", "{{.HostConfig.PidsLimit}}", "200"),
    ("shm_size: 70m", "{{.HostConfig.ShmSize}}", "73400320"),
    ("stop_signal: SIGINT", "{{.Config.StopSignal}}", "SIGINT"),
    ("sysctls: {net.core.somaxconn: \"500\"}", "{{index .HostConfig.Sysctls \"net.core.somaxconn\"}}", "500"),
    ("tmpfs: [/scratch]", "{{.HostConfig.Tmpfs}}", "map[/scratch:]"),
    ("tty: true", "{{.Config.Tty}}", "true"),
    ("ulimits: {nofile: 4096}", "{{range .HostConfig.Ulimits}}{{.Name}} {{.Soft}}{{end}}", "nofile 4096"),
    ("stdin_open: true", "{{.Config.OpenStdin}}", "true"),
];

fn projects() -> [Project; 2] {
    [Project::new("instant"), Project::with_compose_of_this_machine("instant")]
}

const COMPOSE: &str = "backend/docker-compose.yml";

/// Adds lines to a service; `first` is its first line.
fn add(project: &Project, first: &str, lines: &str) {
    project.rewrite(COMPOSE, first, &format!("{first}\n{lines}"));
}

fn named(project: &Project, part: &str) -> String {
    let all = project.containers(false);
    all.iter().find(|name| name.contains(part)).unwrap_or_else(|| panic!("{part} is not among {all:?}")).clone()
}

#[test]
fn what_a_service_is_given_reaches_its_container() {
    for project in projects() {
        let keys: String = KEPT.iter().map(|(key, _, _)| format!("    {key}\n")).collect();
        let keys = format!("{keys}    domainname: corp.example\n    hostname: api");
        for first in ["  api:\n    build: .", "  worker:\n    build: .", "  redis:\n    image: redis:7-alpine"] {
            add(&project, first, &keys);
        }
        // Without `restart`, docker would not start them again after a reboot.
        project.rewrite(COMPOSE, "    restart: unless-stopped\n    # A little more", "    # A little more");
        project.rewrite(
            COMPOSE,
            "    command: [\"python\", \"worker.py\"]",
            "    scale: 2\n    pull_policy: always\n    command: [\"python\", \"worker.py\"]",
        );
        project.rewrite(
            COMPOSE,
            "    ports:",
            "    container_name: the-api\n    mac_address: 02:42:ac:11:65:43\n    links: [\"redis\"]\n    ports:",
        );
        project.rewrite(COMPOSE, "  redis:\n    image", "  extra:\n    image: redis:7-alpine\n    profiles: [dbs]\n    restart: always\n  redis:\n    mac_address: 02:42:ac:11:65:44\n    image");
        project.write("env.local", &format!("{}export COMPOSE_PROFILES=app,dbs\n", env_file()));
        project.commit("with many keys");
        project.deploy();
        let inspect = |container: &str, format: &str| project.docker(&["inspect", "--format", format, container]);
        for part in ["api", "worker", "redis"] {
            let container = named(&project, part);
            for (key, format, expected) in KEPT {
                assert_eq!(inspect(&container, format), expected, "{key} of {container}");
            }
        }
        let (web, redis) = (named(&project, "api"), named(&project, "redis"));
        // A slot that is not ready must not be found by the service's name.
        let hostname = inspect(&web, "{{.Config.Hostname}}");
        assert!(hostname == "api-blue" || hostname == "api-green", "{hostname}");
        assert_eq!(inspect(&redis, "{{.Config.Hostname}}"), "api");
        assert_eq!(inspect(&web, "{{.HostConfig.RestartPolicy.Name}}"), "unless-stopped");
        assert_ne!(web, "the-api");
        // Of two versions that run at once, one alone could have the address.
        for (container, address) in [(&web, ""), (&redis, "02:42:ac:11:65:44")] {
            assert_eq!(inspect(container, "{{.Config.Domainname}}"), "corp.example", "{container}");
            assert_eq!(inspect(container, "{{.Config.MacAddress}}"), address, "{container}");
        }
        assert_eq!(inspect(&named(&project, "extra"), "{{.State.Status}}"), "running", "its profile is on");
        let workers = project.containers(false).iter().filter(|name| name.contains("worker")).count();
        assert_eq!(workers, 2, "{:?}", project.containers(false));
        // A second version beside it, and workers that are taken out of the settings.
        project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = []");
        project.rewrite(COMPOSE, "  worker:\n", "  worker:\n    profiles: [unused]\n");
        project.commit("without workers");
        project.deploy();
        assert!(!project.containers(true).iter().any(|name| name.contains("worker")), "{:?}", project.containers(true));
        project.status();
    }
}

/// Everything that cannot be had is told at once, before anything runs.
#[test]
fn all_that_is_refused_is_told_at_once_and_nothing_is_started() {
    for project in projects() {
        add(
            &project,
            "services:",
            "  front:\n    build: front\n  tasks:\n    image: python:3.11-slim\n    volumes:\n      - .:/app\n  migrate:\n    build: .\n    command: [\"python\", \"migrate.py\"]\n  gate:\n    image: redis:7-alpine\n    ports: [\"80:80\"]\n    depends_on: [api]\n  side:\n    image: redis:7-alpine\n    network_mode: \"service:api\"\n  book:\n    image: redis:7-alpine\n    depends_on:\n      migrate:\n        condition: service_completed_successfully",
        );
        std::fs::create_dir(project.root().join("backend/front")).unwrap();
        project.write("backend/front/Dockerfile", "FROM redis:7-alpine\n");
        project.rewrite("deploy.toml", "url = \"http://127.0.0.1", "# site\nurl = \"http://127.0.0.1");
        project.commit("with what a deploy cannot do");
        let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
        let refused = refused.must_say(&[
            "service `front` is built from this repository",
            "service `tasks` has the release's folder `.` mounted",
            "service `migrate` runs the same code as `api`",
            "before_boot = [[\"python\", \"migrate.py\"]]",
            "service `side` has `network_mode: service:api`",
            "Package release",
        ]);
        let shipped = std::fs::read_dir(project.server("releases")).unwrap().count();
        assert_eq!(shipped, 0, "it was shipped all the same: {refused}");
        assert_eq!(project.containers(true), Vec::<String>::new());
        project.rewrite("deploy.toml", "web = \"api\"", "web = \"web\"");
        project.commit("with a name that is not there");
        let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
        refused.must_say(&["there is no service `web`", "there are: api,", "Package release"]);
    }
}

/// A blank in the place of a variable is no answer.
#[test]
fn a_variable_that_nobody_sets_is_told_with_its_place() {
    for project in projects() {
        project.rewrite(COMPOSE, "    env_file: .env\n    depends_on", "    env_file: .env\n    environment:\n      MODE: \"${MODE}\"\n      LEVEL: ${LEVEL:-info}\n    depends_on");
        std::fs::create_dir(project.root().join("backend/deploy")).unwrap();
        let compose = std::fs::read_to_string(project.root().join(COMPOSE)).unwrap();
        // The compose file in a folder of its own, the `.env` where the app has it.
        let moved = compose
            .replace("build: .", "build: ..")
            .replace("- .:/app", "- ..:/app")
            .replace("env_file: .env", "env_file: ../.env");
        project.write("backend/deploy/compose.yml", &moved);
        project.rewrite("deploy.toml", "web = \"api\"", "web = \"api\"\ncompose = [\"deploy/compose.yml\"]");
        project.commit("a compose file in a folder");
        let line = 1 + moved.lines().position(|line| line.contains("${MODE}")).unwrap();
        let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
        refused.must_say(&[&format!("backend/deploy/compose.yml:{line}: MODE is set nowhere")]);
        assert!(!project.server("").exists(), "it was refused after something was done");
        project.write("env.local", &format!("{}MODE=fast\n", env_file()));
        project.deploy();
        let web = named(&project, "api");
        assert_eq!(project.docker(&["exec", &web, "printenv", "MODE", "LEVEL"]), "fast\ninfo");
        project.status();
    }
}

/// Nobody would look for it there: the file is reached through another one.
#[test]
fn a_variable_that_nobody_sets_is_told_from_other_files_too() {
    for project in projects() {
        project.write("backend/common.yml", "services:\n  base:\n    environment:\n      REGION: \"${REGION}\"\n");
        project.rewrite(
            COMPOSE,
            "  api:\n    build: .",
            "  api:\n    extends: {file: common.yml, service: base}\n    build: .",
        );
        project.commit("with a part in another file");
        let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
        refused.must_say(&["REGION"]);
        assert_eq!(project.containers(true), Vec::<String>::new());
        project.write("env.local", &format!("{}REGION=north\n", env_file()));
        project.deploy();
        assert_eq!(project.docker(&["exec", &named(&project, "api"), "printenv", "REGION"]), "north");
    }
}

/// Compose v1 prints all that the file has, and what nobody uses need not be there.
#[test]
fn a_secret_that_no_service_uses_is_not_asked_for() {
    for project in projects() {
        project.rewrite(
            COMPOSE,
            "volumes:\n  redis-data:",
            "secrets:\n  unused:\n    file: ./nowhere.txt\nconfigs:\n  unused:\n    file: ./nowhere.conf\nvolumes:\n  redis-data:",
        );
        project.commit("with what nobody uses");
        project.deploy();
        assert!(!project.server("shared/nowhere.txt").exists());
        project.status();
    }
}

/// An app's setting may be called as one of docker's.
#[test]
fn an_engine_that_the_env_file_names_is_the_app_s_own_affair() {
    for project in projects() {
        project.write("env.local", &format!("{}DOCKER_HOST=tcp://127.0.0.1:9\nCOMPOSE_FILE=no.yml\n", env_file()));
        project.deploy();
        let engine = project.docker(&["exec", &named(&project, "api"), "printenv", "DOCKER_HOST"]);
        assert_eq!(engine, "tcp://127.0.0.1:9");
        project.xtask(&["rollback"]).must_end_with(4);
        project.status();
    }
}

/// What others wait for runs once, and its failure is the deploy's.
#[test]
fn a_one_shot_runs_once_and_its_failure_ends_the_deploy() {
    for project in projects() {
        let once = "  prepare:\n    image: redis:7-alpine\n    command: [\"sh\", \"-c\", \"echo ran >>/prepared/log; exit 3\"]\n    volumes:\n      - ./prepared:/prepared";
        add(&project, "services:", once);
        project.rewrite(COMPOSE, "  redis:\n    image: redis:7-alpine", "  redis:\n    depends_on:\n      prepare:\n        condition: service_completed_successfully\n    image: redis:7-alpine");
        project.commit("with a one-shot that fails");
        let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
        failed.must_say(&["the service prepare", "exit code 3"]);
        project.change(COMPOSE, "exit 3", "exit 0");
        project.docker(&[
            "rm",
            "-f",
            "-v",
            &project.containers(true).into_iter().find(|name| name.contains("prepare")).unwrap(),
        ]);
        project.deploy();
        project.new_version("the second");
        project.deploy();
        let log = std::fs::read_to_string(project.server("shared/prepared/log")).unwrap();
        assert_eq!(log.lines().count(), 2, "once with the failure, once well: {log}");
        project.status();
    }
}

/// Nothing is built: an image, files of the release, and a secret that a variable of the `.env` is.
#[test]
fn an_app_that_is_an_image_and_files_needs_no_build() {
    let project = Project::new("instant");
    project.write(
        COMPOSE,
        "services:\n  api:\n    image: python:3.11-slim\n    init: true\n    command: [python, -m, http.server, \"8000\", -d, /site]\n    \
         volumes: [\"./site:/site:ro\"]\n    secrets: [token]\nsecrets:\n  token:\n    environment: API_TOKEN\n",
    );
    std::fs::create_dir(project.root().join("backend/site")).unwrap();
    project.write("backend/site/health", "well\n");
    project.rewrite("deploy.toml", "workers = [\"worker\"]\n", "");
    project.rewrite("deploy.toml", "[health]\n", "[health]\nexpect = {}\n");
    project.rewrite("deploy.toml", "before_boot = [[\"python\", \"migrate.py\"]]\n", "");
    project.commit("an image and files");
    let first = project.deploy()["release"].clone();
    let token = |project: &Project| project.docker(&["exec", &named(project, "api"), "cat", "/run/secrets/token"]);
    assert!(env_file().contains(&format!("API_TOKEN={}\n", token(&project))));
    project.change("backend/site/health", "well", "well again");
    assert_eq!(project.deploy()["from_release"], first);
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(project.status()["live_release"], first);
    assert!(env_file().contains(&format!("API_TOKEN={}\n", token(&project))));
}

/// A volume that has the same name in two projects would have two databases write into it.
#[test]
fn a_volume_of_another_project_is_not_used_by_two() {
    for project in projects() {
        let volume = format!("{}_kept", project.name);
        project.rewrite(COMPOSE, "volumes:\n  redis-data:", &format!("volumes:\n  redis-data:\n    name: {volume}"));
        project.commit("a volume with a name");
        project.docker(&["volume", "create", "--label", "com.docker.compose.project=another", &volume]);
        let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
        refused.must_say(&[&format!("the volume {volume}"), "is of the compose project another", "`external: true`"]);
        assert_eq!(project.containers(true), Vec::<String>::new());
        project.docker(&["volume", "rm", &volume]);
        project.deploy();
        project.status();
    }
}
