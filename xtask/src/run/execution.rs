//! The conductor: execute a plan. It holds no rules (those are in `plan`) and no shell words (`script`).

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::io::host::probe::Probe;
use crate::io::host::receipt;
use crate::io::local::dotenv::{self, Env};
use crate::io::local::package::{self, Earlier, Package, Source};
use crate::io::local::pytest;
use crate::io::{console, interrupt};
use crate::rules::config::Config;
use crate::rules::engine::compose::{Commit, RenderedCompose};
use crate::rules::failure::{self, Kind};
use crate::rules::health::{self, Answer};
use crate::rules::plan::step::Step;
use crate::rules::plan::{self, Plan, script_of_step};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::report::{Caller, Outcome, Receipt, Report, StageTime};
use crate::rules::script::{self, Script};
use crate::run::session::{Session, inspect};
use crate::run::steps::{self, Printed, Shipped};

/// What a run needs beside its plan, and what it finds out on its way.
pub struct Execution<'a> {
    pub session: &'a Session,
    /// The settings of the release that the plan is for.
    config: &'a Config,
    /// The subcommand, for the report.
    command: &'static str,
    pub caller: &'a Caller,
    /// What is to be packaged; a rollback packages nothing.
    pub source: Option<Source>,
    pub env: Option<Env>,
    pub package: Option<Package>,
    pub files: Option<RenderedCompose>,
    pub tests: Option<pytest::Summary>,
    stages: Vec<StageTime>,
    /// Something on the host may be another already.
    touched: bool,
    /// The scripts of the steps before this one have been sent.
    sent_until: usize,
    /// What the next scripts need: sent before them.
    first: Option<Script>,
    /// What the step after the next one begins with.
    next: Option<Script>,
}

impl<'a> Execution<'a> {
    pub fn new(session: &'a Session, config: &'a Config, caller: &'a Caller, command: &'static str) -> Execution<'a> {
        Execution {
            session,
            config,
            command,
            caller,
            source: None,
            env: None,
            package: None,
            files: None,
            tests: None,
            stages: Vec::new(),
            touched: false,
            sent_until: 0,
            first: None,
            next: None,
        }
    }

    /// Runs the plan to its end, or undoes what it did. The report says what serves now, in both cases.
    pub fn execute(mut self, plan: &Plan) -> (Report, Result<()>) {
        let begun = Instant::now();
        let before = &self.session.observed;
        let serving = before.nginx_running && before.live_release().is_some();
        let mut receipt = serving.then(|| self.start_receipt());
        let mut outcome = Ok(());
        let mut failed = None;
        for (index, step) in plan.steps.iter().enumerate() {
            if plan.steps[index..].iter().all(Step::is_bookkeeping) {
                // By the time it is asked for, its last answer has come.
                receipt.iter().for_each(receipt::Running::stop);
            }
            outcome = self.step(plan, index);
            if outcome.is_err() {
                failed = Some(index);
                break;
            }
            if receipt.is_none() && matches!(step, Step::Verify { .. }) {
                // Nothing served before; from here on something does.
                receipt = Some(self.start_receipt());
            }
        }
        // What is undone is undone to its end, and what has been done is written down, whenever a signal has come.
        interrupt::ignore();
        let undone = failed.map_or_else(Vec::new, |failed| self.undo(plan, failed));
        let receipt = receipt.map(receipt::Running::finish);
        let serving = self.serving(plan, outcome.is_ok());
        let outcome = outcome.map_err(|error| self.unless_lost(error));
        let report = self.report(serving, plan, &outcome, undone, receipt, begun.elapsed());
        // Where nothing was done for a reason that is the host's own, there is nothing to record either.
        let refused = outcome.as_ref().is_err_and(|error| Kind::of(error) == Some(Kind::Preflight));
        if self.touched || !refused {
            self.record(&report);
        }
        (report, outcome)
    }

    fn start_receipt(&self) -> receipt::Running {
        let (config, host) = (self.config, &self.session.host);
        // Whichever version answers, it is judged as the verification judges it. Where the two are asked differently, one of them
        // may not know the question, and only what no version says counts as failed.
        let observed = &self.session.observed;
        let before = observed.live_release().and_then(|id| observed.release(id)?.settings.as_ref());
        let alike = before.is_none_or(|before| before.is_asked_like(&config.health));
        let expect = config.health.expect.clone();
        let judge = move |answer: &Answer| match health::check(answer, &expect, None) {
            Err(_) if !alike && answer.status < 500 => Ok(()),
            judged => judged.map_err(|reason| reason.shown(console::masked)),
        };
        receipt::start(Probe::site(config, host), config.health.path.clone(), judge)
    }

    /// Runs one step of a plan.
    pub fn step(&mut self, plan: &Plan, index: usize) -> Result<()> {
        if plan.steps[index].touches_the_host() {
            self.touched = true;
        }
        self.send_ahead(plan, index)?;
        self.stage(plan, index)
    }

    /// Sends the scripts of all steps that follow without one that asks, waits or judges: where each is done only if the
    /// one before has succeeded, nothing is gained by hearing of each before the next is sent.
    fn send_ahead(&mut self, plan: &Plan, index: usize) -> Result<()> {
        if index < self.sent_until {
            return Ok(());
        }
        let (config, host) = (self.config, &self.session.host);
        let compose = self.compose()?;
        let script = |step: &Step| script_of_step::of(config, &plan.release, compose, self.files.as_ref(), step);
        let scripts: Vec<Script> = plan.steps[index..].iter().map_while(script).collect();
        let next = match plan.steps.get(index..index + 2) {
            Some([Step::Ship, Step::Render { .. }]) => Some(script::compose_config(config, &plan.release, compose)),
            _ => None,
        };
        (self.sent_until, self.next) = (index + scripts.len(), next);
        let first = self.first.take();
        host.send_ahead(first.iter().cloned().chain(scripts).collect())?;
        let told = first.iter().try_for_each(|first| host.text(first).map(|said| steps::tell(&said)));
        // What it refuses is of the compose files: where data lies.
        told.map_err(|error| Kind::Configuration.around(error, "nothing that runs was touched"))
    }

    /// Runs one step as a stage of the log.
    fn stage(&mut self, plan: &Plan, index: usize) -> Result<()> {
        let (number, count) = (index + 1, plan.steps.len());
        let (release, step) = (&plan.release, &plan.steps[index]);
        let title = step.title(release);
        console::stage(number, count, &title);
        let begun = Instant::now();
        let outcome = interrupt::check().and_then(|()| self.act(release, step));
        let took = begun.elapsed();
        self.stages.push(StageTime { name: title.clone(), seconds: took.as_secs_f64() });
        match outcome {
            Ok(note) => {
                console::stage_done(took, &note);
                Ok(())
            }
            Err(error) => {
                console::stage_failed(took);
                Err(plan::failure(plan, index).around(error, format!("stage {number} of {count}, {title}")))
            }
        }
    }

    /// Does one step; what is returned is a remark for the log.
    fn act(&mut self, release: &ReleaseId, step: &Step) -> Result<String> {
        let (config, Session { host, observed, .. }) = (self.config, self.session);
        match step {
            Step::Test => {
                let summary = steps::test(config, None, &[])?;
                let note = summary.describe();
                self.tests = Some(summary);
                self.refuse_failed_tests()?;
                return Ok(note);
            }
            Step::Package => {
                let earlier = steps::earlier(config, host, observed)?;
                let note = self.make_package(release, earlier.as_ref())?;
                if let (Some(package), Some(env)) = (&self.package, &self.env) {
                    steps::refuse_early(config, observed, package, env)?;
                }
                return Ok(note);
            }
            Step::Ship => return self.ship(release),
            Step::Render { slot } => {
                let project = host.text(&script::compose_config(config, release, self.compose()?))?;
                let commit = match &self.package {
                    Some(package) => package.commit(),
                    None => steps::stored_commit(config, host, release)?,
                };
                self.render(release, *slot, &project, &commit)?;
            }
            Step::Restore { slot } => {
                let project = steps::stored_project(config, host, release, self.compose()?)?;
                let commit = steps::stored_commit(config, host, release)?;
                self.render(release, *slot, &project, &commit)?;
            }
            Step::Check => steps::refuse_changed_files(config, host, release)?,
            Step::AwaitHealth { slot } => steps::await_health(config, host, release, *slot)?,
            Step::Verify { slot } => steps::verify(config, host, release, *slot)?,
            Step::Bake { slot, seconds } => steps::bake(config, host, release, *slot, *seconds)?,
            Step::Prune { .. } => {
                // What cannot be removed must not fail a good deploy.
                if let Err(error) = host.text(&self.script(release, step)?) {
                    let rest = match Kind::of(&error) {
                        Some(Kind::Interrupted) => "; the next deploy of something new removes the rest",
                        _ => "",
                    };
                    console::warning(&format!("{}{rest}", failure::chain(&error)));
                }
            }
            _ => host.stream(&self.script(release, step)?)?,
        }
        Ok(String::new())
    }

    fn render(&mut self, release: &ReleaseId, slot: Slot, project: &str, commit: &Commit) -> Result<()> {
        // Of a release that is there already, its own `.env` says which profiles are on.
        let stored = self.session.observed.release(release).map(|release| dotenv::profiles_in(release.env.expose()));
        let profiles = self.env.as_ref().map(|env| env.profiles.clone()).or(stored);
        let printed = Printed { project, commit, profiles: profiles.as_deref() };
        let (files, store) = steps::render(self.config, self.session, release, slot, &printed)?;
        (self.files, self.first) = (Some(files), Some(store));
        Ok(())
    }

    fn script(&self, release: &ReleaseId, step: &Step) -> Result<Script> {
        let script = script_of_step::of(self.config, release, self.compose()?, self.files.as_ref(), step);
        script.with_context(|| format!("the step `{}` is not one script", step.title(release)))
    }

    fn compose(&self) -> Result<&str> {
        self.session.observed.compose.as_deref().context("the host has no compose")
    }

    fn make_package(&mut self, release: &ReleaseId, earlier: Option<&Earlier>) -> Result<String> {
        let config = self.config;
        let source = self.source.as_ref().context("there is no source to package")?;
        let folder = package::fresh_folder(config)?;
        let package = package::package(config, source, release, self.caller, &folder, earlier)?;
        let note = match &package.reuse {
            Some(reuse) => format!("{} bytes; {} files are on the host already", package.bytes, reuse.sums.len()),
            None => format!("{} bytes, sha256 {}", package.bytes, package.sha256),
        };
        self.package = Some(package);
        Ok(note)
    }

    fn ship(&mut self, release: &ReleaseId) -> Result<String> {
        let next = self.next.take();
        if self.try_to_ship(next.clone())? == Shipped::NotAsShipped {
            console::warning("files of the release that serves are no longer as they were shipped, so all is sent");
            self.make_package(release, None)?;
            self.try_to_ship(next)?;
        }
        Ok(format!("{} bytes", self.package.as_ref().map_or(0, |package| package.bytes)))
    }

    fn try_to_ship(&self, next: Option<Script>) -> Result<Shipped> {
        let (config, host) = (self.config, &self.session.host);
        let package = self.package.as_ref().context("there is no package to ship")?;
        let env = self.env.as_ref().context("there is no .env to ship")?;
        steps::ship(config, host, package, &env.content, next)
    }

    fn refuse_failed_tests(&self) -> Result<()> {
        match &self.tests {
            Some(summary) if !summary.success() => Err(Kind::Tests.error(summary.describe())),
            _ => Ok(()),
        }
    }

    /// Ends what was sent ahead, and gives the last step that had begun when one failed.
    fn stop_at(&self, failed: usize) -> usize {
        match self.session.host.forget_ahead() {
            Ok(never_began) => plan::last_started_step(failed, self.sent_until, never_began),
            Err(error) => {
                console::warning(&failure::chain(&error));
                failed
            }
        }
    }

    /// Undoes a plan that has failed at a step; a failure of the undoing stands beside the first, never instead of it.
    fn undo(&mut self, plan: &Plan, failed: usize) -> Vec<String> {
        let reached = self.stop_at(failed);
        let mut undone = Vec::new();
        for step in plan::undo_steps(plan, reached) {
            let title = step.title(&plan.release);
            console::note(&format!("undo: {title}"));
            match self.act(&plan.release, &step) {
                Ok(_) => undone.push(title),
                Err(error) => console::warning(&format!("could not undo ({title}): {}", failure::chain(&error))),
            }
            if self.session.host.check().is_err() {
                break;
            }
        }
        if let Some(slot) = plan::left_running(plan, reached) {
            console::note(&format!("what served before may still run in slot {slot}; the next deploy stops it"));
        }
        undone
    }

    /// A probe may be the first that gets no answer of a host to which the connection is lost.
    fn unless_lost(&self, error: anyhow::Error) -> anyhow::Error {
        let is_lost = |error: &anyhow::Error| Kind::of(error) == Some(Kind::Connection);
        match self.session.host.check() {
            Err(lost) if self.touched && is_lost(&lost) && !is_lost(&error) => lost.context(failure::chain(&error)),
            _ => error,
        }
    }

    fn report(
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
            started_at: self.caller.started_at.to_string(),
            release: plan.release.clone(),
            from_release: plan.from_release.clone(),
            slot: serving.as_ref().map(|(slot, _)| *slot),
            serves: serving.and_then(|(_, release)| release),
            outcome: Outcome::of(outcome, console::masked),
            undone,
            stages: self.stages.clone(),
            seconds: took.as_secs_f64(),
            receipt,
            commands: host.commands(),
            run_url: console::actions().and_then(|actions| actions.run_url.clone()),
        }
    }

    /// Which slot and release serve: known after a success, asked after a failure.
    fn serving(&self, plan: &Plan, succeeded: bool) -> Option<(Slot, Option<ReleaseId>)> {
        if succeeded {
            return Some((plan.to, Some(plan.release.clone())));
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

    fn record(&self, report: &Report) {
        let (config, host) = (self.config, &self.session.host);
        let line = serde_json::to_string(report).context("writing the record");
        if let Err(error) = line.and_then(|line| host.text(&script::record(config, &line))) {
            console::warning(&format!("no record was written: {}", failure::chain(&error)));
        }
    }
}
