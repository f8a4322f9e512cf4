//! What a run has to say at its end: what serves, what was undone, how requests fared; and the line of the record.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Execution;
use crate::io::console;
use crate::io::host::probe::Probe;
use crate::io::host::receipt::{self, Asked};
use crate::rules::config::Config;
use crate::rules::failure::{self, Kind};
use crate::rules::health::{self, Answer};
use crate::rules::plan::Plan;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::report::{self, Outcome, Receipt, Report};
use crate::rules::script;
use crate::rules::utc;
use crate::run::session::inspect;

impl Execution<'_> {
    pub(super) fn start_receipt(&self) -> receipt::Running {
        let webs = self.config.of_each_web();
        let asked = webs.iter().enumerate().filter(|(number, web)| *number == 0 || self.is_asked_through_nginx(web));
        receipt::start(asked.map(|(number, web)| self.asked(web, number == 0)).collect())
    }

    /// With what the requests say nothing of.
    pub(super) fn receipt(&self, receipt: Receipt, from_start: bool) -> Receipt {
        let webs = self.config.of_each_web();
        let silent = webs.iter().skip(1).filter(|web| !self.is_asked_through_nginx(web));
        let not_asked = silent.map(|web| web.project.web.clone()).collect();
        Receipt { from_verification: !from_start, not_asked, ..receipt }
    }

    /// Whether nginx leads to a further web service all the time: one that has come new with this release is nobody's before the switch.
    fn is_asked_through_nginx(&self, web: &Config) -> bool {
        let observed = &self.session.observed;
        let served = |slot| observed.further(slot).any(|(of, one)| *of == web.project.web && one.running());
        let serves = observed.live_release().is_none() || observed.live().is_some_and(served);
        serves && !web.health.connect
    }

    fn asked(&self, web: &Config, is_first: bool) -> Asked {
        let host = &self.session.host;
        // Whichever version answers, it is judged as the verification judges it. Where the two are asked differently, one of them
        // may not know the question, and only what no version says counts as failed.
        let observed = &self.session.observed;
        let before = observed.live_release().and_then(|id| observed.release(id)?.settings.as_ref());
        let alike = before.is_none_or(|before| before.is_asked_like(&web.project.web, &web.health));
        let expected = web.health.clone();
        let judge = move |answer: &Answer| match health::check(answer, &expected, None) {
            Err(_) if !alike && answer.status < 500 => Ok(()),
            judged => judged.map_err(|reason| reason.shown(console::masked)),
        };
        let probe = if is_first { Probe::site(web, host) } else { Probe::through_nginx(web, host) };
        Asked { probe, path: web.health.path.clone(), judge: Box::new(judge) }
    }

    /// A probe may be the first that gets no answer of a host to which the connection is lost.
    pub(super) fn unless_lost(&self, error: anyhow::Error) -> anyhow::Error {
        let is_lost = |error: &anyhow::Error| Kind::of(error) == Some(Kind::Connection);
        match self.session.host.check() {
            Err(lost) if self.touched && is_lost(&lost) && !is_lost(&error) => lost.context(failure::chain(&error)),
            _ => error,
        }
    }

    pub(super) fn report(
        &self,
        serving: Option<(Slot, Option<ReleaseId>)>,
        plan: &Plan,
        outcome: &Result<()>,
        undone: Vec<String>,
        receipt: Option<Receipt>,
        took: Duration,
    ) -> Report {
        let (config, host) = (self.config, &self.session.host);
        Report {
            command: self.command.to_owned(),
            environment: config.environment.name.clone(),
            url: config.environment.url.to_string(),
            by: self.caller.name.clone(),
            started_at: utc::rfc3339(self.caller.started_at),
            release: plan.release.clone(),
            from_release: plan.from_release.clone(),
            slot: serving.as_ref().map(|(slot, _)| *slot),
            serves: serving.and_then(|(_, release)| release),
            outcome: Outcome::of(outcome, console::masked),
            undone,
            warnings: console::warned(),
            stages: self.stages.clone(),
            decisions: self.decisions.clone(),
            before: self.before.clone(),
            seconds: report::seconds(took),
            receipt,
            public: None,
            commands: host.commands(),
            shipped_bytes: self.shipped_bytes,
            run_url: console::actions().and_then(|actions| actions.run_url.clone()),
        }
    }

    /// Which slot and release serve: mostly known after a success, asked after a failure.
    pub(super) fn serving(&self, plan: &Plan, succeeded: bool) -> Option<(Slot, Option<ReleaseId>)> {
        let observed = &self.session.observed;
        if succeeded && plan.proves_that_it_serves() {
            return Some((plan.to, Some(plan.release.clone())));
        }
        if succeeded && !plan.ends_what_runs() {
            return observed.live().map(|slot| (slot, observed.live_release().cloned()));
        }
        let (config, host) = (self.config, &self.session.host);
        match inspect(config, host) {
            Ok(now) => now.live().map(|slot| (slot, now.live_release().cloned())),
            Err(error) => {
                console::warning(&format!("what serves now could not be found out: {}", failure::chain(&error)));
                None
            }
        }
    }

    pub(super) fn record(&self, report: &Report) {
        let (config, host) = (self.config, &self.session.host);
        let line = serde_json::to_string(report).context("writing the record");
        if let Err(error) = line.and_then(|line| host.text(&script::record(config, &line))) {
            console::warning(&format!("no record was written: {}", failure::chain(&error)));
        }
    }
}
