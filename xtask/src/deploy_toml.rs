//! Reading `deploy.toml` and the environment's variables. The raw file is private to this module, and defaults are
//! applied last; the rest of the program sees [`Config`] only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;

use crate::command::Secret;
use crate::config::{
    Config, EnvFile, Environment, Health, Hooks, Nginx, NginxOwner, Project, Reach, SiteUrl, Slots, SshTarget,
    Switching, Tests, Traffic,
};
use crate::failure::Kind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    project: Project,
    #[serde(default)]
    slots: Slots,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    traffic: Traffic,
    #[serde(default)]
    hooks: Hooks,
    #[serde(default)]
    test: Tests,
    environments: BTreeMap<String, RawEnvironment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    #[serde(default)]
    ssh: bool,
    folder: String,
    url: String,
    env_file: Option<String>,
    compose: Option<String>,
    nginx: RawNginx,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNginx {
    #[serde(default)]
    private: bool,
    switch: Option<Switching>,
    upstream: Option<String>,
    upstream_file: Option<String>,
    site_file: Option<String>,
    live_port: Option<u16>,
}

/// Reads `deploy.toml` (`text`, from `file`) for the environment `name`. `variables` is the process's environment.
///
/// # Errors
/// [`Kind::Configuration`], with line and column where the file is at fault, naming all missing variables together.
pub fn load(text: &str, file: &Path, name: &str, variables: &BTreeMap<String, String>) -> Result<Config> {
    let shown = file.display();
    let raw: RawConfig =
        toml::from_str(text).map_err(|error| Kind::Configuration.error(format!("{shown}: {error}")))?;
    let root = file.parent().map(Path::to_owned).unwrap_or_default();
    resolve(raw, root, name, variables).map_err(|problem| Kind::Configuration.error(format!("{shown}: {problem}")))
}

fn resolve(
    mut raw: RawConfig,
    root: PathBuf,
    name: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Config, String> {
    check_project(&raw.project)?;
    check_values(&raw)?;
    let known: Vec<String> = raw.environments.keys().cloned().collect();
    let environment = raw
        .environments
        .remove(name)
        .ok_or_else(|| format!("there is no environment `{}`; there are: {}", name.escape_debug(), known.join(", ")))?;
    let environment = resolve_environment(environment, &raw.project, &root, name, variables)
        .map_err(|problem| format!("[environments.{name}] {problem}"))?;
    let ports = [raw.slots.blue, raw.slots.green, environment.nginx.live_port];
    if ports.contains(&0) || ports[0] == ports[1] || ports[..2].contains(&ports[2]) {
        return Err(format!("[slots] blue, green and live_port must be three different ports, not {ports:?}"));
    }
    if matches!(environment.nginx.owner, NginxOwner::Private(_)) && ports.contains(&environment.url.port) {
        let port = environment.url.port;
        return Err(format!("[environments.{name}] url: port {port} is that of a slot or live_port; choose another"));
    }
    Ok(Config {
        root,
        project: raw.project,
        slots: raw.slots,
        health: raw.health,
        traffic: raw.traffic,
        hooks: raw.hooks,
        tests: raw.test,
        environment,
    })
}

/// Compose project names: lower-case letters, digits, `-` and `_` (compose-spec, "Name top-level element").
fn check_project(project: &Project) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    let name = &project.name;
    if name.is_empty() || !name.bytes().all(plain) || !name.as_bytes()[0].is_ascii_alphanumeric() || name.len() > 40 {
        return Err(format!(
            "[project] name = {name:?}: use up to 40 of a-z, 0-9, `-` and `_`, a letter or digit first"
        ));
    }
    for service in project.workers.iter().chain([&project.web]) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if service.is_empty() || !service.bytes().all(plain) {
            return Err(format!("[project] {service:?} is not a compose service name"));
        }
    }
    if project.workers.contains(&project.web) {
        return Err(format!("[project] `{}` is the web service and cannot be a worker too", project.web));
    }
    for path in project.compose.iter().chain([&project.app]) {
        check_relative(path).map_err(|problem| format!("[project] {problem}"))?;
    }
    if project.compose.is_empty() {
        return Err("[project] compose = []: name at least one compose file".to_owned());
    }
    if project.keep < 2 {
        return Err(format!("[project] keep = {}: at least 2, or there is nothing to roll back to", project.keep));
    }
    Ok(())
}

fn check_values(raw: &RawConfig) -> Result<(), String> {
    let path = &raw.health.path;
    if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("[health] path = {path:?}: begin with `/`, printable ASCII without spaces"));
    }
    if !(1..=3600).contains(&raw.health.timeout) {
        return Err(format!("[health] timeout = {}: between 1 and 3600 seconds", raw.health.timeout));
    }
    for (field, value) in [("bake", raw.traffic.bake), ("drain", raw.traffic.drain)] {
        if value > 3600 {
            return Err(format!("[traffic] {field} = {value}: at most 3600 seconds"));
        }
    }
    let hooks = [&raw.hooks.before_boot, &raw.hooks.before_switch, &raw.hooks.after_switch];
    if hooks.into_iter().flatten().any(|words| words.is_empty() || words.iter().any(|word| word.contains('\0'))) {
        return Err("[hooks] a hook is a list of words, as in [\"python\", \"migrate.py\"]".to_owned());
    }
    for path in [&raw.test.requirements, &raw.test.folder, &raw.test.selection] {
        check_relative(path).map_err(|problem| format!("[test] {problem}"))?;
    }
    Ok(())
}

/// A path inside the repository.
fn check_relative(path: &str) -> Result<(), String> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    match !path.is_empty() && inside && !path.contains(['\0', '\n']) && !path.starts_with('-') {
        true => Ok(()),
        false => Err(format!("{path:?}: give a path inside the repository, without `..`")),
    }
}

/// An absolute path on a server, of characters that nginx, compose and a shell all take literally.
fn check_absolute(field: &str, path: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let dots = path.split('/').any(|part| part == "..");
    match path.starts_with('/') && path.len() > 1 && !dots && path.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("{field} = {path:?}: an absolute path of letters, digits, `-`, `_`, `.` and `/`")),
    }
}

fn resolve_environment(
    raw: RawEnvironment,
    project: &Project,
    root: &Path,
    name: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Environment, String> {
    let prefix = format!("{}_", name.to_uppercase().replace('-', "_"));
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("the name may have a-z, 0-9 and `-`".to_owned());
    }
    let reach = match raw.ssh {
        true => ssh_target(&prefix, variables)?,
        false => Reach::Local,
    };
    let folder = match raw.ssh {
        true => raw.folder.trim_end_matches('/').to_owned(),
        false => root.join(&raw.folder).display().to_string(),
    };
    check_absolute("folder", &folder)?;
    let url = SiteUrl::parse(&raw.url)
        .ok_or_else(|| format!("url = {:?}: write http://host[:port] or https://host[:port]", raw.url))?;
    let env_file = match raw.env_file {
        Some(path) => {
            check_relative(&path).map_err(|problem| format!("env_file: {problem}"))?;
            EnvFile::Path(root.join(path))
        }
        None => {
            let variable = format!("{prefix}ENV_FILE");
            // GitHub gives a secret that is not set as an empty variable.
            match variables.get(&variable).filter(|content| !content.trim().is_empty()) {
                Some(content) => EnvFile::Content(Secret::new(content.as_bytes())),
                None => EnvFile::Missing { variable },
            }
        }
    };
    if !matches!(raw.compose.as_deref(), None | Some("docker compose" | "docker-compose")) {
        return Err("compose: either \"docker compose\" or \"docker-compose\"; leave it out to find out".to_owned());
    }
    let nginx = resolve_nginx(raw.nginx, project, &folder, raw.ssh)?;
    Ok(Environment { name: name.to_owned(), reach, folder, url, nginx, env_file, compose: raw.compose })
}

fn resolve_nginx(raw: RawNginx, project: &Project, folder: &str, remote: bool) -> Result<Nginx, String> {
    let upstream = raw.upstream.unwrap_or_else(|| format!("{}_backend", project.name.replace('-', "_")));
    if upstream.is_empty() || !upstream.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!("nginx.upstream = {upstream:?}: letters, digits and `_`"));
    }
    let owner = match (raw.private, raw.switch) {
        (true, _) if remote => return Err("nginx.private: only where ssh = false".to_owned()),
        (true, switch) => NginxOwner::Private(switch.unwrap_or(Switching::Instant)),
        (false, None) => NginxOwner::System,
        (false, Some(_)) => {
            return Err("nginx.switch is for a private nginx; a server's own is read from its site file".to_owned());
        }
    };
    let (default_upstream, default_site) = match owner {
        NginxOwner::Private(_) => (format!("{folder}/live/upstream.conf"), format!("{folder}/nginx/site.conf")),
        NginxOwner::System => (
            format!("/etc/nginx/conf.d/{}_upstream.conf", project.name),
            format!("/etc/nginx/sites-enabled/{}", project.name),
        ),
    };
    let upstream_file = raw.upstream_file.unwrap_or(default_upstream);
    let site_file = raw.site_file.unwrap_or(default_site);
    check_absolute("nginx.upstream_file", &upstream_file)?;
    check_absolute("nginx.site_file", &site_file)?;
    Ok(Nginx { upstream, upstream_file, site_file, live_port: raw.live_port.unwrap_or(8002), owner })
}

fn ssh_target(prefix: &str, variables: &BTreeMap<String, String>) -> Result<Reach, String> {
    let get = |name: &str| variables.get(&format!("{prefix}{name}")).filter(|value| !value.trim().is_empty());
    let required = ["SSH_HOST", "SSH_USER", "SSH_KEY"];
    let missing: Vec<String> =
        required.iter().filter(|name| get(name).is_none()).map(|name| format!("{prefix}{name}")).collect();
    let ([Some(host), Some(user), Some(key)], true) = (required.map(get), missing.is_empty()) else {
        return Ok(Reach::Missing(missing));
    };
    let port = get("SSH_PORT").map_or("22", |port| port.trim());
    let port = port
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{prefix}SSH_PORT={port:?} is not a port"))?;
    let plain = |text: &str, more: &[u8]| {
        !text.starts_with('-') && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let (host, user) = (host.trim(), user.trim());
    if !plain(host, b".-_:") {
        return Err(format!("{prefix}SSH_HOST={host:?} is not a host name or address"));
    }
    if !plain(user, b".-_") {
        return Err(format!("{prefix}SSH_USER={user:?} is not a user name"));
    }
    Ok(Reach::Ssh(SshTarget {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        key: Secret::new(key.as_bytes()),
        known_hosts: get("SSH_KNOWN_HOSTS").cloned(),
        prefix: prefix.to_owned(),
    }))
}

#[cfg(test)]
mod tests;
