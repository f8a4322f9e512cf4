//! `cargo xtask guard`.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly};
use crate::io::{console, interrupt};
use crate::rules::canary::{self, Answers, Verdict};
use crate::rules::config::Config;
use crate::rules::failure::{self, Kind};
use crate::rules::host::observed::Observed;
use crate::rules::plan;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::report::Report;
use crate::run::session::{self, Session};
use crate::run::steps::RequestLog;

/// Watch the release that serves for a while, and go back by itself if it turns bad
///
/// It runs where it is called, in a terminal or a job of CI, and leaves nothing on the server.
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask guard --env prod --for 30m")]
pub struct Guard {
    /// For how long; where not given, `guard` of [traffic] in deploy.toml
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    span: Option<Duration>,
    #[command(flatten)]
    lock: Lock,
}

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Looks in a row at which the site does not answer well, or the host not at all, until something is done about it.
const PATIENCE: u32 = 3;

/// The release that is watched.
struct Watched {
    release: ReleaseId,
    slot: Slot,
    config: Config,
    /// What the version before it had answered.
    before: Answers,
}

impl Guard {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Kind::Bake`] where the version turned bad and the traffic went back.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let configured = invocation.config.traffic.guard().map_err(|text| Kind::Configuration.error(text))?;
        let span = self.span.unwrap_or(configured);
        let first = Session::connect_read_only(invocation.config)?;
        let watched = watched(&first)?;
        let mut counted = match first.observed.counts_requests {
            true => Some(Counted::begin(&watched, watched.slot, &first)?),
            false => None,
        };
        drop(first);
        console::note(&format!("watching release {} for {}", watched.release, humantime::format_duration(span)));
        let (deadline, mut bad) = (Instant::now() + span, 0);
        while Instant::now() < deadline {
            pause(LOOK.min(deadline.saturating_duration_since(Instant::now())))?;
            let problem = match look(invocation.config, &watched, &mut counted) {
                Ok(Look::Well) => {
                    bad = 0;
                    continue;
                }
                Ok(Look::Another(what)) => {
                    console::note(&format!("{what}, so nothing is left to be watched"));
                    return Ok(());
                }
                Ok(Look::Worse(figures)) => return self.go_back(invocation, &watched, &figures),
                Ok(Look::Badly(problem)) => problem,
                // Whoever cannot be reached cannot be told to go back either.
                Err(error) if bad + 1 >= PATIENCE || Kind::of(&error) == Some(Kind::Interrupted) => return Err(error),
                Err(error) => failure::chain(&error),
            };
            bad += 1;
            console::note(&format!("look {bad} of {PATIENCE}: {problem}"));
            if bad >= PATIENCE {
                return self.go_back(invocation, &watched, &problem);
            }
        }
        let figures = counted.map(|counted| format!(": {}", counted.whole().describe())).unwrap_or_default();
        console::result(&format!(
            "release {} did well for {}{figures}",
            watched.release,
            humantime::format_duration(span)
        ));
        Ok(())
    }

    fn go_back(&self, invocation: &Invocation, watched: &Watched, problem: &str) -> Result<()> {
        console::warning(&format!("release {} has turned bad, and the traffic goes back: {problem}", watched.release));
        super::run_stored(invocation, "guard", (&PlanOnly { dry_run: false }, &self.lock), |session| {
            if in_live_slot(&session.observed) != Some(&watched.release) {
                return Err(Kind::Preflight.error(format!("release {} serves no more", watched.release)));
            }
            let release = plan::way_back(&session.observed, None)?;
            let config = session.settings_of(release)?;
            Ok((plan::rollback(&config, &session.observed, release)?, config))
        })?;
        Err(Kind::Bake.error(format!(
            "release {} turned bad while it was watched, and the traffic went back: {problem}",
            watched.release
        )))
    }
}

fn watched(session: &Session) -> Result<Watched> {
    let observed = &session.observed;
    let release = plan::serving(observed)?.clone();
    // Now, and not when it is needed.
    plan::way_back(observed, None)?;
    let slot = observed.live().ok_or_else(|| Kind::Preflight.error("no slot is live"))?;
    let before = before(observed, &release);
    Ok(Watched { config: session.settings_of(&release)?, release, slot, before })
}

/// What the record has of the version before, where its last line is of this release.
fn before(observed: &Observed, release: &ReleaseId) -> Answers {
    let record = observed.last_record.as_deref().and_then(|line| serde_json::from_str::<Report>(line).ok());
    record.filter(|record| record.serves.as_ref() == Some(release)).and_then(|record| record.before).unwrap_or_default()
}

/// The release in the live slot, whether it runs or not.
fn in_live_slot(observed: &Observed) -> Option<&ReleaseId> {
    observed.occupant(observed.live()?)?.release.as_ref()
}

fn last_command(observed: &Observed) -> Option<String> {
    let record = serde_json::from_str::<Report>(observed.last_record.as_deref()?).ok()?;
    Some(record.command)
}

/// What the version has answered, by nginx's log.
struct Counted {
    log: RequestLog,
    slot: Slot,
    /// What it had answered when the last minutes began.
    until: Answers,
    began: Instant,
}

/// The minutes that are judged by themselves too: what turns bad is not hidden by what was well for hours.
const MINUTES: Duration = Duration::from_secs(120);

impl Counted {
    fn begin(watched: &Watched, slot: Slot, session: &Session) -> Result<Counted> {
        let log = RequestLog::begin(&watched.config, &session.host)?;
        Ok(Counted { log, slot, until: Answers::default(), began: Instant::now() })
    }

    fn whole(&self) -> Answers {
        self.log.of(self.slot)
    }

    /// What speaks against it.
    fn judge(&mut self, config: &Config, watched: &Watched, slot: Slot, session: &Session) -> Result<Option<String>> {
        if slot != self.slot {
            // It was restarted.
            *self = Counted::begin(watched, slot, session)?;
            return Ok(None);
        }
        self.log.read(&watched.config, &session.host)?;
        let whole = self.whole();
        let lately = Answers {
            requests: whole.requests.saturating_sub(self.until.requests),
            errors: whole.errors.saturating_sub(self.until.errors),
            ..Answers::default()
        };
        for answers in [&whole, &lately] {
            if let Verdict::Worse(why) = canary::judge_errors(&config.canary, &watched.before, answers) {
                return Ok(Some(format!("{why}: {}; before {}", answers.describe(), watched.before.describe())));
            }
        }
        if self.began.elapsed() >= MINUTES {
            (self.until, self.began) = (whole, Instant::now());
        }
        Ok(None)
    }
}

enum Look {
    Well,
    /// What was watched serves no more, since somebody wanted it so.
    Another(String),
    Badly(String),
    Worse(String),
}

fn look(config: &Config, watched: &Watched, counted: &mut Option<Counted>) -> Result<Look> {
    let session = Session::connect_read_only(config)?;
    let serves = session.observed.live_release();
    if let Some(another) = in_live_slot(&session.observed).filter(|release| **release != watched.release) {
        return Ok(Look::Another(format!("release {another} serves now")));
    }
    if serves.is_none() && last_command(&session.observed).as_deref() == Some("stop") {
        return Ok(Look::Another("the app was stopped".to_owned()));
    }
    let judged = match (counted, session.observed.live()) {
        (Some(counted), Some(slot)) => counted.judge(config, watched, slot, &session)?,
        _ => None,
    };
    if let Some(problem) = judged {
        return Ok(Look::Worse(problem));
    }
    let observed = match session.observed.asked.asks_like(&watched.config.health) {
        true => session.observed.clone(),
        false => session::inspect(&watched.config, &session.host)?,
    };
    Ok(match session::site(&watched.config, &observed) {
        Ok(()) if serves.is_some() => Look::Well,
        Ok(()) => Look::Badly("its container does not run".to_owned()),
        Err(problem) => Look::Badly(problem),
    })
}

fn pause(span: Duration) -> Result<()> {
    let until = Instant::now() + span;
    while Instant::now() < until {
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
