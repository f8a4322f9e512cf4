//! Sets a server up over its administrator's ssh: looks, plans, and does what is lacking.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::admin::{Admin, Place};
use crate::io::local::deploy_key::{self, DeployKey};
use crate::io::local::github;
use crate::io::process;
use crate::rules::config::{Config, Reach, SshTarget, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::nginx::server_setup;
use crate::rules::script::setup as scripts;
use crate::rules::secret::Secret;
use crate::rules::setup::{self, Plan, Survey, Wishes};

/// Time for packages to be fetched and installed.
const PACKAGES: Duration = Duration::from_secs(1200);
const SHORT: Duration = Duration::from_secs(180);

/// Who is to be asked for what.
pub struct Request<'a> {
    pub admin: &'a str,
    pub port: Option<u16>,
    pub user: &'a str,
    pub mode: SwitchMode,
    pub tls: Option<&'a str>,
}

/// A server that was looked at, with what will be done to it.
pub struct Prepared {
    pub plan: Plan,
    pub key: DeployKey,
    pub place: Place,
    admin: Admin,
    host_key: String,
}

/// Looks, and changes nothing on the server. Makes a key here where none is given.
///
/// # Errors
/// [`Kind::Connection`], [`Kind::Preflight`] with all that is in the way.
pub fn prepare(config: &Config, request: &Request) -> Result<Prepared> {
    let admin = Admin::connect(request.admin, request.port)?;
    let place = admin.place()?;
    let key = deploy_key(config)?;
    let environment = &config.environment;
    let line = setup::authorized_line(config, &key.public);
    let arguments = [request.user, &key.public, &line, &environment.nginx.site_file, &environment.folder];
    let printed = admin.run("look at the server", scripts::SURVEY, &arguments.map(|word| word as &str), SHORT)?.text();
    let survey = Survey::parse(&printed).context("what the server said of itself breaks off")?;
    let plan = setup::plan(config, &survey, &Wishes { mode: request.mode, tls: request.tls })?;
    Ok(Prepared { plan, key, place, admin, host_key: survey.host_key })
}

/// The key that a variable holds, or one below `.deploy/keys`, which git must not have.
fn deploy_key(config: &Config) -> Result<DeployKey> {
    if let Reach::Ssh(target) = &config.environment.reach {
        return DeployKey::of_variable(&target.key);
    }
    let ignored = process::line(&config.root, "git", &["check-ignore", "--", ".deploy/keys/key"]);
    if ignored.is_err() {
        return Err(Kind::Configuration.error(
            "a key would be made in .deploy/keys, and git does not ignore that folder: add the line /.deploy/ to .gitignore, and run this again",
        ));
    }
    DeployKey::at(&key_file(config))
}

/// The key that leads to the server already: nothing is made.
///
/// # Errors
/// As [`prepare`].
pub fn known_key(config: &Config) -> Result<Option<DeployKey>> {
    let file = key_file(config);
    match &config.environment.reach {
        Reach::Ssh(_) => deploy_key(config).map(Some),
        Reach::Local | Reach::Missing(_) if file.exists() => DeployKey::at(&file).map(Some),
        Reach::Local | Reach::Missing(_) => Ok(None),
    }
}

fn key_file(config: &Config) -> PathBuf {
    config.root.join(".deploy/keys").join(&config.environment.name)
}

/// Does what was planned, and what it takes each time.
///
/// # Errors
/// With what failed; what was done before stays, and is done already when it is run again.
pub fn carry_out(config: &Config, request: &Request, prepared: &Prepared) -> Result<()> {
    let Prepared { plan, key, admin, .. } = prepared;
    let limits = if plan.limits_logs { setup::DOCKER_LOG_LIMITS } else { "" };
    let packages: Vec<&str> = [limits].into_iter().chain(plan.packages.iter().copied()).collect();
    console::note("packages, and docker");
    admin.run_showing("install packages", scripts::PACKAGES, &packages, PACKAGES)?;
    console::note(&format!("the user {}", request.user));
    admin.run_showing(
        "make the user",
        scripts::USER,
        &[request.user, &key.public, &setup::authorized_line(config, &key.public)],
        SHORT,
    )?;
    console::note("folders, ports and nginx");
    let script = server_setup::script(config, request.user, request.mode);
    admin.run_showing("set nginx up", &script, &[], Duration::from_secs(900))?;
    if let Some(email) = &plan.certificate {
        console::note("the certificate");
        let host = config.environment.url.host.as_str();
        admin.run_showing("get a certificate", scripts::CERTIFICATE, &[host, email], PACKAGES)?;
    }
    Ok(())
}

/// The environment as the new user reaches it.
pub fn reached(config: &Config, request: &Request, prepared: &Prepared) -> Config {
    let Place { host, port } = &prepared.place;
    let name = if *port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let prefix = format!("{}_", config.environment.name.to_uppercase().replace('-', "_"));
    let target = SshTarget {
        keep: None,
        host: host.clone(),
        port: *port,
        user: request.user.to_owned(),
        key: prepared.key.private.clone(),
        known_hosts: Some(format!("{name} {}", prepared.host_key)),
        prefix,
    };
    let mut config = config.clone();
    config.environment.reach = Reach::Ssh(target);
    config
}

/// What leads to the server: names of variables and their values.
pub fn secrets(target: &SshTarget) -> Vec<(String, Secret)> {
    let values = [
        ("SSH_HOST", Secret::new(target.host.as_bytes())),
        ("SSH_PORT", Secret::new(target.port.to_string().into_bytes())),
        ("SSH_USER", Secret::new(target.user.as_bytes())),
        ("SSH_KNOWN_HOSTS", Secret::new(target.known_hosts.clone().unwrap_or_default().into_bytes())),
        ("SSH_KEY", target.key.clone()),
    ];
    values.into_iter().map(|(name, value)| (target.variable(name), value)).collect()
}

/// Writes them as a file for a shell, which nobody else can read. Gives its path.
///
/// # Errors
/// Where the disk fails.
pub fn write_variables(config: &Config, secrets: &[(String, Secret)]) -> Result<PathBuf> {
    let file = config.root.join(".deploy/keys").join(format!("{}.variables", config.environment.name));
    let mut text = Vec::new();
    for (name, value) in secrets {
        let value = String::from_utf8_lossy(value.expose());
        text.extend(format!("export {name}={}\n", crate::rules::script::quote(value.trim_end())).into_bytes());
    }
    deploy_key::write_private(&file, &text)?;
    Ok(file)
}

/// Whether GitHub can be given them from here.
pub fn github_is_at_hand(config: &Config) -> bool {
    github::is_at_hand(&config.root)
}

/// # Errors
/// With `gh`'s own words.
pub fn give_to_github(config: &Config, secrets: &[(String, Secret)]) -> Result<()> {
    github::set_secrets(&config.root, &config.environment.name, secrets)
}
