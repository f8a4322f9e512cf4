//! How a release comes to the host: packaged, shipped, rendered; and which scripts are sent together.

use anyhow::{Context, Result, bail};

use super::Execution;
use crate::io::console;
use crate::io::host::shell::Ticket;
use crate::io::local::dotenv;
use crate::io::local::package::{self, Earlier};
use crate::io::process;
use crate::rules::engine::compose::Commit;
use crate::rules::failure::Kind;
use crate::rules::plan::script_of_step;
use crate::rules::plan::step::Step;
use crate::rules::release::settings::Settings;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script::{self, Script};
use crate::run::candidate::Candidate;
use crate::run::session::Session;
use crate::run::steps::{self, Printed, Shipped};

impl Execution<'_> {
    /// For the script that a step begins with. Where it has not been sent, it is now, and what can be sent along with it.
    pub(super) fn begin(&mut self, release: &ReleaseId, step: &Step, then: &[Step]) -> Result<Ticket> {
        if self.tickets.is_empty() {
            let steps: Vec<Step> = [step.clone()].into_iter().chain(then.iter().cloned()).collect();
            let row = self.row(release, &steps)?;
            self.unsent = steps.len() - row.len();
            self.tickets = self.session.host.send(row)?;
        }
        self.tickets.pop_front().with_context(|| format!("the step `{}` begins with no script", step.title(release)))
    }

    pub(super) fn row(&self, release: &ReleaseId, steps: &[Step]) -> Result<Vec<Script>> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        Ok(script_of_step::row(self.config, release, self.compose()?, self.rendered.as_ref(), steps))
    }

    pub(super) fn render(
        &mut self,
        release: &ReleaseId,
        slot: Slot,
        project: &str,
        commit: &Commit,
        then: &[Step],
    ) -> Result<()> {
        let host = &self.session.host;
        // Of a release that is there already, its own `.env` says which profiles are on.
        let stored = self.session.observed.release(release).map(|release| dotenv::profiles_in(release.env.expose()));
        let env = self.candidate.as_ref().map(|candidate| &candidate.env).or(self.env.as_ref());
        let profiles = env.map(|env| env.profiles.clone()).or(stored);
        let printed = Printed { project, commit, profiles: profiles.as_deref() };
        let (rendered, store) = steps::render(self.config, self.session, release, slot, &printed)?;
        self.rendered = Some(rendered);
        let row = self.row(release, then)?;
        self.unsent = then.len() - row.len();
        self.tickets = host.send([store].into_iter().chain(row).collect())?;
        let stored = self.tickets.pop_front().context("nothing was sent")?;
        let stored = host.wait(stored).and_then(|stored| Ok(stored.success()?.text()));
        // What it refuses is of the compose files: where data lies.
        let said = stored.map_err(|error| Kind::Configuration.around(error, "nothing that runs was touched"))?;
        steps::tell(&said);
        Ok(())
    }

    pub(super) fn compose(&self) -> Result<&str> {
        self.session.observed.compose.as_deref().context("the host has no compose")
    }

    pub(super) fn candidate(&self) -> Result<&Candidate> {
        self.candidate.as_ref().context("there is nothing to package or to ship")
    }

    pub(super) fn package(&mut self, release: &ReleaseId) -> Result<String> {
        let (config, Session { host, observed, .. }) = (self.config, self.session);
        let earlier = steps::earlier(config, host, observed)?;
        let note = self.make_package(release, earlier.as_ref())?;
        let package = self.package.as_ref().context("there is no package")?;
        let candidate = self.candidate()?;
        steps::refuse_early(self.session, package, &candidate.env, candidate.ahead())?;
        Ok(note)
    }

    pub(super) fn make_package(&mut self, release: &ReleaseId, earlier: Option<&Earlier>) -> Result<String> {
        let config = self.config;
        let folder = package::fresh_folder(config)?;
        let Candidate { source, env, .. } = self.candidate()?;
        let caller = self.caller;
        let made = process::gently(&config.environment.reach, || {
            package::package(config, source, release, caller, &folder, earlier)?.with_secret_files(&env.files)
        });
        let package = made?;
        let note = match &package.reuse {
            Some(reuse) => format!("{} bytes; {} files are on the host already", package.bytes, reuse.sums.len()),
            None => format!("{} bytes, sha256 {}", package.bytes, package.sha256),
        };
        self.package = Some(package);
        Ok(note)
    }

    pub(super) fn ship(&mut self, release: &ReleaseId, then: &[Step]) -> Result<String> {
        let row = self.row(release, then)?;
        let unsent = then.len() - row.len();
        let mut shipped = self.try_to_ship(row.clone())?;
        if matches!(shipped, Shipped::NotAsShipped) {
            console::warning("files of the release that serves are no longer as they were shipped, so all is sent");
            self.make_package(release, None)?;
            shipped = self.try_to_ship(row)?;
        }
        let Shipped::Complete(tickets) = shipped else { bail!("the host needs files that were not sent") };
        (self.tickets, self.unsent) = (tickets, unsent);
        Ok(format!("{} bytes", self.shipped_bytes))
    }

    pub(super) fn copy(&mut self, release: &ReleaseId, from: &ReleaseId) -> Result<()> {
        let (config, host) = (self.config, &self.session.host);
        let env = self.env.as_ref().context("there is no env file to put in")?;
        let settings = serde_json::to_string(&Settings::of(config)).context("writing the settings")?;
        let copy = script::copy_release(config, release, from, &settings, &env.content, &env.files);
        steps::as_shipped(host.finish(&copy)?, from).map(drop)
    }

    pub(super) fn carry(&mut self, images: &[String]) -> Result<String> {
        let folder = self.config.root.join(".deploy/images").join(&self.config.environment.name);
        let bytes = steps::carry(self.config, &self.session.host, images, &folder)?;
        self.shipped_bytes += bytes;
        Ok(format!("{bytes} bytes"))
    }

    pub(super) fn try_to_ship(&mut self, then: Vec<Script>) -> Result<Shipped> {
        let (config, host) = (self.config, &self.session.host);
        let package = self.package.as_ref().context("there is no package to ship")?;
        let shipped = steps::ship(config, host, package, &self.candidate()?.env, then)?;
        self.shipped_bytes += package.bytes;
        Ok(shipped)
    }
}
