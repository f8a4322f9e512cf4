//! Asking through nginx: proving a switch, and watching the new version after it.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::io::host::Host;
use crate::io::host::probe::Probe;
use crate::io::{console, interrupt, process};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::health::{self, Answer};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::{nginx, script};

use super::health::{LOG_LINES, PROBE, Watch, ended};

/// How long nginx may take until new workers serve.
const SETTLE: Duration = Duration::from_secs(10);
/// Failures in a row that end a bake: one alone may be the watcher's.
const BAKE_FAILURES: u32 = 3;
/// Time between two probes of a bake, and the longest where nginx turns them away.
const BAKE_POLL: Duration = Duration::from_millis(100);
const TURNED_AWAY_POLL: Duration = Duration::from_secs(2);
/// How long docker may take to give a container's log after the switch: until then, the traffic goes to a version that has ended.
const LIVE_LOGS: Duration = Duration::from_secs(2);

/// The site as its users reach it, and the version that should answer there.
pub struct Site<'a> {
    config: &'a Config,
    /// As a person would call it.
    called: String,
    site: Probe,
    slot: Probe,
    release: Option<&'a ReleaseId>,
}

/// What a request through nginx came back with.
pub enum Served {
    Well,
    /// nginx itself refused it for a limit of the site, while the version behind it is healthy.
    TurnedAway,
    Badly(String),
}

impl<'a> Site<'a> {
    pub fn of(config: &'a Config, host: &Host, slot: Slot, release: Option<&'a ReleaseId>) -> Site<'a> {
        let called = config.environment.url.to_string();
        Site { config, called, site: Probe::site(config, host), slot: Probe::slot(config, host, slot), release }
    }

    /// A further web service, of which `config` is as if it were the only one.
    fn of_further(config: &'a Config, host: &Host, slot: Slot, release: Option<&'a ReleaseId>) -> Site<'a> {
        let called = format!("nginx, asked for `{}`: ", config.project.web);
        Site { called, site: Probe::through_nginx(config, host), ..Site::of(config, host, slot, release) }
    }

    /// All that can be asked: of which a connection alone is tried, nginx can lead to nobody and say so.
    fn of_all(webs: &'a [Config], host: &Host, slot: Slot, release: &'a ReleaseId) -> Vec<Site<'a>> {
        let (first, further) = webs.split_first().unzip();
        let first = first.map(|web| Site::of(web, host, slot, Some(release)));
        let further = further.unwrap_or_default().iter().filter(|web| !web.health.connect);
        first.into_iter().chain(further.map(|web| Site::of_further(web, host, slot, Some(release)))).collect()
    }

    pub fn ask(&self) -> Served {
        let health = &self.config.health;
        let asked = format!("{}{}", self.called, health.path);
        let answer = match self.site.get(&health.path, PROBE) {
            Ok(answer) => answer,
            Err(error) => return Served::Badly(format!("{asked} does not answer: {error:#}")),
        };
        match health::check(&answer, health, self.release) {
            Ok(()) => Served::Well,
            Err(_) if self.is_turned_away(&answer) => Served::TurnedAway,
            Err(reason) => Served::Badly(format!("{asked} gives {}", reason.shown(console::masked))),
        }
    }

    /// A limit may have a page of the site's own: then the slot itself tells.
    fn is_turned_away(&self, answer: &Answer) -> bool {
        let healthy = |answer: &Answer| health::check(answer, &self.config.health, self.release).is_ok();
        answer.is_turned_away()
            || (matches!(answer.status, 429 | 503)
                && self.slot.ask(&self.config.health, PROBE).is_ok_and(|answer| answer.as_ref().is_none_or(healthy)))
    }
}

/// What is worst of what all came back with.
fn ask_all(sites: &[Site]) -> Served {
    let mut worst = Served::Well;
    for site in sites {
        match (site.ask(), &worst) {
            (bad @ Served::Badly(_), _) => return bad,
            (Served::TurnedAway, _) => worst = Served::TurnedAway,
            (Served::Well, _) => {}
        }
    }
    worst
}

/// Proves that a request through nginx reaches the new release: nginx says it obeys the slot, and the site answers
/// healthy, as that release where it names one.
///
/// `nginx -s reload` returns before the new workers serve, so this is asked until it is so.
///
/// # Errors
/// [`Kind::Switch`] with what nginx and the site say instead.
pub fn verify(config: &Config, host: &Host, release: &ReleaseId, slot: Slot) -> Result<()> {
    let (live, webs) = (Probe::live(config, host), config.of_each_web());
    let sites = Site::of_all(&webs, host, slot, release);
    let deadline = Instant::now() + SETTLE;
    let mut pause = Duration::from_millis(20);
    loop {
        interrupt::check()?;
        host.check()?;
        let (obeyed, served) = both(|| obeys(config, &live, slot), || ask_all(&sites));
        let over = Instant::now() >= deadline;
        let problem = match (obeyed, served) {
            (Ok(()), Served::Well) => return Ok(()),
            (Ok(()), Served::TurnedAway) if over => {
                console::warning(
                    "a request limit of the site rejects the tool's requests, so only nginx's own answer confirms the switch",
                );
                return Ok(());
            }
            (Ok(()), Served::TurnedAway) => {
                pause = (pause * 2).min(TURNED_AWAY_POLL);
                String::new()
            }
            (Err(problem), _) | (Ok(()), Served::Badly(problem)) => problem,
        };
        if over {
            return Err(Kind::Switch.error(format!("the new release does not answer through nginx: {problem}")));
        }
        std::thread::sleep(pause);
    }
}

/// Asks both at once: over a slow link each takes its time.
fn both(
    one: impl FnOnce() -> Result<(), String>,
    other: impl FnOnce() -> Served + Send,
) -> (Result<(), String>, Served) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        (one, other.join().unwrap_or_else(|_| Served::Badly("the probe panicked".to_owned())))
    })
}

fn obeys(config: &Config, live: &Probe, slot: Slot) -> Result<(), String> {
    match live.get("/", PROBE) {
        Ok(answer) if nginx::slot_in_answer(&answer.body, &config.project.name) == Some(slot) => Ok(()),
        Ok(answer) => {
            let said: String = console::masked(answer.body.trim()).chars().take(60).collect();
            Err(format!("nginx says {said:?}, not that it obeys slot {slot} of {}", config.project.name))
        }
        Err(error) => Err(format!("nginx does not say which slot it obeys: {error:#}")),
    }
}

/// Watches the new version, through nginx and its container, for some seconds.
///
/// # Errors
/// [`Kind::Bake`] when it fails; the caller goes back to the old one, which still runs.
pub fn bake(config: &Config, host: &Host, release: &ReleaseId, slot: Slot, seconds: u64) -> Result<()> {
    let webs = config.of_each_web();
    let sites = Site::of_all(&webs, host, slot, release);
    let watches =
        webs.iter().map(|web| Ok((&web.project.web, Watch::start(web, host, slot)?))).collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut failures = 0;
    let (mut took, mut pause) = (Duration::ZERO, BAKE_POLL);
    // A probe that would not be answered before the end is none.
    while Instant::now() + took < deadline {
        interrupt::check()?;
        host.check()?;
        let begun = Instant::now();
        for (web, watch) in &watches {
            if let Some(ended) = ended(watch, LIVE_LOGS)? {
                let of = if webs.len() > 1 { format!(" of `{web}`") } else { String::new() };
                return Err(Kind::Bake.error(format!("after the switch, the container{of} of slot {slot} {ended}")));
            }
        }
        match ask_all(&sites) {
            Served::Well => failures = 0,
            Served::TurnedAway => {
                pause = (pause * 2).min(TURNED_AWAY_POLL);
                console::note(&format!(
                    "a limit of the site turned a request of this tool away; the next in {} ms",
                    pause.as_millis()
                ));
            }
            Served::Badly(problem) => {
                failures += 1;
                console::note(&format!("failed probe {failures} of {BAKE_FAILURES}: {problem}"));
                if failures == BAKE_FAILURES {
                    return Err(turned_bad(config, host, slot, &problem));
                }
            }
        }
        took = begun.elapsed();
        std::thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
    }
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    Ok(())
}

fn turned_bad(config: &Config, host: &Host, slot: Slot, problem: &str) -> anyhow::Error {
    let logs = host
        .text(&script::logs(config, slot, LOG_LINES))
        .map_or_else(|error| format!("{error:#}"), |logs| console::masked_lines(&logs));
    Kind::Bake
        .error(format!("after the switch, {problem}\nthe container's last log lines:\n{}", process::indent(&logs)))
}
