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
        let mut log = match first.observed.counts_requests {
            true => Some(RequestLog::begin(&watched.config, &first.host)?),
            false => None,
        };
        drop(first);
        console::note(&format!("watching release {} for {}", watched.release, humantime::format_duration(span)));
        let (deadline, mut bad) = (Instant::now() + span, 0);
        while Instant::now() < deadline {
            pause(LOOK.min(deadline.saturating_duration_since(Instant::now())))?;
            let problem = match look(invocation.config, &watched, &mut log) {
                Ok(Look::Well) => {
                    bad = 0;
                    continue;
                }
                Ok(Look::Another(release)) => {
                    console::note(&format!("release {release} serves now, so nothing is left to be watched"));
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
        let figures = log.map(|log| format!(": {}", log.of(watched.slot).describe())).unwrap_or_default();
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
            if session.observed.live_release() != Some(&watched.release) {
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

enum Look {
    Well,
    /// Another release serves.
    Another(String),
    Badly(String),
    Worse(String),
}

fn look(config: &Config, watched: &Watched, log: &mut Option<RequestLog>) -> Result<Look> {
    let session = Session::connect_read_only(config)?;
    let serves = session.observed.live_release();
    if serves != Some(&watched.release) && serves.is_some() {
        return Ok(Look::Another(serves.map(ToString::to_string).unwrap_or_default()));
    }
    if let Some(log) = log {
        log.read(&watched.config, &session.host)?;
        let new = log.of(watched.slot);
        if let Verdict::Worse(why) = canary::judge_errors(&config.canary, &watched.before, &new) {
            return Ok(Look::Worse(format!("{why}: {}; before {}", new.describe(), watched.before.describe())));
        }
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
