//! The conductor: execute a plan. It holds no rules (those are in `plan`) and no shell words (`script`).

mod release;
mod report;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use anyhow::Result;

use crate::io::host::receipt;
use crate::io::host::shell::Ticket;
use crate::io::local::dotenv::Env;
use crate::io::local::package::Package;
use crate::io::{console, interrupt};
use crate::rules::canary::Answers;
use crate::rules::config::Config;
use crate::rules::engine::compose::RenderedCompose;
use crate::rules::failure::{self, Kind};
use crate::rules::plan::step::Step;
use crate::rules::plan::{self, Plan};
use crate::rules::release::ReleaseId;
use crate::rules::report::{Caller, Report, StageTime, seconds};
use crate::run::candidate::Candidate;
use crate::run::public;
use crate::run::session::Session;
use crate::run::steps::{self, RequestLog};

/// A run of a plan: what it needs beside it, and what its steps have made so far.
pub struct Execution<'a> {
    session: &'a Session,
    /// The settings of the release that the plan is for.
    config: &'a Config,
    caller: &'a Caller,
    /// The subcommand, for the report.
    command: &'static str,
    /// What is to be packaged and shipped. What goes back to a release that is on the host has none.
    candidate: Option<Candidate>,
    /// What takes the place of the env file of a release that is on the host.
    env: Option<Env>,
    package: Option<Package>,
    rendered: Option<RenderedCompose>,
    /// For scripts that were sent to the host and not yet waited for, one of each of the next steps.
    tickets: VecDeque<Ticket>,
    /// Steps at the end of the plan of which no script has been sent.
    unsent: usize,
    /// Something on the host may be another already.
    touched: bool,
    /// Bytes of the archives that were sent.
    shipped_bytes: u64,
    stages: Vec<StageTime>,
    /// What a canary came to at each share.
    decisions: Vec<String>,
    /// What both versions answer from the beginning on, where nginx counts it and somebody watches.
    requests: Option<RequestLog>,
    /// Whether that is wanted.
    counts: bool,
    /// What of it the version before has answered.
    before: Option<Answers>,
}

impl<'a> Execution<'a> {
    /// A run that makes a release of a candidate.
    pub fn of_candidate(
        session: &'a Session,
        caller: &'a Caller,
        command: &'static str,
        candidate: Candidate,
    ) -> Execution<'a> {
        Execution { candidate: Some(candidate), ..Execution::of_stored(session, &session.config, caller, command) }
    }

    /// A run about a release that is on the host; `config` has the settings that it was made with.
    pub fn of_stored(
        session: &'a Session,
        config: &'a Config,
        caller: &'a Caller,
        command: &'static str,
    ) -> Execution<'a> {
        Execution {
            session,
            config,
            caller,
            command,
            candidate: None,
            env: None,
            package: None,
            rendered: None,
            tickets: VecDeque::new(),
            unsent: 0,
            touched: false,
            shipped_bytes: 0,
            stages: Vec::new(),
            decisions: Vec::new(),
            requests: None,
            counts: false,
            before: None,
        }
    }

    /// A run that makes a release of another one, with another env file.
    pub fn of_env(
        session: &'a Session,
        config: &'a Config,
        caller: &'a Caller,
        command: &'static str,
        env: Env,
    ) -> Execution<'a> {
        Execution { env: Some(env), ..Execution::of_stored(session, config, caller, command) }
    }

    /// Runs the plan to its end, or undoes what it did. The report says what serves now, in both cases.
    ///
    /// # Errors
    /// What failed beside the report, with the kind of the stage that failed.
    pub fn execute(mut self, plan: &Plan) -> (Report, Result<()>) {
        let begun = Instant::now();
        self.unsent = plan.steps.len();
        let before = &self.session.observed;
        let serving = before.nginx_running && before.live_release().is_some() && !plan.steps.is_empty();
        let mut receipt = serving.then(|| self.start_receipt());
        self.counts = serving && plan.steps.iter().any(|step| matches!(step, Step::Bake { .. }));
        self.count_requests();
        let mut outcome = Ok(());
        let mut failed = None;
        let mut public = None;
        for (index, step) in plan.steps.iter().enumerate() {
            if plan.steps[index..].iter().all(Step::is_bookkeeping) {
                // By the time it is asked for, its last answer has come.
                receipt.iter().for_each(receipt::Running::stop);
            }
            outcome = self.stage(plan, index);
            if outcome.is_err() {
                failed = Some(index);
                break;
            }
            if matches!(step, Step::Verify { .. }) {
                public = public::start(self.config, Some(&plan.release));
                // Where nothing served before, something does from here on.
                receipt.get_or_insert_with(|| self.start_receipt());
            }
        }
        // What is undone is undone to its end, and what has been done is written down, whenever a signal has come.
        interrupt::ignore();
        let undone = failed.map_or_else(Vec::new, |failed| self.undo(plan, failed));
        let receipt = receipt.map(|running| self.receipt(running.finish(), serving));
        // What was asked of a version that was taken back says nothing any more.
        let serves = |error: &anyhow::Error| Kind::of(error) == Some(Kind::AfterSwitch);
        let public = public.filter(|_| outcome.as_ref().err().is_none_or(serves)).map(public::Running::finish);
        let serving = self.serving(plan, outcome.is_ok());
        let outcome = outcome.map_err(|error| self.unless_lost(error));
        let report = self.report(serving, plan, &outcome, undone, receipt, begun.elapsed());
        let report = Report { public, ..report };
        // Where nothing was done, or nothing for a reason that is the host's own, there is nothing to record either.
        let refused = outcome.as_ref().is_err_and(|error| Kind::of(error) == Some(Kind::Preflight));
        if self.touched || !(refused || plan.steps.is_empty()) {
            self.record(&report);
        }
        (report, outcome)
    }

    /// Runs one step as a stage of the log.
    fn stage(&mut self, plan: &Plan, index: usize) -> Result<()> {
        let (number, count) = (index + 1, plan.steps.len());
        let (release, step) = (&plan.release, &plan.steps[index]);
        let title = step.title(release);
        console::stage(number, count, &title);
        let begun = Instant::now();
        self.touched |= step.touches_the_host();
        let outcome = interrupt::check().and_then(|()| self.act(release, step, &plan.steps[number..]));
        let took = begun.elapsed();
        self.stages.push(StageTime { name: title.clone(), seconds: seconds(took) });
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

    /// Does one step; what is returned is a remark for the log. The scripts of the steps that come `then` may be sent along.
    fn act(&mut self, release: &ReleaseId, step: &Step, then: &[Step]) -> Result<String> {
        let (config, Session { host, .. }) = (self.config, self.session);
        match step {
            Step::Test => return tested(config),
            Step::Package => return self.package(release),
            Step::Ship => return self.ship(release, then),
            Step::Copy { from } => self.copy(release, from)?,
            Step::Carry { images } => return self.carry(images),
            Step::Render { slot } => {
                let project = host.wait(self.begin(release, step, then)?)?.success()?.text();
                let commit = match &self.package {
                    Some(package) => package.commit(),
                    None => steps::stored_commit(config, host, release)?,
                };
                self.render(release, *slot, &project, &commit, then)?;
            }
            Step::RenderStored { slot } => {
                let project = host.wait(self.begin(release, step, then)?)?;
                let project = steps::as_shipped(project, release)?.text();
                let commit = steps::stored_commit(config, host, release)?;
                self.render(release, *slot, &project, &commit, then)?;
            }
            Step::Check => drop(steps::as_shipped(host.wait(self.begin(release, step, then)?)?, release)?),
            Step::AwaitHealth { slot } => {
                self.count_requests();
                let granted = self.rendered.as_ref().map(|rendered| &rendered.start_periods);
                steps::await_health_of_all(config, host, release, *slot, granted.unwrap_or(&BTreeMap::new()))?;
            }
            Step::Judge { slot, percent, seconds } => return self.judge(*slot, *percent, *seconds),
            Step::WarmUp { slot, paths } => return steps::warm_up(config, host, *slot, paths),
            Step::Rest { slot, seconds } => steps::rest(config, host, release, *slot, *seconds)?,
            Step::Verify { slot } => steps::verify(config, host, release, *slot)?,
            Step::Bake { slot, seconds } => return self.bake(release, *slot, *seconds),
            Step::Prune { .. } => {
                let pruned = self.begin(release, step, then).and_then(|ticket| host.wait(ticket)?.success());
                // What cannot be removed must not fail a good deploy.
                if let Err(error) = pruned {
                    let rest = match Kind::of(&error) {
                        Some(Kind::Interrupted) => "; the next deploy of a new release removes the rest",
                        _ => "",
                    };
                    console::warning(&format!("{}{rest}", failure::chain(&error)));
                }
            }
            Step::PrivateNginx { .. }
            | Step::AlignUpstream { .. }
            | Step::TakeImages { .. }
            | Step::Build
            | Step::StaticFiles
            | Step::Accessories
            | Step::Hook { .. }
            | Step::Boot { .. }
            | Step::Hold { .. }
            | Step::Share { .. }
            | Step::Ramp { .. }
            | Step::EndPreview
            | Step::Switch { .. }
            | Step::Workers { .. }
            | Step::UnmanagedWorkers
            | Step::Drain { .. }
            | Step::Stop { .. }
            | Step::Remove { .. }
            | Step::MarkKnownGood => host.wait_showing(self.begin(release, step, then)?)?,
        }
        Ok(String::new())
    }

    /// Ends what was sent ahead, and gives the last step that had begun when one failed.
    fn stop_at(&mut self, plan: &Plan, failed: usize) -> usize {
        self.tickets.clear();
        let last = match self.session.host.forget_ahead() {
            Ok(never_began) => plan::last_started_step(failed, plan.steps.len() - self.unsent, never_began),
            Err(error) => {
                console::warning(&failure::chain(&error));
                failed
            }
        };
        self.touched |= plan.steps.iter().take(last + 1).any(Step::touches_the_host);
        last
    }

    /// Undoes a plan that has failed at a step; a failure of the undoing stands beside the first, never instead of it.
    fn undo(&mut self, plan: &Plan, failed: usize) -> Vec<String> {
        let last_started = self.stop_at(plan, failed);
        let mut undone = Vec::new();
        for step in plan::undo_steps(plan, last_started) {
            let title = step.title(&plan.release);
            console::note(&format!("undo: {title}"));
            match self.act(&plan.release, &step, &[]) {
                Ok(_) => undone.push(title),
                Err(error) => console::warning(&format!("could not undo ({title}): {}", failure::chain(&error))),
            }
            if self.session.host.check().is_err() {
                break;
            }
        }
        if let Some(slot) = plan::left_running(plan, last_started) {
            console::note(&format!("what served before may still run in slot {slot}; the next deploy stops it"));
        }
        undone
    }
}

fn tested(config: &Config) -> Result<String> {
    let summary = steps::test(config, None, &[])?;
    match summary.success() {
        true => Ok(summary.describe()),
        false => Err(Kind::Tests.error(summary.describe())),
    }
}

#[cfg(test)]
mod tests;
