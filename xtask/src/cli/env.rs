//! `cargo xtask env`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, dry_run, execute};
use crate::io::console;
use crate::io::local::dotenv;
use crate::rules::host::preflight;
use crate::rules::plan;
use crate::rules::script::Priority;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// The env file of an environment, and the files that are not committed
#[derive(Debug, Args)]
pub struct EnvFile {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Push(Push),
}

/// Let the release that serves have the env file and the files of now: a new release of the same code and images, in the other slot
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask env push --env prod")]
struct Push {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

impl EnvFile {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let Invocation { config: today, caller, .. } = invocation;
        let Action::Push(push) = &self.action;
        today.require_for_shipping()?;
        let env = dotenv::env_file(today)?;
        console::mask(env.values.iter().cloned());
        let plan = |session: &Session| {
            let serving = plan::serving(&session.observed)?;
            let config = session.settings_of(serving)?;
            let stored = session.observed.release(serving).and_then(|release| release.settings.clone());
            let release = match stored {
                Some(settings) => session.choose_release_with(&serving.first(), &env, settings)?,
                None => serving.clone(),
            };
            preflight::lost_variables(&session.observed, &env.names).iter().for_each(|told| console::warning(told));
            let plan = match release == *serving {
                true => None,
                false => Some(plan::push_env(&config, &session.observed, &release)?),
            };
            Ok::<_, anyhow::Error>((plan, config))
        };
        let nothing = || {
            console::note("the release that serves has this env file and these files already; nothing was done");
            Ok(())
        };
        if push.plan.dry_run {
            return match plan(&Session::connect_read_only(today)?)?.0 {
                Some(plan) => dry_run(invocation, &plan),
                None => nothing(),
            };
        }
        let session = Session::connect_locked(today, caller, "env push", push.lock.lock_wait, Priority::Gentle)?;
        match plan(&session)? {
            (Some(plan), config) => {
                execute(invocation, Execution::of_env(&session, &config, caller, "env push", env), &plan)
            }
            (None, _) => nothing(),
        }
    }
}
