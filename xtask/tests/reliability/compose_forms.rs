//! A compose file with everything that teams write into one: each form works, or is refused before anything is touched
//! with what to write instead.

use std::time::{Duration, Instant};

use crate::support::load::{Address, Answer, BOTH, Load, assert_none_failed, get};
use crate::support::ports::free_port;
use crate::support::project::{Project, env_file};
use crate::support::team::Team;

/// The file as a team has it: anchors, `extends`, names and ports that are fixed, profiles, an external network, a second
/// web service of the same code, and no health check.
const COMPOSE: &str = r#"
x-release: &release
  build: .
  env_file: .env
  volumes: [".:/app"]
  restart: unless-stopped
  networks: [default, outer]

services:
  api:
    <<: *release
    container_name: NAME-api
    ports: ["127.0.0.1:BLUE:8000", "9099:9099"]
    stop_grace_period: 40s
    depends_on:
      redis: {condition: service_healthy}
  admin:
    <<: *release
    ports: ["127.0.0.1:ADMIN:8000"]
  worker:
    extends: {file: parts/common.yml, service: worker}
    container_name: NAME-worker
    env_file: .env
    volumes: [".:/app"]
  tools:
    <<: *release
    profiles: [tools]
    command: ["sleep", "infinity"]
  redis:
    image: redis:7-alpine
    container_name: NAME-cache
    command: ["redis-server", "--protected-mode", "no"]
    volumes: ["redis-data:/data"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 1s, timeout: 3s, retries: 10}

networks:
  outer: {external: true, name: NAME-outer}
volumes:
  redis-data:
"#;
const COMMON: &str = "services:\n  worker:\n    build: ..\n    command: [\"python\", \"worker.py\"]\n";
/// The second file of `compose = [..]`.
const OF_THE_SERVER: &str = "services:\n  api:\n    environment: {OF_THE_SERVER: \"yes\"}\n";

#[test]
fn compose_v2_reads_every_form() {
    every_form(&Project::new("instant"));
}

#[test]
fn compose_v1_reads_every_form() {
    every_form(&Project::with_compose_of_this_machine("instant"));
}

fn every_form(project: &Project) {
    let admin = Address { port: free_port(), host: "127.0.0.1".to_owned() };
    rewrite_compose(project, &admin);

    // Nothing has been deployed: an external network that nobody has made is told before anything starts.
    project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = [\"worker\", \"admin\"]");
    project.commit("every form");
    let network = format!("{}-outer", project.name);
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(15);
    refused.must_say(&[&network, "`external`", &format!("docker network create {network}")]);
    assert_eq!(project.containers(true), Vec::<String>::new(), "something was started");
    project.docker(&["network", "create", &network]);

    let first = project.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
    let first = first.must_say(&["`api` also publishes port 9099", "so a slot does not publish it"]).json();
    let containers = project.containers(false);
    assert_eq!(containers.len(), 4, "a service with a profile that is off was started: {containers:?}");
    assert!(containers.contains(&format!("{}-cache", project.name)), "{containers:?}");
    let api = containers.iter().find(|name| name.contains("api-")).unwrap();
    let inspected = project.docker(&["inspect", "-f", "{{.Config.Env}} {{json .Config.Healthcheck}}", api]);
    assert!(inspected.contains("OF_THE_SERVER=yes") && inspected.ends_with(" null"), "{inspected}");

    let load = Load::start(&project.address(), &BOTH, 40);
    what_cannot_work_is_told(project);
    project.new_version("the second one");
    let second = project.deploy();
    assert_none_failed("every form", &load.finish(), &BOTH);
    assert_ne!(second["slot"], first["slot"]);
    assert_eq!(project.containers(false).len(), 4, "{:?}", project.containers(false));
    // The other web service kept its port, and has the new version's code.
    let answer = once_booted(&admin);
    assert!(answer.body.contains(second["release"].as_str().unwrap()), "{}", answer.body);
    project.status();
}

/// A worker has no health check that a deploy could wait for: it may boot still when the deploy is over.
fn once_booted(worker: &Address) -> Answer {
    let begun = Instant::now();
    loop {
        match get(worker, "/health") {
            Ok(answer) => return answer,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Each is refused, and what serves goes on.
fn what_cannot_work_is_told(project: &Project) {
    let served = project.status()["live_release"].clone();
    let green = port_of("green", project);
    let refused = |parts: &[&str]| {
        project.xtask(&["deploy", "--skip-tests"]).must_end_with(3).must_say(&["Package release"]).must_say(parts)
    };

    project.rewrite("deploy.toml", ", \"admin\"]", "]");
    project.commit("a second web service that deploy.toml does not name");
    refused(&["service `admin` runs the same code as `api`", "add it to `workers`"]);
    project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = [\"worker\", \"admin\"]");

    project.write("env.local", &format!("{}COMPOSE_PROFILES=tools\n", env_file()));
    project.commit("a profile that is on");
    refused(&["service `tools` runs the same code as `api`", "profiles: [tools]"]);
    project.write("env.local", &env_file());

    project.change(
        "backend/docker-compose.yml",
        "protected-mode\", \"no\"]",
        &format!("protected-mode\", \"no\"]\n    ports: [\"{green}:6379\"]"),
    );
    refused(&[&format!("`redis` publishes port {green}"), "slot green", "`slots` in deploy.toml"]);
    project.change("backend/docker-compose.yml", &format!("\n    ports: [\"{green}:6379\"]"), "");

    project.change("deploy.toml", "web = \"api\"", "web = \"web\"");
    refused(&["there is no service `web`", "there are: ", "admin, api, redis", "COMPOSE_PROFILES"]);
    project.change("deploy.toml", "web = \"web\"", "web = \"api\"");
    assert_eq!(project.status()["live_release"], served);
}

fn port_of(slot: &str, project: &Project) -> String {
    let toml = std::fs::read_to_string(project.root().join("deploy.toml")).unwrap();
    toml.lines().find_map(|line| line.strip_prefix(&format!("{slot} = "))).unwrap().to_owned()
}

fn rewrite_compose(project: &Project, admin: &Address) {
    let compose = COMPOSE.replace("NAME", &project.name).replace("BLUE", &port_of("blue", project));
    project.write("backend/docker-compose.yml", &compose.replace("ADMIN", &admin.port.to_string()));
    project.write("backend/docker-compose.server.yml", OF_THE_SERVER);
    std::fs::create_dir(project.root().join("backend/parts")).unwrap();
    project.write("backend/parts/common.yml", COMMON);
    let files = "compose = [\"docker-compose.yml\", \"docker-compose.server.yml\"]\nweb = \"api\"";
    project.rewrite("deploy.toml", "web = \"api\"", files);
    let dockerfile = std::fs::read_to_string(project.root().join("backend/Dockerfile")).unwrap();
    let unchecked: Vec<&str> = dockerfile.lines().filter(|line| !line.starts_with("HEALTHCHECK")).collect();
    assert!(unchecked.len() < dockerfile.lines().count(), "the image had no health check");
    project.write("backend/Dockerfile", &format!("{}\n", unchecked.join("\n")));
}
