//! `cargo xtask test`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, print};
use crate::rules::failure::Kind;
use crate::run::steps;

/// Run the app's tests: pytest with the groups of tests_config.yaml, or the commands of [test]
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask test --group routes -- -k health -x")]
pub struct Test {
    /// Run this group only, whatever tests_config.yaml says of it
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Arguments for pytest, or for the last command of [test]
    #[arg(last = true)]
    extra: Vec<String>,
}

impl Test {
    /// # Errors
    /// [`Kind::Tests`] where tests have failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let summary = steps::test(invocation.config, self.group.as_deref(), &self.extra)?;
        print(invocation, &summary, |summary| summary.describe())?;
        match summary.success() {
            true => Ok(()),
            false => Err(Kind::Tests.error("tests failed")),
        }
    }
}
