//! A service of a project that nobody has described, and what its files tell of it.

use serde_json::Value;

use super::{Health, ProposedWeb};
use crate::rules::engine::compose::data;
use crate::rules::engine::compose::dockerfile::{self, Dockerfile};
use crate::rules::engine::compose::project::{Service, scalar};

/// Proxies whose part the host's nginx has, by their images, and by how teams call them where they build one.
const PROXIES: [&str; 6] = ["nginx", "caddy", "traefik", "haproxy", "envoy", "nginx-proxy"];
const PROXY_NAMES: [&str; 8] = ["nginx", "proxy", "reverse-proxy", "caddy", "traefik", "haproxy", "gateway", "ingress"];
/// How teams call what prepares the database, and ends.
const JOBS: [&str; 6] = ["migrate", "migration", "migrations", "migrator", "db-migrate", "migrate-db"];
/// And what is for people who develop, or is run by hand.
pub const TOOLS: [&str; 15] = [
    "test",
    "tests",
    "e2e",
    "lint",
    "shell",
    "dev",
    "storybook",
    "playwright",
    "seed",
    "seeder",
    "fixtures",
    "createsuperuser",
    "debug",
    "console",
    "notebook",
];
/// Watched by people, and nothing that users reach.
const FOR_PEOPLE: [&str; 9] =
    ["flower", "exporter", "metrics", "admin", "mailhog", "mailpit", "grafana", "prometheus", "dashboard"];
/// Parts of the names of images that keep data: nobody would want two of them on one folder.
const STORES: [&str; 30] = [
    "postgres",
    "postgis",
    "timescale",
    "pgvector",
    "mysql",
    "mariadb",
    "percona",
    "mssql",
    "oracle",
    "redis",
    "valkey",
    "keydb",
    "mongo",
    "couch",
    "cassandra",
    "scylla",
    "rabbitmq",
    "kafka",
    "nats",
    "memcached",
    "elasticsearch",
    "opensearch",
    "minio",
    "clickhouse",
    "influx",
    "neo4j",
    "etcd",
    "zookeeper",
    "qdrant",
    "meilisearch",
];
/// Ports on which apps speak HTTP, before those that a debugger or sshd has.
const USUAL_PORTS: [u16; 12] = [8000, 8080, 3000, 5000, 80, 4000, 8888, 9000, 3001, 8081, 5173, 4200];

/// A service with what its Dockerfile tells.
pub struct Candidate<'a> {
    pub name: &'a str,
    pub service: &'a Service,
    pub image: Dockerfile,
}

impl Candidate<'_> {
    pub fn is_store(&self) -> bool {
        is_store(self.service.image.as_deref().filter(|_| self.service.build.is_none()).unwrap_or(&self.image.base))
    }

    pub fn is_proxy(&self) -> bool {
        let opens = !self.service.published().is_empty();
        let is_one = |image: &str| {
            let name = image.rsplit('/').next().unwrap_or_default();
            PROXIES.contains(&name.split([':', '@']).next().unwrap_or_default())
        };
        match self.service.build {
            None => opens && self.service.image.as_deref().is_some_and(is_one),
            Some(_) => opens && PROXY_NAMES.contains(&self.name) && is_one(&self.image.base),
        }
    }

    /// What ends by itself: docker starts what has ended well only where it is to start always. `is_needed`: others depend on it.
    pub fn is_job(&self, is_needed: bool) -> bool {
        let policy = self.service.rest.get("restart").and_then(Value::as_str);
        // Who writes that it is not to be started again, and has others wait for it, prepares something for them.
        let prepares = is_needed && policy == Some("no") && self.service.build.is_some() && !self.may_be_web();
        prepares || (JOBS.contains(&self.name) && !matches!(policy, Some("always" | "unless-stopped")))
    }

    pub fn may_be_web(&self) -> bool {
        let for_people = FOR_PEOPLE.iter().any(|part| self.name.contains(part));
        let image = self.service.image.as_deref().unwrap_or_default();
        let shows_data = ["adminer", "pgadmin", "phpmyadmin", "exporter", "mailhog", "mailpit", "grafana", "prom/"];
        let is_a_tool = self.service.build.is_none() && shows_data.iter().any(|part| image.contains(part));
        port(self.service, &self.image).is_some() && !self.is_store() && !for_people && !is_a_tool
    }

    /// `folder`: where the app lies in what compose printed.
    pub fn web(&self, folder: &str, is_known: &dyn Fn(&str) -> bool) -> Option<ProposedWeb> {
        let port = port(self.service, &self.image).or(self.image.port)?;
        let asked = match health_check_url(self.service) {
            Some(asked) => Some(asked),
            None if self.service.health_check_words().is_some() => None,
            None => self.image.health_check.as_deref().and_then(url),
        };
        let plain = |path: &String| path.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        let path = asked.filter(|(checked, _)| checked.is_none_or(|checked| checked == port)).map(|(_, path)| path);
        let health = path.filter(|path| plain(path) && is_known(path)).map_or(Health::AnyAnswer, Health::Path);
        let code = super::code(self.service).and_then(|(context, _)| data::inside(context?, folder)).map(str::to_owned);
        Some(ProposedWeb { service: self.name.to_owned(), port, health, code })
    }
}

pub fn is_store(image: &str) -> bool {
    STORES.iter().any(|store| image.contains(store))
}

/// Ports that it says it listens on.
fn exposed(service: &Service) -> Vec<u16> {
    let exposed = service.rest.get("expose").and_then(Value::as_array).into_iter().flatten();
    exposed.filter_map(|port| scalar(port).split('/').next()?.parse().ok()).collect()
}

/// The port, where it is told, and the path that its own health check asks over HTTP.
fn health_check_url(service: &Service) -> Option<(Option<u16>, String)> {
    url(&service.health_check_words()?)
}

fn url(words: &[String]) -> Option<(Option<u16>, String)> {
    let url = words.iter().find_map(|word| word.split_once("http://").map(|(_, rest)| rest.to_owned()))?;
    let end = url.find(['\'', '"', '`', ')', ';', ',', '|', '&', '<', '>']).unwrap_or(url.len());
    let (authority, path) = url[..end].split_once('/').unwrap_or((&url[..end], ""));
    let port = authority.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok());
    Some((port, format!("/{path}")))
}

/// The port inside its container: that of its health check, else of those that it publishes the one on which apps speak HTTP.
fn port(service: &Service, image: &Dockerfile) -> Option<u16> {
    let published: Vec<u16> = service.published().iter().map(|port| port.inside).collect();
    let exposed = exposed(service);
    let all: Vec<u16> = published.iter().chain(&exposed).copied().collect();
    let asked = health_check_url(service).and_then(|(port, _)| port);
    let known = asked.into_iter().chain(image.port).chain(USUAL_PORTS).find(|port| all.contains(port));
    known.or_else(|| all.first().copied())
}

/// What the Dockerfile of a service tells.
pub fn image(service: &Service, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Dockerfile {
    let Some((Some(context), file)) = super::code(service) else { return Dockerfile::default() };
    let Some(context) = data::inside(context, folder) else { return Dockerfile::default() };
    let path = if context.is_empty() { file.to_owned() } else { format!("{context}/{file}") };
    read(&path)
        .map(|text| dockerfile::read(&text, service.build.as_ref().and_then(|build| build.target())))
        .unwrap_or_default()
}
