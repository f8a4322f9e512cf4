//! A compose project as `config` prints it, read so that no value changes on its way.
//!
//! v1 prints YAML by the rules of YAML 1.1 and readers follow 1.2, so an untyped reader takes the text `1e3` for the
//! number 1000. Where a value is a text to the container (environment, labels, arguments, commands) it is read as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, anyhow};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::build::Build;
use super::published::Published;
use super::words::Words;

/// Text values by name; `None` is a name without a value.
pub type Texts = BTreeMap<String, Option<String>>;

#[derive(Deserialize)]
pub struct Project {
    /// v1 prints the version of the file format, v2 none; what is printed is written back.
    version: Option<String>,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    pub networks: BTreeMap<String, Option<Resource>>,
    #[serde(default)]
    pub volumes: BTreeMap<String, Option<Resource>>,
    #[serde(default)]
    pub secrets: Option<Value>,
    #[serde(default)]
    pub configs: Option<Value>,
    #[serde(default)]
    models: Option<Value>,
    /// The rest is not of a deploy.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

#[derive(Deserialize, Default)]
pub struct Service {
    pub build: Option<Build>,
    pub image: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub environment: Texts,
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Texts,
    command: Option<Words>,
    entrypoint: Option<Words>,
    healthcheck: Option<HealthCheck>,
    #[serde(default)]
    networks: Option<Attached>,
    #[serde(default)]
    pub volumes: Option<Vec<Value>>,
    pub ports: Option<Value>,
    depends_on: Option<Value>,
    pub links: Option<Vec<String>>,
    pub container_name: Option<String>,
    profiles: Option<Vec<String>>,
    pub network_mode: Option<String>,
    pub deploy: Option<Value>,
    pub scale: Option<u64>,
    /// All that needs no care.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

#[derive(Deserialize, Serialize)]
struct HealthCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Words>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A network or volume of the project.
#[derive(Deserialize, Serialize)]
pub struct Resource {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<Value>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl Resource {
    /// Whether it is there whatever this project does.
    pub fn external(resources: &BTreeMap<String, Option<Resource>>, key: &str) -> bool {
        let external = resources.get(key).and_then(Option::as_ref).and_then(|resource| resource.external.as_ref());
        external.is_some_and(|external| *external != json!(false))
    }

    /// Its name for docker: its own, or what compose makes of its key.
    pub fn name(resources: &BTreeMap<String, Option<Resource>>, key: &str, project: &str) -> String {
        let resource = resources.get(key).and_then(Option::as_ref);
        // The old form: `external: {name: …}`.
        let old = resource.and_then(|resource| resource.external.as_ref()?.get("name")?.as_str().map(str::to_owned));
        resource.and_then(|resource| resource.name.clone()).or(old).unwrap_or_else(|| {
            if Resource::external(resources, key) { key.to_owned() } else { format!("{project}_{key}") }
        })
    }
}

/// The networks a service is on: a list of keys, or keys with settings.
struct Attached(Vec<(String, Option<Map<String, Value>>)>);

impl<'de> Deserialize<'de> for Attached {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Attached, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Attached;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("networks, as a list or by name")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<Attached, A::Error> {
                let mut networks = Vec::new();
                while let Some(key) = keys.next_element()? {
                    networks.push((key, None));
                }
                Ok(Attached(networks))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Attached, A::Error> {
                let mut networks = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    networks.push(entry);
                }
                Ok(Attached(networks))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// `null` is none of them.
///
/// # Errors
/// Where it is something else.
pub fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    Ok(Option::<Texts>::deserialize(deserializer)?.unwrap_or_default())
}

impl Project {
    /// # Errors
    /// With the place in what compose printed, never with a value.
    pub fn read(config: &str) -> Result<Project> {
        let json = config.starts_with('{').then(|| super::escaped(config));
        yaml_serde::from_str(json.as_deref().unwrap_or(config)).map_err(|error| {
            let place = error.location().map(|at| format!(" at line {}", at.line())).unwrap_or_default();
            anyhow!("what compose printed is not understood{place}; see it with `docker-compose config` in the release's folder")
        })
    }

    /// The beginning of each file.
    pub fn head(&self) -> Map<String, Value> {
        self.version.iter().map(|version| ("version".to_owned(), json!(version))).collect()
    }

    /// Whether a network leads nowhere but to its own containers.
    pub fn is_internal(&self, key: &str) -> bool {
        let network = self.networks.get(key).and_then(Option::as_ref);
        network.and_then(|network| network.rest.get("internal")) == Some(&json!(true))
    }

    pub fn is_of_v1(&self) -> bool {
        self.version.is_some()
    }

    /// Takes services out, and what the others say of them as something that they wait for.
    pub fn leave_out(&mut self, is_off: impl Fn(&str, &Service) -> bool) {
        let off: Vec<String> = self
            .services
            .iter()
            .filter(|(name, service)| is_off(name, service))
            .map(|(name, _)| name.clone())
            .collect();
        self.services.retain(|name, _| !off.contains(name));
        for service in self.services.values_mut() {
            match &mut service.depends_on {
                Some(Value::Object(dependencies)) => dependencies.retain(|name, _| !off.contains(name)),
                Some(Value::Array(dependencies)) => {
                    dependencies.retain(|name| !off.iter().any(|off| name.as_str() == Some(off)));
                }
                _ => {}
            }
        }
    }

    /// Leaves the secrets and configs that a service uses: v1 prints all that the file has.
    pub fn forget_unused_secrets_and_configs(&mut self) {
        let used = |kind: &str| -> BTreeSet<String> {
            let services = self.services.values();
            let given = services.flat_map(|service| {
                let build = service.build.as_ref().map(|build| json!(build)).unwrap_or_default();
                [service.rest.get(kind).cloned(), build.get(kind).cloned()]
            });
            let entries = given.flatten().filter_map(|given| given.as_array().cloned()).flatten();
            entries
                .filter_map(|entry| entry.as_str().or_else(|| entry.get("source")?.as_str()).map(str::to_owned))
                .collect()
        };
        let (secrets, configs) = (used("secrets"), used("configs"));
        for (part, used) in [(&mut self.secrets, secrets), (&mut self.configs, configs)] {
            part.iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|part| part.retain(|name, _| used.contains(name)));
        }
    }

    pub fn secrets_and_configs(&self) -> Map<String, Value> {
        let parts = [("secrets", &self.secrets), ("configs", &self.configs), ("models", &self.models)];
        parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part.clone()?))).collect()
    }
}

/// A value as docker takes it in an option.
pub fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Service {
    pub fn published(&self) -> Vec<Published> {
        let ports = self.ports.as_ref().and_then(Value::as_array);
        ports.into_iter().flatten().filter_map(Published::read).collect()
    }

    /// Services that it depends on.
    pub fn dependencies(&self) -> Vec<&str> {
        let links = self.links.iter().flatten().filter_map(|link| link.split(':').next());
        let depends_on: Vec<&str> = match &self.depends_on {
            Some(Value::Object(dependencies)) => dependencies.keys().map(String::as_str).collect(),
            Some(Value::Array(dependencies)) => dependencies.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        depends_on.into_iter().chain(links).collect()
    }

    /// What it waits for of another one.
    pub fn condition_of(&self, other: &str) -> &str {
        let condition = || self.depends_on.as_ref()?.get(other)?.get("condition")?.as_str();
        condition().unwrap_or("service_started")
    }

    /// Services whose successful end it waits for.
    pub fn completed_dependencies(&self) -> Vec<String> {
        let dependencies = self.depends_on.as_ref().and_then(Value::as_object).into_iter().flatten();
        let completed = dependencies
            .filter(|(_, how)| how.get("condition").and_then(Value::as_str) == Some("service_completed_successfully"));
        completed.map(|(name, _)| name.clone()).collect()
    }

    pub fn has_restart(&self) -> bool {
        let policy = self.deploy.as_ref().and_then(|deploy| deploy.get("restart_policy"));
        self.rest.get("restart").or(policy).is_some_and(|restart| !restart.is_null())
    }

    /// Whether docker starts it again after a reboot.
    pub fn restarts(&self) -> bool {
        self.has_restart()
            && !matches!(self.rest.get("restart"), Some(Value::Bool(false)))
            && self.rest.get("restart").and_then(Value::as_str) != Some("no")
    }

    /// Keys whose line cannot be taken apart.
    pub fn lines_without_end(&self) -> Vec<&'static str> {
        let lines = [("command", &self.command), ("entrypoint", &self.entrypoint)];
        let is_endless = |words: &Option<Words>| words.as_ref().is_some_and(|words| words.split().is_none());
        lines.into_iter().filter(|(_, words)| is_endless(words)).map(|(key, _)| key).collect()
    }

    /// Its command as words, each as the container gets it.
    pub fn command_words(&self) -> Option<Vec<String>> {
        let words = self.command.as_ref()?.split()?;
        // Compose prints a `$` as two.
        Some(words.iter().map(|word| word.replace("$$", "$")).collect())
    }

    /// The words of its own health check.
    pub fn health_check_words(&self) -> Option<Vec<String>> {
        let line = match self.healthcheck.as_ref()?.test.as_ref()? {
            Words::Line(line) => line.clone(),
            Words::List(words) => words.join(" "),
        };
        Some(line.split_whitespace().map(str::to_owned).collect())
    }

    /// Where its named volumes are mounted.
    pub fn volume_targets(&self) -> Vec<String> {
        let target = |volume: &Value| match volume {
            Value::String(text) => text.split(':').nth(1).map(str::to_owned),
            other => other.get("target").and_then(Value::as_str).map(str::to_owned),
        };
        self.volumes.iter().flatten().filter(|volume| named_volume(volume).is_some()).filter_map(target).collect()
    }

    /// Whether one of its profiles is on, or it has none. `None`: what is off is not printed.
    pub fn wanted(&self, active: Option<&str>) -> bool {
        let profiles = self.profiles.as_deref().unwrap_or_default();
        let on = |active: &str| active.split(',').any(|name| name == "*" || profiles.iter().any(|own| own == name));
        profiles.is_empty() || active.is_none_or(on)
    }

    /// What a version in a slot, or a worker, keeps of its service.
    pub fn passed_on(&self) -> Map<String, Value> {
        let mut body: Map<String, Value> = self.rest.clone().into_iter().collect();
        // v2 prints `command: null` for a service that has none of its own.
        body.retain(|_, value| !value.is_null());
        let typed = [
            ("command", self.command.as_ref().map(|words| json!(words))),
            ("entrypoint", self.entrypoint.as_ref().map(|words| json!(words))),
            ("healthcheck", self.healthcheck.as_ref().map(|check| json!(check))),
            ("deploy", self.deploy.clone()),
            ("volumes", self.volumes.as_ref().map(|volumes| json!(volumes))),
        ];
        body.extend(typed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        body
    }

    /// The service as it is in the project.
    pub fn whole(&self) -> Map<String, Value> {
        let mut body = self.passed_on();
        let networks: Map<String, Value> =
            self.networks_or_default().into_iter().map(|(key, settings)| (key, json!(settings))).collect();
        let typed = [
            ("build", self.build.as_ref().map(|build| json!(build))),
            ("image", self.image.as_ref().map(|image| json!(image))),
            ("environment", Some(json!(self.environment))),
            ("labels", Some(json!(self.labels))),
            ("networks", self.network_mode.is_none().then_some(Value::Object(networks))),
            ("network_mode", self.network_mode.as_ref().map(|mode| json!(mode))),
            ("ports", self.ports.clone()),
            ("depends_on", self.depends_on.clone()),
            ("links", self.links.as_ref().map(|links| json!(links))),
            ("container_name", self.container_name.as_ref().map(|name| json!(name))),
            ("profiles", self.profiles.as_ref().map(|profiles| json!(profiles))),
            ("scale", self.scale.map(|scale| json!(scale))),
        ];
        body.extend(typed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        body
    }

    /// A service that names no network is on `default`.
    pub fn networks_or_default(&self) -> Vec<(String, Option<Map<String, Value>>)> {
        match &self.networks {
            Some(Attached(networks)) if !networks.is_empty() => networks.clone(),
            _ => vec![("default".to_owned(), None)],
        }
    }

    pub fn network_keys(&self) -> Vec<String> {
        self.networks_or_default().into_iter().map(|(key, _)| key).collect()
    }

    /// Keys of the named volumes it uses.
    pub fn volume_keys(&self) -> Vec<String> {
        self.volumes.iter().flatten().filter_map(named_volume).collect()
    }
}

/// The key of a named volume: `data:/data:rw`, or `{type: volume, source: data}`.
fn named_volume(volume: &Value) -> Option<String> {
    match volume {
        Value::String(text) => {
            let (source, _) = text.split_once(':')?;
            (!source.starts_with(['/', '.', '~'])).then(|| source.to_owned())
        }
        Value::Object(fields) if fields.get("type").and_then(Value::as_str) == Some("volume") => {
            fields.get("source").and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    }
}
