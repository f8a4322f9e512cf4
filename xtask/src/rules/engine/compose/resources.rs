//! Networks and volumes that only slots and workers use. Compose makes those that a started service of its file uses, so these
//! are made here, with all that the project says of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::Value;

use super::project::{Project, Resource, Service, scalar};
use super::{RenderInput, Roles};

/// A network or volume that must be there, with the options by which `docker network create` or `docker volume create` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub kind: &'static str,
    /// As compose calls it in the file.
    pub key: String,
    pub name: String,
    pub options: Vec<String>,
}

/// A named volume in a container, by the name that docker knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedVolume {
    pub service: String,
    pub target: String,
    pub name: String,
}

/// The named volumes of services.
pub fn volumes(project: &Project, services: &[(&str, &Service)], base: &str) -> Vec<MountedVolume> {
    let of_service = |(service, of): &(&str, &Service)| {
        let places = of.volume_keys().into_iter().zip(of.volume_targets());
        let mounted = places.map(|(key, target)| MountedVolume {
            service: (*service).to_owned(),
            // As docker tells it of a container.
            target: if target == "/" { target } else { target.trim_end_matches('/').to_owned() },
            name: Resource::name(&project.volumes, &key, base),
        });
        mounted.collect::<Vec<_>>()
    };
    services.iter().flat_map(of_service).collect()
}

/// # Errors
/// Where the project says something of one that docker's own command cannot be told.
pub fn made(project: &Project, services: &[(&str, &Service)], base: &str) -> Result<Vec<Made>> {
    let used = |select: fn(&Service) -> Vec<String>| -> BTreeSet<String> {
        services.iter().flat_map(|(_, service)| select(service)).collect()
    };
    let mut made = Vec::new();
    for (kind, keys, resources) in [
        ("network", used(Service::network_keys), &project.networks),
        ("volume", used(Service::volume_keys), &project.volumes),
    ] {
        for key in keys.into_iter().filter(|key| !Resource::external(resources, key)) {
            let definition = resources.get(&key).and_then(Option::as_ref);
            let mut options = labels(kind, &key, base);
            for (name, value) in definition.iter().flat_map(|resource| &resource.rest) {
                options.extend(option(kind, &key, name, value)?);
            }
            made.push(Made { kind, name: Resource::name(resources, &key, base), key, options });
        }
    }
    Ok(made)
}

/// By these compose knows its own.
fn labels(kind: &str, key: &str, base: &str) -> Vec<String> {
    let label = |name: &str, value: &str| ["--label".to_owned(), format!("com.docker.compose.{name}={value}")];
    [label("project", base), label(kind, key)].concat()
}

fn option(kind: &str, key: &str, name: &str, value: &Value) -> Result<Vec<String>> {
    let with = |flag: &str, value: String| vec![flag.to_owned(), value];
    let pairs = |flag: &str| -> Vec<String> {
        let pairs = value.as_object().into_iter().flatten();
        pairs.flat_map(|(name, value)| with(flag, format!("{name}={}", scalar(value)))).collect()
    };
    let switch = |flag: &str| if *value == Value::Bool(true) { vec![flag.to_owned()] } else { Vec::new() };
    Ok(match (kind, name) {
        (_, "driver") => value.as_str().map(|driver| with("--driver", driver.to_owned())).unwrap_or_default(),
        (_, "driver_opts") => pairs("--opt"),
        (_, "labels") => match value {
            Value::Array(labels) => labels.iter().flat_map(|label| with("--label", scalar(label))).collect(),
            _ => pairs("--label"),
        },
        ("network", "internal") => switch("--internal"),
        ("network", "attachable") => switch("--attachable"),
        ("network", "enable_ipv6") => switch("--ipv6"),
        ("network", "ipam") => ipam(key, value)?,
        (_, extension) if extension.starts_with("x-") => Vec::new(),
        _ if value.is_null() => Vec::new(),
        _ => bail!(
            "the {kind} `{key}` has `{name}`, which a deploy cannot pass on; make the {kind} yourself and call it `external: true`"
        ),
    })
}

fn ipam(key: &str, value: &Value) -> Result<Vec<String>> {
    let mut options = Vec::new();
    let mut push = |flag: &str, value: String| options.extend([flag.to_owned(), value]);
    for (name, value) in value.as_object().into_iter().flatten() {
        match name.as_str() {
            "driver" => push("--ipam-driver", scalar(value)),
            "options" => {
                let pairs: BTreeMap<String, String> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.clone(), scalar(value)))
                    .collect();
                pairs.into_iter().for_each(|(name, value)| push("--ipam-opt", format!("{name}={value}")));
            }
            "config" => {
                for (name, value) in value.as_array().into_iter().flatten().filter_map(Value::as_object).flatten() {
                    match name.as_str() {
                        "subnet" => push("--subnet", scalar(value)),
                        "ip_range" => push("--ip-range", scalar(value)),
                        "gateway" => push("--gateway", scalar(value)),
                        "aux_addresses" => {
                            let addresses = value.as_object().into_iter().flatten();
                            addresses.for_each(|(host, ip)| push("--aux-address", format!("{host}={}", scalar(ip))));
                        }
                        other => bail!("the network `{key}` has `ipam.config.{other}`, which a deploy cannot pass on"),
                    }
                }
            }
            other => bail!("the network `{key}` has `ipam.{other}`, which a deploy cannot pass on"),
        }
    }
    Ok(options)
}

/// What services use and a host has once, by kind and name: `external-volume` is made by somebody else, `own-volume` for this project alone;
/// `own-container` and `port-db` are the fixed name and a published port of an accessory; `needed-service` is one on which others depend.
pub fn used(project: &Project, roles: &Roles, rendering: &RenderInput) -> Vec<(String, String)> {
    type Keys = fn(&Service) -> Vec<String>;
    let named = |kind: &str, select: Keys, resources: &BTreeMap<String, Option<Resource>>| {
        let keys: BTreeSet<String> = project.services.values().flat_map(select).collect();
        let whose = |key: &String| if Resource::external(resources, key) { "external" } else { "own" };
        let named = keys
            .iter()
            .map(|key| (format!("{}-{kind}", whose(key)), Resource::name(resources, key, rendering.project)));
        named.collect::<Vec<_>>()
    };
    let networks = named("network", Service::network_keys, &project.networks);
    let names = roles.accessories().filter_map(|(_, service)| service.container_name.clone());
    let names = names.filter(|_| rendering.has_fixed_names()).map(|name| ("own-container".to_owned(), name));
    let stay = roles.accessories().filter(|(name, _)| !roles.one_shots.contains(*name));
    let ports = stay.flat_map(|(name, service)| {
        let claimed = service.published().into_iter().filter(|port| port.claims_loopback);
        claimed.filter_map(move |port| Some((format!("port-{name}"), port.outside?.to_string())))
    });
    let volumes = named("volume", Service::volume_keys, &project.volumes);
    let needed: BTreeSet<&str> = project.services.values().flat_map(Service::dependencies).collect();
    let needed = roles.accessories().filter(|(name, _)| needed.contains(name));
    let needed = needed.map(|(name, _)| ("needed-service".to_owned(), name.to_owned()));
    networks.into_iter().chain(volumes).chain(names).chain(ports).chain(needed).collect()
}
