//! What is deployed, how and where to: `deploy.toml` and the environment's variables as one value that cannot be wrong in
//! shape. It is made by `deploy_toml`.

pub mod deploy_toml;
pub mod env_file;
mod health;
pub mod site_url;
mod static_files;
mod tests_of_app;
pub mod traffic;
mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::rules::canary::Canary;
use crate::rules::failure::Kind;
use crate::rules::release::Slot;
use crate::rules::secret::Secret;

pub use crate::rules::config::health::Health;
pub use crate::rules::config::site_url::SiteUrl;
pub use crate::rules::config::static_files::{ImageFolder, StaticFiles};
pub use crate::rules::config::tests_of_app::{Pytest, TestCommands, Tests};
pub use crate::rules::config::traffic::Traffic;
pub use crate::rules::config::web::{ServingVersion, Web};

/// Everything a command needs to know, for one environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of `deploy.toml`: the repository's root.
    pub root: PathBuf,
    pub project: Project,
    /// The name that `[project]` gives: that of the environment `prod`.
    pub production: String,
    /// Web services beside the first one.
    pub more_webs: Vec<Web>,
    /// Ports of the slots: as configured; else, once the host has been looked at, as its nginx has them.
    pub slots: Slots,
    /// What of the ports stands in `deploy.toml`; the rest is the host's to say.
    pub fixed: Fixed,
    pub health: Health,
    pub traffic: Traffic,
    pub canary: Canary,
    pub hooks: Hooks,
    pub static_files: StaticFiles,
    /// Once the host has been looked at, and where the tool writes the site itself.
    pub serves: Option<ServingVersion>,
    pub limits: Limits,
    pub tests: Tests,
    pub environment: Environment,
    /// Images that a command names in the place of what the compose file says, by service.
    pub images: BTreeMap<String, GivenImage>,
    /// Environment variables that hold a secret, of any environment: no child process has them.
    pub secret_variables: Vec<String>,
    /// `deploy.toml` as it is: what stands in it is no secret.
    pub text: String,
}

impl Config {
    /// The same with the ports that a host has; what is given in `deploy.toml` stays.
    pub fn with_ports(&self, slots: Slots, live_port: u16, further: &BTreeMap<String, Slots>) -> Config {
        let mut config = self.clone();
        for web in config.more_webs.iter_mut().filter(|web| !web.fixed) {
            web.slots = further.get(&web.upstream).copied().unwrap_or(web.slots);
        }
        if !self.fixed.slots {
            config.slots = slots;
        }
        if !self.fixed.live_port {
            config.environment.nginx.live_port = live_port;
        }
        config
    }

    /// # Errors
    /// [`Kind::Configuration`] naming all variables together that are needed to ship a release to the host.
    pub fn require_for_shipping(&self) -> Result<()> {
        let mut missing = match &self.environment.reach {
            Reach::Missing(missing) => missing.clone(),
            Reach::Local | Reach::Ssh(_) => Vec::new(),
        };
        let Environment { env_file, files, registries, .. } = &self.environment;
        let passwords = registries.iter().map(|registry| &registry.password);
        let sources = [env_file].into_iter().chain(files.values()).chain(passwords);
        missing.extend(sources.filter_map(SecretSource::missing));
        if missing.is_empty() { Ok(()) } else { Err(self.missing(&missing)) }
    }

    /// These variables are needed and not set.
    pub fn missing(&self, variables: &[String]) -> anyhow::Error {
        let name = &self.environment.name;
        Kind::Configuration.error(format!(
            "environment {name} needs these environment variables, which are not set: {}",
            variables.join(", ")
        ))
    }
}

/// An image that is built elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GivenImage {
    /// What a registry calls it.
    Registry(String),
    /// Its id in the docker of the machine that deploys, from which it is carried to the host.
    Local(String),
}

/// Which ports are given, and so must be the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    pub slots: bool,
    pub live_port: bool,
}

/// What is deployed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Name of the environment's base compose project; slots are `<name>-blue` and `<name>-green`. Everything made on a host
    /// carries it, and the folder beside it: together they are the environment's identity there.
    pub name: String,
    /// Folder of the application, relative to `deploy.toml`: what is packaged and shipped.
    pub app: String,
    /// Compose files, relative to `app`. Where they are not given, the one that is there by one of compose's own names.
    #[serde(default = "default_compose_files")]
    pub compose: Vec<String>,
    /// The service that is blue-green.
    pub web: String,
    /// The port it listens on inside its container.
    #[serde(default = "default_web_port")]
    pub web_port: u16,
    /// Services built from the same code, replaced after the switch. All others are accessories, never restarted.
    #[serde(default)]
    pub workers: Vec<String>,
    /// Accessories although they look like code of the release: built from it, or with its files mounted. They keep the
    /// version they were started with.
    #[serde(default)]
    pub accessories: Vec<String>,
    /// Services that no host runs, as if they were not in the compose file: a proxy of the project's own, tools for development.
    #[serde(default)]
    pub off: Vec<String>,
    /// Paths of the app's folder that outlive releases, also where they are committed.
    #[serde(default)]
    pub shared: Vec<String>,
    /// Good releases kept for a rollback, the live one included; at least 2.
    #[serde(default = "default_keep")]
    pub keep: usize,
    /// How much of the engine's build cache a build leaves, as docker writes a size (`10GB`). Without it, nothing is removed: the cache
    /// is the engine's, and other projects build with it.
    #[serde(default)]
    pub build_cache: Option<String>,
}

fn default_compose_files() -> Vec<String> {
    vec!["docker-compose.yml".to_owned()]
}

fn default_web_port() -> u16 {
    8000
}

fn default_keep() -> usize {
    5
}

/// Ports of the slots on the server's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slots {
    pub blue: u16,
    pub green: u16,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots { blue: 8000, green: 8001 }
    }
}

impl Slots {
    pub fn port(self, slot: Slot) -> u16 {
        match slot {
            Slot::Blue => self.blue,
            Slot::Green => self.green,
        }
    }
}

/// Commands run in a one-off container of the new release. Each must stand being run again.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before the slot boots: migrations. Not on a rollback.
    pub before_boot: Vec<Vec<String>>,
    /// The slot is healthy, traffic has not moved.
    pub before_switch: Vec<Vec<String>>,
    /// The new version serves.
    pub after_switch: Vec<Vec<String>>,
    /// Seconds a hook may take.
    pub timeout: u64,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks { before_boot: Vec::new(), before_switch: Vec::new(), after_switch: Vec::new(), timeout: 600 }
    }
}

/// How long what depends on the project's size and the host's speed may take. Times are in seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sending the archive, and unpacking it.
    pub ship: u64,
    /// Building the images.
    pub build: u64,
    /// Until accessories with a health check are healthy, and until what runs once has ended.
    pub accessories: u64,
    /// The tests.
    pub test: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { ship: 600, build: 1800, accessories: 120, test: 1800 }
    }
}

/// Where a deploy goes.
#[derive(Clone, Debug)]
pub struct Environment {
    pub name: String,
    pub reach: Reach,
    /// Absolute folder on the host: releases, switch flag, record, lock.
    pub folder: String,
    /// Where users reach the site through nginx; the tool asks the host itself for it, whatever its DNS says.
    pub url: SiteUrl,
    pub nginx: Nginx,
    /// The release's `.env`, where the environment has one. Only packaging and shipping need it.
    pub env_file: SecretSource,
    /// What else of a release is not in its commit, by its path below the app's folder.
    pub files: BTreeMap<String, SecretSource>,
    /// Registries that ask for a password.
    pub registries: Vec<Registry>,
    /// `docker compose` or `docker-compose`; found out where not given.
    pub compose: Option<String>,
    /// Users reach the site at its address from where it is deployed from.
    pub public: bool,
}

/// A registry of images, to which a host is logged in for as long as it pulls and builds.
#[derive(Clone, Debug)]
pub struct Registry {
    /// As images name it: `ghcr.io`.
    pub server: String,
    pub user: String,
    pub password: SecretSource,
}

/// How commands get to the host.
#[derive(Clone, Debug)]
pub enum Reach {
    Local,
    Ssh(SshTarget),
    /// Behind SSH, but these environment variables are not set. Only commands that connect need them.
    Missing(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct SshTarget {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub key: Secret,
    pub known_hosts: Option<String>,
    /// How long a connection that only looked is kept for the next look.
    pub keep: Option<Duration>,
    /// `PROD_`, what the variables of this environment begin with.
    pub prefix: String,
}

impl SshTarget {
    /// The variable of this environment that is called `name`.
    pub fn variable(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

/// Where the `.env` of a release comes from, another file that is not in its commit, or a password.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// A file on this machine.
    Path(PathBuf),
    /// The content came from an environment variable.
    Content(Secret),
    /// The variable that should hold it is not set.
    Missing { variable: String },
}

impl SecretSource {
    /// The variable that should hold it, and is not set.
    pub fn missing(&self) -> Option<String> {
        match self {
            SecretSource::Missing { variable } => Some(variable.clone()),
            SecretSource::Path(_) | SecretSource::Content(_) => None,
        }
    }
}

/// The web server in front, and how its traffic is moved.
#[derive(Clone, Debug)]
pub struct Nginx {
    pub upstream: String,
    pub upstream_file: String,
    pub site_file: String,
    /// Loopback port on which nginx itself names the slot it obeys.
    pub live_port: u16,
    pub owner: NginxOwner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NginxOwner {
    /// The server's nginx; reloaded by `sudo nginx -s reload`.
    System,
    /// An nginx of the tool's own, without root, in the environment's folder.
    Private(SwitchMode),
}

/// How traffic is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SwitchMode {
    /// The upstream file is rewritten and nginx reloaded.
    Reload,
    /// A flag file selects the slot; takes effect at the next request.
    Instant,
}

impl fmt::Display for SwitchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SwitchMode::Reload => "reload",
            SwitchMode::Instant => "instant",
        })
    }
}
