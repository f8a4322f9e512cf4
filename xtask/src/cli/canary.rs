//! `cargo xtask canary`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, Lock, PlanOnly, run_stored};
use crate::rules::plan;

/// Give a share of all clients to the version that `deploy --hold` holds, and take it back
#[derive(Debug, Args)]
pub struct Canary {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Set(Set),
    Stop(Stop),
}

/// Give this share of all clients to the held version; who is in it stays in it
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask canary set 10% --env prod")]
struct Set {
    /// From 1% to 99%; `promote` gives it all
    #[arg(value_name = "SHARE", value_parser = percent)]
    share: u8,
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

/// Take the share back; the version is held on
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask canary stop --env prod")]
struct Stop {
    #[command(flatten)]
    plan: PlanOnly,
    #[command(flatten)]
    lock: Lock,
}

/// # Errors
/// Where it is no share.
pub fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
    number.filter(|share| (1..=99).contains(share)).ok_or_else(|| "a share is from 1% to 99%".to_owned())
}

impl Canary {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// With the kind of the stage that failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let (percent, plan, lock) = match &self.action {
            Action::Set(set) => (set.share, &set.plan, &set.lock),
            Action::Stop(stop) => (0, &stop.plan, &stop.lock),
        };
        run_stored(invocation, "canary", (plan, lock), |session| {
            let held = if percent == 0 { plan::led_to(&session.observed) } else { plan::held(&session.observed) }?;
            let config = session.settings_of(&held.release)?;
            plan::must_give_shares(&config, &session.observed)?;
            Ok((plan::canary(&session.observed, &held, percent), config))
        })
    }
}
