//! The steps that are more than one script on the host: they ask, wait, and judge.

mod carry;
mod health;
mod judge;
mod render;
mod traffic;
mod warm_up;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::io::host::Host;
use crate::io::host::shell::Ticket;
use crate::io::local::dotenv::Env;
use crate::io::local::package::{Earlier, Package};
use crate::io::local::{pytest, test_commands};
use crate::rules::config::{Config, Tests};
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::release::settings::Settings;
use crate::rules::release::tree::Content;
use crate::rules::script::{self, Parts, Script};
use crate::rules::shared_constants::FILES_NOT_AS_SHIPPED;
use crate::rules::test_summary::Summary;

pub use carry::carry;
pub use health::{await_health_of_all, rest};
pub use judge::{RequestLog, judge};
pub use render::{Printed, as_shipped, refuse_early, render, reviewed, stored_commit, tell};
pub use traffic::{bake, verify};
pub use warm_up::warm_up;

/// Runs the app's tests, by whom `[test]` names. `group`, and words for the runner itself, are those of the command line.
///
/// # Errors
/// [`Kind::Tests`] where they could not be run or say nothing; [`Kind::Configuration`] where nobody is to run them.
pub fn test(config: &Config, group: Option<&str>, extra: &[String]) -> Result<Summary> {
    let limit = Duration::from_secs(config.limits.test);
    let tests = match &config.tests {
        Tests::Pytest(tests) => tests,
        Tests::Commands(_) if group.is_some() => {
            return Err(Kind::Usage.error("--group is for pytest, and [test] command is run in its place"));
        }
        Tests::Commands(tests) => {
            return test_commands::run(tests, &config.root.join(&config.project.app), extra, limit);
        }
        Tests::Off => return Err(Kind::Configuration.error("there are no tests to run: [test] off = true")),
    };
    let state: PathBuf = config.root.join(".deploy");
    let tests = pytest::PytestRun {
        root: &config.root,
        app: &config.project.app,
        folder: &tests.folder,
        requirements: &tests.requirements,
        selection_file: &tests.selection,
        overrides: &tests.groups,
        python: &tests.python,
        env: &tests.env,
        state: &state,
        limit,
    };
    pytest::run(&tests, group, extra)
}

/// What the release that serves has of the release to come. Nothing, where it cannot be read: then all is sent.
///
/// # Errors
/// Where the host does not answer.
pub fn earlier(config: &Config, host: &Host, observed: &Observed) -> Result<Option<Earlier>> {
    let Some(release) = observed.live_release().filter(|id| observed.release(id).is_some()) else { return Ok(None) };
    let manifest = host.finish(&script::manifest(config, release))?;
    // A release of an earlier version of this tool tells less.
    let content = serde_json::from_slice::<Content>(&manifest.stdout).ok().filter(|_| manifest.code == Some(0));
    Ok(content.map(|content| Earlier { release: release.clone(), content }))
}

/// Whether a release is on the host now, or its archive has to hold all of it.
pub enum Shipped {
    /// With what was sent along with it.
    Complete(VecDeque<Ticket>),
    /// Files that were to be taken from an earlier release are no longer what they were.
    NotAsShipped,
}

/// `then` is what will be run after it: it is sent along.
///
/// # Errors
/// Where the archive does not arrive whole; nothing is left that looks like a release.
pub fn ship(config: &Config, host: &Host, package: &Package, env: &Env, then: Vec<Script>) -> Result<Shipped> {
    let receive = script::receive(config, &package.release, &package.archive, package.bytes);
    let lost = |error: &anyhow::Error| Kind::of(error) == Some(Kind::Connection);
    host.send_beside(&receive).map_err(|error| match host.text(&script::space(config)) {
        _ if lost(&error) => error,
        Ok(space) => error.context(format!(
            "the archive of {} bytes could not be copied to {}; {}; where the disk is full, free some and deploy again",
            package.bytes,
            config.environment.folder,
            space.trim()
        )),
        Err(_) => error,
    })?;
    let manifest = std::fs::read(&package.manifest)
        .with_context(|| format!("reading the manifest {}", package.manifest.display()))?;
    let settings = serde_json::to_string(&Settings::of(config)).context("writing the settings")?;
    let (sums, links) = (&package.sums_on_the_host(), &package.links);
    let parts = Parts { manifest: &manifest, sums, links, settings: &settings, env: &env.content, files: &env.files };
    let archive = script::Archive { sha256: &package.sha256, strip: package.strip, reuse: package.reuse.as_ref() };
    let ship = script::ship(config, &package.release, archive, &parts);
    let mut tickets = host.send([ship].into_iter().chain(then).collect())?;
    let shipped = tickets.pop_front().context("nothing was sent")?;
    let shipped = host.wait(shipped)?;
    if shipped.code == Some(FILES_NOT_AS_SHIPPED) {
        host.forget_ahead()?;
        return Ok(Shipped::NotAsShipped);
    }
    shipped.success().map(|_| Shipped::Complete(tickets))
}
