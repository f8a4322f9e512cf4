//! Reading `deploy.toml` and the environment's variables. The raw file is private to this module, and defaults are
//! applied last; the rest of the program sees [`Config`] only.

mod checks;
mod health_of_app;
mod position;
mod registries;
mod secret_files;
mod ssh;
mod static_files;
mod tests_of_app;
mod webs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use crate::rules::canary::Canary;
use crate::rules::config::{
    Config, Environment, Fixed, Hooks, Limits, Nginx, NginxOwner, Project, Reach, SecretSource, SiteUrl, Slots,
    StaticFiles, SwitchMode, Traffic,
};
use crate::rules::failure::Kind;
use crate::rules::secret::Secret;
use crate::rules::shared_constants::LIVE_UPSTREAM_FILE;
use health_of_app::RawHealth;
use position::Position;
use registries::RawRegistry;
use secret_files::RawFile;
use ssh::RawSsh;
use tests_of_app::RawTests;
use webs::RawWeb;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    project: Project,
    #[serde(default)]
    web: BTreeMap<String, RawWeb>,
    slots: Option<Slots>,
    #[serde(default)]
    health: RawHealth,
    #[serde(default)]
    traffic: Traffic,
    #[serde(default)]
    canary: Canary,
    #[serde(default)]
    hooks: Hooks,
    #[serde(default, rename = "static")]
    static_files: StaticFiles,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    test: RawTests,
    #[serde(default)]
    ssh: RawSsh,
    environments: BTreeMap<String, RawEnvironment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    #[serde(default)]
    ssh: bool,
    name: Option<String>,
    slots: Option<Slots>,
    folder: String,
    url: String,
    env_file: Option<RawEnvFile>,
    #[serde(default)]
    files: BTreeMap<String, RawFile>,
    #[serde(default)]
    registries: BTreeMap<String, RawRegistry>,
    compose: Option<String>,
    #[serde(default = "yes")]
    public: bool,
    nginx: RawNginx,
}

/// A path, or `false`: the app has no `.env`. It is not left out by mistake then.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawEnvFile {
    Known(bool),
    Path(String),
}

impl RawEnvironment {
    /// Those that it names itself.
    fn secret_variables(&self) -> Vec<String> {
        let files = self.files.values().filter_map(|file| match file {
            RawFile::Variable(name) => Some(name.clone()),
            RawFile::File { .. } => None,
        });
        files.chain(self.registries.values().map(|registry| registry.password.clone())).collect()
    }
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNginx {
    #[serde(default)]
    private: bool,
    switch: Option<SwitchMode>,
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
    if text.len() > LARGEST {
        return Err(
            Kind::Configuration.error(format!("{shown}:1:1: the file has more than 64 KiB; is it another file?"))
        );
    }
    let raw: RawConfig =
        toml::from_str(text).map_err(|error| Kind::Configuration.error(refusal(text, file, &error)))?;
    let root = file.parent().map(Path::to_owned).unwrap_or_default();
    let config = resolve(raw, root, name, variables).map_err(|problem| {
        let position = position::of_key(text, &problem.key).map(|at| format!(":{at}")).unwrap_or_default();
        Kind::Configuration.error(format!("{shown}{position}: {}", problem.text))
    })?;
    Ok(Config { text: text.to_owned(), ..config })
}

/// Whether it says which compose files there are.
pub fn names_compose_files(text: &str) -> bool {
    position::has_key(text, &["project", "compose"])
}

/// Whether a project can be called so.
pub fn is_project_name(name: &str) -> bool {
    checks::name(name).is_ok()
}

/// The environment that is called `name`; where there is none, any that there is.
pub fn known_or_first(text: &str, name: &str) -> String {
    let names = position::tables_of(text, "environments");
    let known = names.is_empty() || names.iter().any(|known| known == name);
    if known { name.to_owned() } else { names[0].clone() }
}

/// Each of its texts may become a word of a command, and all words of one together may have 128 KiB.
const LARGEST: usize = 64 * 1024;

/// What the reader of TOML does not understand, with the line it stands in.
fn refusal(text: &str, file: &Path, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let position = Position::of_byte(text, start);
    let line = text.lines().nth(position.line - 1).unwrap_or_default().trim();
    let line: String = line.chars().take(120).collect();
    let message = error.message().trim_end();
    let hint = if message.contains("expected one of") || message.contains("missing field") {
        ""
    } else if message.contains("expected a sequence") {
        "; hint: a list stands in brackets, as in [\"mailer\"], and of commands each is a list of words: [[\"python\", \"migrate.py\"]]"
    } else {
        "; hint: a setting is a line as in `keep = 5` or `name = \"shop\"`, below its [section]"
    };
    // A terminal obeys what is not printed.
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}:{position}: {message}{hint}\n  {line}", file.display())
}

/// What is wrong, and with which key.
#[derive(Debug)]
struct Problem {
    key: Vec<String>,
    text: String,
}

impl Problem {
    /// `key`: the names that lead to it, with dots.
    fn at(key: &str, text: impl Into<String>) -> Problem {
        Problem { key: key.split('.').map(str::to_owned).collect(), text: text.into() }
    }

    /// Inside of the table `[environments.<name>]`.
    fn of_environment(self, name: &str) -> Problem {
        let mut key = vec!["environments".to_owned(), name.to_owned()];
        key.extend(self.key.into_iter().filter(|part| !part.is_empty()));
        Problem { key, text: format!("[environments.{name}] {}", self.text) }
    }
}

fn resolve(
    mut raw: RawConfig,
    root: PathBuf,
    name: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Config, Problem> {
    checks::project(&raw.project)?;
    checks::values(&raw)?;
    let tests = raw.test.resolve()?;
    let health = raw.health.resolve()?;
    let known: Vec<String> = raw.environments.keys().cloned().collect();
    let secret_variables = raw.environments.values().flat_map(RawEnvironment::secret_variables).collect();
    let environment = raw.environments.remove(name).ok_or_else(|| {
        let (name, known) = (name.escape_debug(), known.join(", "));
        Problem::at("environments", format!("there is no environment `{name}`; there are: {known}"))
    })?;
    let production = raw.project.name.clone();
    raw.project.name = match (&environment.name, name) {
        (Some(own), _) => {
            checks::name(own).map_err(|problem| Problem::at("name", problem).of_environment(name))?;
            own.clone()
        }
        (None, "prod" | "local") => raw.project.name,
        (None, _) => {
            let derived = format!("{}-{name}", raw.project.name);
            checks::name(&derived).map_err(|problem| {
                Problem::at("", format!("its default name on the host is not valid: {problem}; set `name`"))
                    .of_environment(name)
            })?;
            derived
        }
    };
    let more_webs = webs::resolve(raw.web, &raw.project)?;
    let given = environment.slots.or(raw.slots);
    let live_port = environment.nginx.live_port;
    let keep = raw.ssh.keep()?;
    let environment = resolve_environment(environment, &raw.project, &root, name, variables, keep)
        .map_err(|problem| problem.of_environment(name))?;
    let slots = given.unwrap_or_default();
    check_ports(slots, &environment)?;
    let mut ports = vec![environment.url.port];
    ports.extend(given.iter().flat_map(|slots| [slots.blue, slots.green]));
    ports.extend(live_port);
    webs::apart(&more_webs, &environment.nginx.upstream, &ports)?;
    static_files::check(&raw.static_files, &raw.project, &more_webs)?;
    Ok(Config {
        root,
        project: raw.project,
        production,
        more_webs,
        slots,
        fixed: Fixed { slots: given.is_some(), live_port: live_port.is_some() },
        health,
        traffic: raw.traffic,
        canary: raw.canary,
        hooks: raw.hooks,
        static_files: raw.static_files,
        serves: None,
        limits: raw.limits,
        tests,
        environment,
        images: BTreeMap::new(),
        secret_variables,
        text: String::new(),
    })
}

fn check_ports(slots: Slots, environment: &Environment) -> Result<(), Problem> {
    let ports = [slots.blue, slots.green, environment.nginx.live_port];
    let name = &environment.name;
    if ports.contains(&0) || ports[0] == ports[1] || ports[..2].contains(&ports[2]) {
        let text = format!("blue, green and live_port must be three different ports, not {ports:?}");
        let of_slots = ports[0] == ports[1] || ports[..2].contains(&0);
        return Err(match of_slots {
            true => Problem::at("slots", format!("[slots] {text}")),
            false => Problem::at("nginx.live_port", format!("nginx.live_port: {text}")).of_environment(name),
        });
    }
    if matches!(environment.nginx.owner, NginxOwner::Private(_)) && !environment.url.path.is_empty() {
        let text = "url: an nginx of the tool's own serves the app at the root, so leave the path out";
        return Err(Problem::at("url", text).of_environment(name));
    }
    if matches!(environment.nginx.owner, NginxOwner::Private(_)) && ports.contains(&environment.url.port) {
        let port = environment.url.port;
        let text = format!("url: port {port} is that of a slot or live_port; choose another");
        return Err(Problem::at("url", text).of_environment(name));
    }
    Ok(())
}

fn resolve_environment(
    raw: RawEnvironment,
    project: &Project,
    root: &Path,
    name: &str,
    variables: &BTreeMap<String, String>,
    keep: Option<Duration>,
) -> Result<Environment, Problem> {
    let prefix = format!("{}_", name.to_uppercase().replace('-', "_"));
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(Problem::at("", "the name may have a-z, 0-9 and `-`"));
    }
    let reach = match raw.ssh {
        true => ssh::target(&prefix, variables, keep).map_err(|text| Problem::at("ssh", text))?,
        false => Reach::Local,
    };
    let folder = match raw.ssh {
        true => raw.folder.trim_end_matches('/').to_owned(),
        false => root.join(&raw.folder).display().to_string(),
    };
    checks::absolute("folder", &folder)?;
    let url = SiteUrl::parse(&raw.url).ok_or_else(|| {
        Problem::at("url", format!("url = {:?}: write http://host[:port] or https://host[:port], and the path below which nginx serves the app, if it takes one off", raw.url))
    })?;
    let env_file = match raw.env_file {
        Some(RawEnvFile::Known(false)) => SecretSource::Content(Secret::new("")),
        Some(RawEnvFile::Known(true)) => {
            return Err(Problem::at(
                "env_file",
                "env_file = true: either the path of a file, or false where the app has none",
            ));
        }
        Some(RawEnvFile::Path(path)) => {
            checks::relative(&path).map_err(|problem| Problem::at("env_file", format!("env_file: {problem}")))?;
            SecretSource::Path(root.join(path))
        }
        None => secret_files::of_variable(format!("{prefix}ENV_FILE"), variables),
    };
    let files = secret_files::resolve(raw.files, root, variables)?;
    let registries = registries::resolve(raw.registries, variables)?;
    if !matches!(raw.compose.as_deref(), None | Some("docker compose" | "docker-compose")) {
        let text = "compose: either \"docker compose\" or \"docker-compose\"; leave it out to find out";
        return Err(Problem::at("compose", text));
    }
    let nginx = resolve_nginx(raw.nginx, project, &folder, raw.ssh)?;
    Ok(Environment {
        name: name.to_owned(),
        reach,
        folder,
        url,
        nginx,
        env_file,
        files,
        registries,
        compose: raw.compose,
        public: raw.public,
    })
}

fn resolve_nginx(raw: RawNginx, project: &Project, folder: &str, remote: bool) -> Result<Nginx, Problem> {
    let upstream = raw.upstream.unwrap_or_else(|| format!("{}_backend", project.name.replace('-', "_")));
    checks::upstream(&upstream).map_err(|text| Problem::at("nginx.upstream", format!("nginx.{text}")))?;
    let owner = match (raw.private, raw.switch) {
        (true, _) if remote => {
            return Err(Problem::at("nginx.private", "nginx.private: only where ssh = false"));
        }
        (true, switch) => NginxOwner::Private(switch.unwrap_or(SwitchMode::Instant)),
        (false, None) => NginxOwner::System,
        (false, Some(_)) => {
            let text = "nginx.switch is for a private nginx; a server's own is read from its site file";
            return Err(Problem::at("nginx.switch", text));
        }
    };
    let (default_upstream, default_site) = match owner {
        NginxOwner::Private(_) => (format!("{folder}/{LIVE_UPSTREAM_FILE}"), format!("{folder}/nginx/site.conf")),
        NginxOwner::System => (
            format!("/etc/nginx/conf.d/{}_upstream.conf", project.name),
            format!("/etc/nginx/sites-enabled/{}", project.name),
        ),
    };
    let upstream_file = raw.upstream_file.unwrap_or(default_upstream);
    let site_file = raw.site_file.unwrap_or(default_site);
    checks::absolute("nginx.upstream_file", &upstream_file)?;
    checks::absolute("nginx.site_file", &site_file)?;
    Ok(Nginx { upstream, upstream_file, site_file, live_port: raw.live_port.unwrap_or(8002), owner })
}

#[cfg(test)]
mod tests;
