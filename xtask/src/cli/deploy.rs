//! `cargo xtask deploy`.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::given_images::GivenImages;
use super::{Invocation, Lock, PlanOnly, dry_run, execute, print};
use crate::io::local::package;
use crate::io::{console, random};
use crate::rules::canary::Canary;
use crate::rules::config::{Config, Tests};
use crate::rules::failure::Kind;
use crate::rules::host::preflight;
use crate::rules::plan::step::Step;
use crate::rules::plan::{self, Held, Plan};
use crate::rules::preview::Preview;
use crate::rules::report::Report;
use crate::rules::script::Priority;
use crate::rules::secret::Secret;
use crate::run::candidate::Candidate;
use crate::run::execution::Execution;
use crate::run::session::Session;
use crate::run::steps;

/// Test, package, ship, build, boot, switch, drain: everything
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask deploy --env prod --dry-run")]
pub struct Deploy {
    /// Include uncommitted changes
    #[arg(long)]
    dirty: bool,
    #[command(flatten)]
    lock: Lock,
    /// Skip the tests: an earlier job has run them
    #[arg(long)]
    skip_tests: bool,
    /// Boot and check the new version without giving it traffic; `promote` does that, `abort` removes it
    #[arg(long)]
    hold: bool,
    #[command(flatten)]
    canary: ByCanary,
    #[command(flatten)]
    images: GivenImages,
    #[command(flatten)]
    plan: PlanOnly,
}

/// The flags of a canary.
#[derive(Debug, Args)]
struct ByCanary {
    /// Give the new version this share of all clients first, judge it by nginx's log, and take it back or give it all
    #[arg(long, value_name = "SHARE", value_parser = super::canary::percent, conflicts_with_all = ["hold", "steps"])]
    canary: Option<u8>,
    /// The same with one share after the other, as in 1,10,50; where not given, `steps` of [canary] in deploy.toml
    #[arg(long, value_name = "SHARES", value_delimiter = ',', value_parser = super::canary::percent, conflicts_with = "hold")]
    steps: Vec<u8>,
    /// How long the new version is judged at each share, as in 60s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    every: Option<Duration>,
}

impl ByCanary {
    /// What is to be done, where it is asked for.
    fn chosen(&self, config: &Config) -> Result<Option<Canary>> {
        let steps: Vec<u8> = self.canary.into_iter().chain(self.steps.iter().copied()).collect();
        if steps.is_empty() {
            return match self.every {
                Some(_) => Err(Kind::Usage
                    .error("--every is the time at each share, and none is given: --canary 10%, or --steps 1,10,50")),
                None => Ok(None),
            };
        }
        if !steps.is_sorted_by(|a, b| a < b) {
            return Err(Kind::Usage.error("--steps are shares that grow, as in 1,10,50"));
        }
        let every = self.every.map_or(config.canary.every, |every| every.as_secs());
        if !(1..=86_400).contains(&every) {
            return Err(Kind::Usage.error("--every is from 1 second to a day"));
        }
        Ok(Some(Canary { steps, every, ..config.canary.clone() }))
    }
}

impl Deploy {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { caller, .. } = invocation;
        let config = &self.images.applied(invocation.config)?;
        let candidate = Candidate::of(config, caller, self.dirty)?;
        let skip = self.skip_tests || matches!(config.tests, Tests::Off);
        let tests = if skip { plan::TestStage::Skip } else { plan::TestStage::Run };
        let canary = self.canary.chosen(config)?;
        let secret = self.hold.then(random::token).transpose()?.map(Secret::new);
        let plan = |session: &Session| {
            let release = session.choose_release(&candidate.base, &candidate.env)?;
            let (way_back, lost) = (
                preflight::way_back(&session.observed),
                preflight::lost_variables(&session.observed, &candidate.env.names),
            );
            if session.config.traffic.ramp > 0 && session.observed.live_release().is_some() {
                plan::must_give_shares(&session.config, &session.observed)?;
            }
            way_back.iter().chain(&lost).for_each(|told| console::warning(told));
            match (&secret, &canary) {
                (_, Some(canary)) => {
                    plan::deploy_by_canary(&session.config, &session.observed, &release, tests, canary)
                }
                (Some(secret), None) => plan::hold(&session.config, &session.observed, &release, tests, secret.clone()),
                (None, None) => plan::deploy(&session.config, &session.observed, &release, tests),
            }
        };
        if self.plan.dry_run {
            let session = Session::connect_read_only(config)?;
            let plan = plan(&session)?;
            self.refuse_early(invocation, &session, &candidate, &plan)?;
            return dry_run(invocation, &plan);
        }
        let session = Session::connect_locked(
            config,
            caller,
            &format!("deploy of {}", candidate.base),
            self.lock.lock_wait,
            Priority::Gentle,
        )?;
        let plan = plan(&session)?;
        let execution = Execution::of_candidate(&session, caller, "deploy", candidate);
        match &secret {
            Some(secret) => hold(invocation, &session, execution, &plan, secret),
            None => execute(invocation, execution, &plan),
        }
    }

    /// What a run would refuse before it ships anything.
    fn refuse_early(
        &self,
        invocation: &Invocation,
        session: &Session,
        candidate: &Candidate,
        plan: &Plan,
    ) -> Result<()> {
        if !plan.steps.contains(&Step::Package) {
            return Ok(());
        }
        let folder = tempfile::tempdir().context("making a folder for the files")?;
        let Candidate { source, env, .. } = candidate;
        let package = package::package(&session.config, source, &plan.release, invocation.caller, folder.path(), None)?;
        let package = package.with_secret_files(&env.files)?;
        steps::refuse_early(session, &package, env, candidate.ahead())
    }
}

/// A report, and how to look at what it is of. The record has only the report.
#[derive(Serialize)]
struct Holding<'a> {
    #[serde(flatten)]
    report: &'a Report,
    preview: Option<Preview>,
}

impl Holding<'_> {
    fn describe(&self) -> String {
        let preview = self.preview.iter().map(Preview::describe);
        [self.report.describe()].into_iter().chain(preview).collect::<Vec<String>>().join("\n")
    }
}

/// Runs a plan that ends with a version that is held, and says how to look at it.
fn hold(invocation: &Invocation, session: &Session, execution: Execution, plan: &Plan, secret: &Secret) -> Result<()> {
    let (report, outcome) = execution.execute(plan);
    let held = Held { slot: plan.to, release: plan.release.clone() };
    let preview = outcome.is_ok().then(|| Preview::of(&session.config, &session.observed, &held, secret));
    print(invocation, &Holding { report: &report, preview }, Holding::describe)?;
    console::summary(&report.summary());
    outcome
}
