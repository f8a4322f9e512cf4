//! `cargo xtask doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use super::{Invocation, USUAL_ENVIRONMENT, check, print};
use crate::io::local::{dotenv, repository};
use crate::rules::config::{Config, NginxOwner, Reach, Tests, deploy_toml};
use crate::rules::failure::{self, Kind};
use crate::rules::host::doctor::{self, Diagnosis, Finding, Here, Mark};
use crate::run::doctor::server;

/// What is well with an environment and what is not, here and on the server, with what mends it; only reads
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask doctor --env prod")]
pub struct Doctor {}

impl Doctor {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Kind::Drift`] where something has to be mended.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let config = invocation.config;
        let begun = Instant::now();
        let is_reachable = !matches!(config.environment.reach, Reach::Missing(_));
        // While the server is asked, this machine is looked at.
        let (mut findings, asked) = std::thread::scope(|scope| {
            let asked = scope.spawn(|| is_reachable.then(|| server(config)));
            (doctor::here(config, here(invocation)), asked.join())
        });
        let asked = asked.map_err(|_| Kind::Unexpected.error("asking the server ended early"))?;
        let round_trips = match asked {
            Some(Ok((told, round_trips))) => {
                findings.extend(told);
                round_trips
            }
            Some(Err(error)) => {
                findings.push(Finding::problem("server", failure::chain(&error)));
                0
            }
            None => 0,
        };
        let environment = config.environment.name.clone();
        let diagnosis = Diagnosis { environment, findings, round_trips, seconds: begun.elapsed().as_secs_f64() };
        print(invocation, &diagnosis, Diagnosis::describe)?;
        match diagnosis.count(Mark::Bad) {
            0 => Ok(()),
            count => Err(Kind::Drift.error(format!("{count} to mend; each is listed above with \u{2717}"))),
        }
    }
}

fn here<'a>(invocation: &Invocation<'a>) -> Here<'a> {
    Here {
        programs: programs(invocation.config),
        missing: match invocation.config.environment.reach {
            // Told by themselves.
            Reach::Missing(_) => None,
            Reach::Local | Reach::Ssh(_) => {
                invocation.config.require_for_shipping().err().map(|error| failure::chain(&error))
            }
        },
        env: dotenv::env_file(invocation.config).map(|env| env.names).map_err(|error| failure::chain(&error)),
        local: names_of_local(invocation.config),
        review: check::review(invocation).map_err(|error| failure::chain(&error)),
    }
}

/// What the `.env` of the environment `local` sets, where there is one and this is another environment.
fn names_of_local(config: &Config) -> BTreeSet<String> {
    let file = config.root.join("deploy.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let local = deploy_toml::load(&text, &file, USUAL_ENVIRONMENT, &BTreeMap::new());
    let local = local.ok().filter(|local| local.environment.name != config.environment.name);
    local.and_then(|local| dotenv::env_file(&local).ok()).map(|env| env.names).unwrap_or_default()
}

/// What a deploy runs on this machine, each with how to get it where it is not here.
fn programs(config: &Config) -> Vec<(&str, Option<&'static str>)> {
    let mut needed = vec![("git", "sudo apt-get install git"), ("tar", "sudo apt-get install tar")];
    match config.environment.reach {
        Reach::Local => needed.push(("docker", "install docker's engine, with compose")),
        Reach::Ssh(_) | Reach::Missing(_) => needed.push(("ssh", "sudo apt-get install openssh-client")),
    }
    if let NginxOwner::Private(_) = config.environment.nginx.owner {
        needed.push(("nginx", "sudo apt-get install nginx-light"));
    }
    match &config.tests {
        Tests::Off => {}
        Tests::Pytest(_) => needed.push(("python3", "sudo apt-get install python3-venv")),
        Tests::Commands(tests) => {
            let words = tests.commands.iter().filter_map(|words| words.first()).filter(|word| !word.contains('/'));
            needed.extend(words.map(|word| (word.as_str(), "install it, or deploy with --skip-tests")));
        }
    }
    needed.dedup();
    needed.into_iter().map(|(name, remedy)| (name, Some(remedy).filter(|_| !repository::has_program(name)))).collect()
}
