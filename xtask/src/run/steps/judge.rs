//! Comparing a version that has a share of all clients with the live one, by nginx's log of the same time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::health::{Watch, must_run};
use crate::io::host::Host;
use crate::io::{console, interrupt};
use crate::rules::canary::{self, Answers, Verdict};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::release::Slot;
use crate::rules::script;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// How many times its seconds a step may take, until there have been enough requests.
const PATIENCE: u32 = 10;

/// What both versions have answered since a moment.
#[derive(Default)]
pub struct RequestLog {
    of: BTreeMap<Slot, Answers>,
    /// How far nginx's log has been read. `None`: not at all.
    read: Option<u64>,
}

impl RequestLog {
    /// Has nginx write it from now on.
    ///
    /// # Errors
    /// Where the host does not say how far it is.
    pub fn begin(config: &Config, host: &Host) -> Result<RequestLog> {
        let mut log = RequestLog::default();
        log.read(config, host)?;
        Ok(log)
    }

    /// Reads what has come since.
    ///
    /// # Errors
    /// Where the host counts in a way of its own.
    pub fn read(&mut self, config: &Config, host: &Host) -> Result<()> {
        let text = host.text(&script::count_requests(config, self.read))?;
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["end", size] => self.read = Some(size.parse().context("where nginx's log ends")?),
                [slot, requests, errors, times] => {
                    let slot = Slot::from_name(slot).context("the host counts requests of no slot")?;
                    let answers = Answers::read(requests, errors, times).context("the host's count is none")?;
                    self.of.entry(slot).or_default().add(&answers);
                }
                _ => bail!("the host counts requests in a way of its own"),
            }
        }
        Ok(())
    }

    pub fn of(&self, slot: Slot) -> Answers {
        self.of.get(&slot).cloned().unwrap_or_default()
    }
}

/// Watches a version at a share for some seconds, or until there have been enough requests. Gives the figures.
///
/// # Errors
/// [`Kind::Bake`] where it does worse than the live version, or nothing can be said of it.
pub fn judge(config: &Config, host: &Host, slot: Slot, percent: u8, seconds: u64) -> Result<String> {
    let span = Duration::from_secs(seconds);
    let look = (span / 4).clamp(Duration::from_secs(1), LOOK);
    let mut log = RequestLog::begin(config, host)?;
    let webs = config.of_each_web();
    let watches = webs.iter().map(|web| Ok((web, Watch::start(web, host, slot)?))).collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    loop {
        let until = Instant::now()
            + look.min((begun + span).saturating_duration_since(Instant::now())).max(Duration::from_millis(200));
        while Instant::now() < until {
            interrupt::check()?;
            host.check()?;
            watches.iter().try_for_each(|(web, watch)| must_run(web, slot, watch))?;
            std::thread::sleep(Duration::from_millis(50));
        }
        log.read(config, host)?;
        let (live, new) = (log.of(slot.other()), log.of(slot));
        let is_over = begun.elapsed() >= span;
        let verdict = match canary::judge_errors(&config.canary, &live, &new) {
            Verdict::Well if is_over => canary::judge_times(&config.canary, &live, &new),
            verdict => verdict,
        };
        let figures = format!("new {}; live {}", new.describe(), live.describe());
        match verdict {
            Verdict::Worse(why) => {
                return Err(
                    Kind::Bake.error(format!("at {percent}% the new version is taken back, since {why}: {figures}"))
                );
            }
            Verdict::Well if is_over => return Ok(figures),
            Verdict::TooFew if begun.elapsed() >= span * PATIENCE => {
                let wanted = config.canary.min_requests;
                return Err(Kind::Bake.error(format!(
                    "at {percent}% the new version has had {} requests in {} s, and of less than {wanted} nothing can be said ({figures}); give it \
                     larger shares or more time (`steps`, `every` of [canary] in deploy.toml), or judge it yourself: `deploy --hold`, `canary set`{}",
                    new.requests,
                    begun.elapsed().as_secs(),
                    if live.requests == 0 { ". nginx has logged none of the live version's either: is `server_name` of its site what users ask for?" } else { "" }
                )));
            }
            Verdict::TooFew if is_over => console::note(&format!("too few requests so far: {figures}")),
            Verdict::Well | Verdict::TooFew => {}
        }
    }
}
