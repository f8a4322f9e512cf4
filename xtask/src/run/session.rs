//! The first look: connect, take the lock where something is to change, have the host say what it is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::shell::Ticket;
use crate::io::host::{Claim, Host};
use crate::io::local::dotenv::Env;
use crate::io::local::package;
use crate::rules::config::{Config, NginxOwner, ServingVersion, Web, env_file};
use crate::rules::failure::Kind;
use crate::rules::health;
use crate::rules::host::observed::{self, Observed, StoredRelease};
use crate::rules::release::ReleaseId;
use crate::rules::release::settings::Settings;
use crate::rules::report::Caller;
use crate::rules::script::{self, Input, Priority};
use crate::rules::secret::{Secret, mask};
use crate::rules::shared_constants::FILES_NOT_AS_SHIPPED;
use crate::rules::utc;

/// Time for docker to give back the port of a container that has ended.
const PORT_GONE: Duration = Duration::from_secs(3);

/// A connected host with what it said of itself.
pub struct Session {
    /// With the ports that the host has.
    pub config: Config,
    pub observed: Observed,
    pub host: Host,
    /// Something may change on the host: this run has its lock.
    pub locked: bool,
}

impl Session {
    /// For commands that only read.
    ///
    /// # Errors
    /// [`Kind::Connection`] and [`Kind::HostKey`]; where the host's report cannot be read.
    pub fn connect_read_only(config: &Config) -> Result<Session> {
        Session::on(config, Host::connect(config, None, script::inspect(config))?, false)
    }

    /// For commands that change the host: takes the lock before looking, holds it to the end.
    ///
    /// # Errors
    /// The same, and [`Kind::Locked`] where another run holds the lock.
    pub fn connect_locked(
        config: &Config,
        caller: &Caller,
        purpose: &str,
        wait_seconds: u64,
        priority: Priority,
    ) -> Result<Session> {
        let since = utc::rfc3339(caller.started_at).replace('T', " ").replace('Z', " UTC");
        let holder = format!("{} since {since} for: {purpose}", caller.name);
        let claim = Claim { holder: &holder, wait_seconds, priority };
        let mut session = Session::on(config, Host::connect(config, Some(&claim), script::inspect(config))?, true)?;
        session.wait_for_port_release()?;
        Ok(session)
    }

    /// Docker ends what a cancelled run had asked it to end, and only then gives the port back: with a look in between, the
    /// container has exited and its port is taken.
    fn wait_for_port_release(&mut self) -> Result<()> {
        let begun = Instant::now();
        let taken = |observed: &Observed, config: &Config| {
            let to = observed.free_slot();
            let further = config.more_webs.iter().any(|web| {
                observed.listening_ports.contains(&web.slots.port(to)) && !observed.further_may_listen(to, &web.service)
            });
            further || observed.port_taken_by_other(to)
        };
        while taken(&self.observed, &self.config) && begun.elapsed() < PORT_GONE {
            std::thread::sleep(Duration::from_millis(200));
            self.observed = inspect(&self.config, &self.host)?;
        }
        Ok(())
    }

    fn on(config: &Config, (host, inspected): (Host, Ticket), locked: bool) -> Result<Session> {
        let observed = read(&host.wait(inspected)?.success()?.text(), config)?;
        let config = match &observed.ports {
            Some(ports) => config.with_ports(ports.slots, ports.live, &ports.further),
            None => config.clone(),
        };
        let config = with_serving_version(config, &observed);
        // Whatever a container of any release prints from here on, its settings are hidden.
        for release in &observed.releases {
            let assignments = env_file::read(release.env.expose()).unwrap_or_default();
            console::mask(mask::secrets(&assignments, &config.text));
            for content in mask::contents(release.files.expose()) {
                console::mask(mask::secrets_of_file(content, &config.text));
            }
        }
        Ok(Session { config, observed, host, locked })
    }

    /// The configuration with the settings that a release was made with.
    ///
    /// # Errors
    /// [`Kind::Preflight`] where they are not there.
    pub fn settings_of(&self, release: &ReleaseId) -> Result<Config> {
        let stored = self.observed.release(release).and_then(|release| release.settings.as_ref());
        let settings = stored.ok_or_else(|| {
            Kind::Preflight.error(format!(
                "release {release} was made by another version of this tool, which kept its settings elsewhere; deploy its commit instead"
            ))
        })?;
        let config = settings.applied(&self.config);
        let Some(ports) = &self.observed.ports else { return Ok(config) };
        // It may have web services that are configured no more, and nginx still knows.
        let known = |web: &Web| {
            ports.further.contains_key(&web.upstream)
                || self.config.more_webs.iter().any(|today| today.service == web.service)
        };
        match config.more_webs.iter().find(|web| !known(web)) {
            Some(Web { service, .. }) => Err(Kind::Preflight.error(format!(
                "release {release} has the web service `{service}`, of which nothing here says which ports its slots have any more: let \
                 deploy.toml have [web.{service}] again, and run the script of `cargo xtask setup` where nginx is the server's"
            ))),
            None => Ok(config.with_ports(ports.slots, ports.live, &ports.further)),
        }
    }

    /// The release that this source, this `.env` and these settings are: the one on the host where it is the same and as it was
    /// shipped, else a new id.
    ///
    /// # Errors
    /// Where the host does not answer, or a release has gone from it since the first look.
    pub fn choose_release(&self, base: &ReleaseId, env: &Env) -> Result<ReleaseId> {
        self.choose_release_with(base, env, Settings::of(&self.config))
    }

    /// The same, where the settings are those of another release.
    ///
    /// # Errors
    /// The same.
    pub fn choose_release_with(&self, base: &ReleaseId, env: &Env, settings: Settings) -> Result<ReleaseId> {
        let settings = Some(settings);
        let sum = |content: Secret| package::sha256(Input::Secret(content));
        let env_sum = sum(env.content.clone())?;
        let files = script::secret_files(&env.files);
        let files_sum = if files.is_empty() { String::new() } else { sum(Secret::new(files))? };
        let same = |release: &StoredRelease| {
            release.env_sum == env_sum && release.files_sum == files_sum && release.settings == settings
        };
        let numbered = (2..=9999).map(|number| base.numbered(number));
        for id in std::iter::once(base.clone()).chain(numbered) {
            match self.observed.release(&id) {
                None => return Ok(id),
                Some(release) if !same(release) => {}
                Some(release) if self.is_as_shipped(&id)? && self.has_the_same_images(release)? => return Ok(id),
                Some(_) => {}
            }
        }
        Err(anyhow::anyhow!("there are 9999 releases of {base}"))
    }

    /// Whether the names of its images in their registries still lead to them. Only who may pull an image can know.
    fn has_the_same_images(&self, release: &StoredRelease) -> Result<bool> {
        if !self.locked || release.pulled.iter().all(|image| image.reference.contains('@')) {
            return Ok(true);
        }
        let asked = self.host.finish(&script::moved_images(&self.config, &release.pulled))?.success()?;
        asked.tail.lines().for_each(console::warning);
        let moved = asked.text();
        for reference in moved.lines() {
            console::note(&format!("{reference} leads to another image than in release {}", release.id));
        }
        Ok(moved.is_empty())
    }

    fn is_as_shipped(&self, release: &ReleaseId) -> Result<bool> {
        let checked = self.host.finish(&script::check_release(&self.config, release))?;
        if checked.code == Some(FILES_NOT_AS_SHIPPED) {
            console::warning(&format!(
                "files of release {release} on the host are no longer as they were shipped, so it is sent again:\n{}",
                checked.tail
            ));
            return Ok(false);
        }
        checked.success().map(|_| true)
    }
}

/// What the request through nginx gave that the host was asked for, judged like a health check of the live release.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn site(config: &Config, observed: &Observed) -> Result<(), String> {
    let asked = format!("{}{}", config.environment.url, config.health.path);
    let answer = observed.site.as_ref().ok_or_else(|| format!("{asked} does not answer"))?;
    if answer.is_turned_away() || (answer.status == 503 && observed.maintenance.is_some()) {
        return Ok(());
    }
    // The host's own request may be among those that are led to another version.
    let release = observed.live_release().filter(|_| !observed.leads_elsewhere());
    health::check(answer, &config.health, release)
        .map_err(|reason| format!("{asked} through nginx gives {}", reason.shown(console::masked)))
}

/// Asks the host once more.
///
/// # Errors
/// Where the host does not answer, or says what cannot be read.
pub fn inspect(config: &Config, host: &Host) -> Result<Observed> {
    read(&host.text(&script::inspect(config))?, config)
}

fn read(report: &str, config: &Config) -> Result<Observed> {
    observed::parse(report, config).context("what the host said of itself")
}

/// A site that the tool writes itself has what the version that serves has on it until the switch, and what the next one has from then on.
fn with_serving_version(config: Config, observed: &Observed) -> Config {
    let settings = |slot| Some((slot, observed.release(observed.release_in(slot)?)?.settings.as_ref()?));
    let live = observed.live().and_then(settings);
    let Some((slot, settings)) = live.filter(|_| config.environment.nginx.owner != NginxOwner::System) else {
        return config;
    };
    let mut serving = settings.applied(&config);
    if let Some(ports) = &observed.ports {
        serving = serving.with_ports(ports.slots, ports.live, &ports.further);
    }
    // One of which nobody knows the ports any more cannot be reached.
    let of_host = |web: &Web| observed.ports.as_ref().is_some_and(|ports| ports.further.contains_key(&web.upstream));
    let of_today = |web: &Web| config.more_webs.iter().any(|today| today.service == web.service);
    serving.more_webs.retain(|web| of_host(web) || of_today(web));
    let serves = ServingVersion { slot, webs: serving.more_webs, static_files: serving.static_files };
    Config { serves: Some(serves), ..config }
}

#[cfg(test)]
mod tests;
