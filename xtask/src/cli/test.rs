//! `cargo xtask test`.

use anyhow::Result;
use clap::Args;

use super::{Invocation, print};
use crate::rules::failure::Kind;
use crate::run::steps;

/// Run the tests that tests_config.yaml selects
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask test --group routes -- -k health -x")]
pub struct Test {
    /// Run this group only, whatever tests_config.yaml says of it
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Arguments for pytest
    #[arg(last = true)]
    pytest: Vec<String>,
}

impl Test {
    /// # Errors
    /// [`Kind::Tests`] where tests have failed.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let summary = steps::test(invocation.config, self.group.as_deref(), &self.pytest)?;
        print(invocation, &summary, |summary| summary.describe())?;
        match summary.success() {
            true => Ok(()),
            false => Err(Kind::Tests.error("tests failed")),
        }
    }
}
