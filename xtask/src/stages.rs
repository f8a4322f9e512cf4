//! The steps that are more than one script on the host: they ask, wait, and judge.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::command::{Script, Secret};
use crate::compose::{self, Files, Rendering};
use crate::config::Config;
use crate::failure::Kind;
use crate::host::Host;
use crate::observed::Observed;
use crate::package::{Earlier, Package};
use crate::probe::{Polls, Probe};
use crate::proc::{self, Held};
use crate::release::{ReleaseId, Slot};
use crate::tree::Content;
use crate::verdict::judge;
use crate::{console, interrupt, pytest, script};

/// Time from the start of one health probe to the next.
const POLL: Duration = Duration::from_millis(20);
/// How long one probe may take.
const PROBE: Duration = Duration::from_secs(5);
/// How long nginx may take until new workers serve.
const SETTLE: Duration = Duration::from_secs(10);
/// Failures in a row that end a bake: one alone may be the watcher's.
const BAKE_FAILURES: u32 = 3;
/// Lines of a container's log in an error.
const LOG_LINES: usize = 40;
/// How long docker may take to give them: one that starts and ends other containers was seen to take more than 2 s.
const LOGS: Duration = Duration::from_secs(20);
/// The same after the switch: until they are there, the traffic goes to a version that has ended.
const LIVE_LOGS: Duration = Duration::from_secs(2);

/// # Errors
/// [`Kind::Tests`] naming the tests that failed.
pub fn test(config: &Config, group: Option<&str>, extra: &[String]) -> Result<pytest::Summary> {
    let state: PathBuf = config.root.join(".deploy");
    let tests = pytest::Tests {
        root: &config.root,
        app: &config.project.app,
        folder: &config.tests.folder,
        requirements: &config.tests.requirements,
        selection_file: &config.tests.selection,
        overrides: &config.tests.groups,
        python: &config.tests.python,
        state: &state,
    };
    pytest::run(&tests, group, extra)
}

/// What the release that serves has of the release to come. Nothing, where it cannot be read: then all is sent.
pub fn earlier(config: &Config, host: &Host, observed: &Observed) -> Result<Option<Earlier>> {
    let Some(release) = observed.live_release().filter(|id| observed.release(id).is_some()) else { return Ok(None) };
    let manifest = host.finish(&script::manifest(config, release))?;
    // A release of an earlier version of this tool tells less.
    let content = serde_json::from_slice::<Content>(&manifest.stdout).ok().filter(|_| manifest.code == Some(0));
    Ok(content.map(|content| Earlier { release: release.clone(), content }))
}

/// Whether a release is on the host now, or its archive has to hold all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    Complete,
    /// Files that were to be taken from an earlier release are no longer what they were.
    NotAsShipped,
}

/// `next` is what will be run after it: it is sent along.
///
/// # Errors
/// Where the archive does not arrive whole; nothing is left that looks like a release.
pub fn ship(config: &Config, host: &Host, package: &Package, env: &Secret, next: Option<Script>) -> Result<Shipped> {
    let archive = std::fs::read(&package.archive)
        .with_context(|| format!("reading the archive {}", package.archive.display()))?;
    let receive = script::receive(config, &package.release, archive);
    host.send_beside(&receive).map_err(|error| match host.text(&script::space(config)) {
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
    let archive = script::Archive { sha256: &package.sha256, strip: package.strip, reuse: package.reuse.as_ref() };
    let ship = script::ship(config, &package.release, archive, &manifest, env);
    host.send_ahead([ship.clone()].into_iter().chain(next).collect())?;
    let shipped = host.finish(&ship)?;
    if shipped.code == Some(script::NOT_AS_SHIPPED) {
        host.forget_ahead()?;
        return Ok(Shipped::NotAsShipped);
    }
    shipped.success().map(|_| Shipped::Complete)
}

/// Reads the release's compose files by the host's compose, and renders those for this slot. The script keeps them
/// there, beside the release; nothing else may run before.
pub fn render(config: &Config, host: &Host, release: &ReleaseId, slot: Slot, compose: &str) -> Result<(Files, Script)> {
    let project = host.text(&script::compose_config(config, release, compose))?;
    let rendering = Rendering {
        project: &config.project.name,
        web: &config.project.web,
        workers: &config.project.workers,
        web_port: config.project.web_port,
        release,
        slot,
        slots: config.slots,
    };
    let files = compose::render(&project, &rendering).context("the compose files")?;
    files.notes.iter().for_each(|note| console::warning(note));
    let store = script::store(config, release, slot, &files);
    Ok((files, store))
}

/// Polls the slot until it is healthy; the first success wins. Ends at once when its container does.
///
/// # Errors
/// [`Kind::Unhealthy`] with what the last probe saw and the container's last log lines.
pub fn await_health(config: &Config, host: &Host, release: &ReleaseId, slot: Slot) -> Result<()> {
    let mut polls = Polls::new(Probe::slot(config, host, slot), &config.health.path);
    let mut watch = None;
    let deadline = Instant::now() + config.health.limit();
    let mut answers = Answers::default();
    while Instant::now() < deadline {
        interrupt::check()?;
        host.check()?;
        let begun = Instant::now();
        polls.start(PROBE.min(deadline.saturating_duration_since(begun)).max(Duration::from_millis(1)));
        while let Some(answer) = polls.answer(begun + POLL) {
            let healthy = answer
                .map_err(|error| format!("{error:#}"))
                .and_then(|answer| judge(&answer, &config.health.expect, Some(release)));
            match healthy {
                Ok(()) => return Ok(()),
                Err(reason) => answers.add(reason),
            }
        }
        // Not before it is needed: one that is healthy at once, as in a rollback, has no time to end.
        let watch = match &mut watch {
            Some(watch) => watch,
            none => none.insert(Watch::start(config, host, slot)?),
        };
        if let Some(ended) = ended(watch, LOGS)? {
            return Err(Kind::Unhealthy.error(format!("the container of slot {slot} {ended}")));
        }
    }
    let logs = host.text(&script::logs(config, slot, LOG_LINES))?;
    Err(Kind::Unhealthy.error(format!(
        "slot {slot} did not become healthy within {} s. GET {} on port {} gave:\n{}\nthe container's last log lines:\n{}",
        config.health.timeout,
        config.health.path,
        config.slots.port(slot),
        proc::indent(&answers.describe()),
        proc::indent(&logs)
    )))
}

/// What the probes of a slot that never became healthy saw, in the order first seen.
#[derive(Default)]
struct Answers(Vec<(String, u32)>);

impl Answers {
    fn add(&mut self, reason: String) {
        match self.0.iter_mut().find(|(seen, _)| *seen == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    fn describe(&self) -> String {
        let latest = self.0.iter().rev().take(6).rev();
        let lines: Vec<String> = latest.map(|(reason, count)| format!("{count} times: {reason}")).collect();
        if lines.is_empty() { format!("no answer, each for {} s", PROBE.as_secs()) } else { lines.join("\n") }
    }
}

/// Watches the container of a slot for as long as it lives.
struct Watch(Option<Held>);

impl Watch {
    fn start(config: &Config, host: &Host, slot: Slot) -> Result<Watch> {
        Ok(Watch(Some(host.hold(&script::watch(config, slot))?)))
    }
}

impl Drop for Watch {
    /// Over a slow link its end takes a while, and nothing depends on it.
    fn drop(&mut self) {
        let held = self.0.take();
        std::thread::spawn(move || drop(held));
    }
}

/// How the watched container has ended, if it has, with the last log lines that docker gives within `limit`.
fn ended(Watch(watch): &Watch, limit: Duration) -> Result<Option<String>> {
    let Some(watch) = watch else { return Ok(None) };
    while let Some(line) = watch.ready_line() {
        if let Some(how) = line.strip_prefix("ended\t") {
            let mut text = format!("does not keep running: it {how}; its last log lines:");
            let until = Instant::now() + limit;
            while let Some(line) = watch.line(until.saturating_duration_since(Instant::now()))? {
                text.push_str(&format!("\n  {line}"));
            }
            if Instant::now() >= until {
                text.push_str(&format!("\n  (docker has not given all of them within {} s)", limit.as_secs()));
            }
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Proves that a request through nginx reaches the new release: nginx says it obeys the slot, and the site answers
/// healthy, as that release where it names one.
///
/// `nginx -s reload` returns before the new workers serve, so this is asked until it is so.
///
/// # Errors
/// [`Kind::Switch`] with what nginx and the site say instead.
pub fn verify(config: &Config, host: &Host, release: &ReleaseId, slot: Slot) -> Result<()> {
    let (live, site) = (Probe::live(config, host), Probe::site(config, host));
    let deadline = Instant::now() + SETTLE;
    loop {
        interrupt::check()?;
        host.check()?;
        let problem = match both(|| obeys(&live, slot), || serves(config, &site, release)) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        if Instant::now() >= deadline {
            return Err(Kind::Switch.error(format!("the new release does not answer through nginx: {problem}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks both at once: over a slow link each takes its time.
fn both(
    one: impl FnOnce() -> Result<(), String>,
    other: impl FnOnce() -> Result<(), String> + Send,
) -> Result<(), String> {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        one().and(other.join().unwrap_or_else(|_| Err("the probe panicked".to_owned())))
    })
}

fn obeys(live: &Probe, slot: Slot) -> Result<(), String> {
    match live.get("/", PROBE) {
        Ok(answer) if answer.body.trim() == slot.name() => Ok(()),
        Ok(answer) => {
            Err(format!("nginx obeys slot {:?}, not {slot}", answer.body.trim().chars().take(40).collect::<String>()))
        }
        Err(error) => Err(format!("nginx does not say which slot it obeys: {error:#}")),
    }
}

fn serves(config: &Config, site: &Probe, release: &ReleaseId) -> Result<(), String> {
    let asked = format!("{}{}", config.environment.url, config.health.path);
    match site.get(&config.health.path, PROBE) {
        Ok(answer) => {
            judge(&answer, &config.health.expect, Some(release)).map_err(|reason| format!("{asked} gives {reason}"))
        }
        Err(error) => Err(format!("{asked} does not answer: {error:#}")),
    }
}

/// Watches the new version, through nginx and its container, for some seconds.
///
/// # Errors
/// [`Kind::Bake`] when it fails; the caller goes back to the old one, which still runs.
pub fn bake(config: &Config, host: &Host, release: &ReleaseId, slot: Slot, seconds: u64) -> Result<()> {
    let site = Probe::site(config, host);
    let watch = Watch::start(config, host, slot)?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut failures = 0;
    let mut took = Duration::ZERO;
    // A probe that would not be answered before the end is none.
    while Instant::now() + took < deadline {
        interrupt::check()?;
        host.check()?;
        let begun = Instant::now();
        if let Some(ended) = ended(&watch, LIVE_LOGS)? {
            return Err(Kind::Bake.error(format!("after the switch, the container of slot {slot} {ended}")));
        }
        match serves(config, &site, release) {
            Ok(()) => failures = 0,
            Err(problem) => {
                failures += 1;
                console::note(&format!("failed probe {failures} of {BAKE_FAILURES}: {problem}"));
                if failures == BAKE_FAILURES {
                    let logs = host.text(&script::logs(config, slot, LOG_LINES))?;
                    return Err(Kind::Bake.error(format!(
                        "after the switch, {problem}\nthe container's last log lines:\n{}",
                        proc::indent(&logs)
                    )));
                }
            }
        }
        took = begun.elapsed();
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::{Command, hold};

    /// What is told of a container whose log takes docker 3 s.
    fn told(limit: Duration) -> String {
        let script = r"printf 'ended\tis exited\n'; sleep 3; echo 'settings are incomplete'";
        let watch = Watch(Some(hold(&Command::new("watch", ["sh", "-c", script])).unwrap()));
        let told = (0..100).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            ended(&watch, limit).unwrap()
        });
        told.expect("its end was not seen")
    }

    #[test]
    fn the_log_of_a_container_that_ended_is_told_or_that_docker_did_not_give_it_in_time() {
        let how = "does not keep running: it is exited; its last log lines:\n  ";
        assert_eq!(told(LOGS), format!("{how}settings are incomplete"));
        assert_eq!(told(Duration::from_secs(1)), format!("{how}(docker has not given all of them within 1 s)"));
    }
}
