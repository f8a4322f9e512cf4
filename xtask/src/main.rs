//! `cargo xtask`: deploys of a docker compose backend with zero downtime.
//!
//! Three kinds of file. **Rules** are pure, no process, file, clock or network: `config`, `site_url` and `deploy_toml` (what is
//! deployed, where to), `settings` (what of it travels with a release), `release` (ids, slots, names), `command` (words, quoting),
//! `mask` (which values are secrets), `env_file` (what an `.env` says), `observed` (what a host said), `preflight` (what is in the
//! way of a deploy), `plan` (what to do about it), `step`, `tree` (what of a commit the host has already), `nginx` and `compose`
//! (rendered files), `script` (a step's words), `verdict`, `selection`, `junit`, `setup`, `status`, `report`, `github`, `flags`,
//! `failure`. **Hands** touch the world and know no plan: `proc` (the only file that starts a process), `session` (SSH), `shell`
//! (runs scripts there, holds the lock), `host`, `ask` (over HTTP, there), `probe`, `receipt`, `package`, `dotenv`, `pytest`,
//! `console`, `interrupt`. The **conductor** is `look` (the first look at a host) and `run`, with the longer steps in `stages` and
//! one function per subcommand in `commands`.

mod ask;
mod command;
mod commands;
mod compose;
mod config;
mod console;
mod deploy_toml;
mod dotenv;
mod env_file;
mod failure;
mod flags;
#[cfg(test)]
mod fuzz_tests;
mod github;
mod host;
mod interrupt;
mod junit;
#[cfg(test)]
mod long_tests;
mod look;
mod mask;
mod nginx;
mod observed;
mod package;
mod plan;
mod preflight;
mod probe;
mod proc;
mod pytest;
mod receipt;
mod release;
mod report;
mod run;
mod script;
mod selection;
mod session;
mod settings;
mod setup;
mod shell;
mod site_url;
mod stages;
mod status;
mod step;
mod tree;
mod verdict;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use jiff::Timestamp;

use crate::commands::Invocation;
use crate::config::{Config, Reach};
use crate::failure::Kind;
use crate::flags::{Command, Flags};
use crate::github::Actions;
use crate::report::Caller;

fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::from(Kind::of(&error).unwrap_or(Kind::Unexpected) as u8)
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    if let Command::Completions(completions) = &flags.command {
        clap_complete::generate(completions.shell, &mut Flags::command(), "xtask", &mut std::io::stdout());
        return Ok(());
    }
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let secret = |name: &&String| name.ends_with("_SSH_KEY") || name.ends_with("_ENV_FILE");
    proc::withhold(variables.keys().filter(secret).cloned().collect());
    let caller = Caller { name: caller_name(&variables), started_at: Timestamp::now() };
    if variables.get("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        console::use_actions(actions(&variables)?);
    }
    interrupt::listen()?;
    let config = load(flags, &variables)?;
    if let Reach::Ssh(target) = &config.environment.reach {
        let key = String::from_utf8_lossy(target.key.expose());
        // The last line of a key may be a few letters that stand in every second word.
        let lines = key.lines().filter(|line| !line.starts_with("-----") && line.len() >= 12);
        console::mask(lines.map(str::to_owned));
    }
    let invocation = Invocation { config: &config, caller: &caller, json: flags.common.json };
    match &flags.command {
        Command::Test(flags) => commands::test(&invocation, flags),
        Command::Package(flags) => commands::package(&invocation, flags),
        Command::Ship(flags) => commands::ship(&invocation, flags),
        Command::Build(flags) => commands::build(&invocation, flags),
        Command::Switch(flags) => commands::switch(&invocation, flags),
        Command::Health(flags) => commands::health(&invocation, flags),
        Command::Deploy(flags) => commands::deploy(&invocation, flags),
        Command::Rollback(flags) => commands::rollback(&invocation, flags),
        Command::Status => commands::status(&invocation),
        Command::Setup(flags) => commands::setup(&invocation, flags),
        Command::Completions(_) => Ok(()),
    }
}

fn load(flags: &Flags, variables: &BTreeMap<String, String>) -> Result<Config> {
    let here = std::env::current_dir().context("finding the current folder")?;
    let file = match &flags.common.config {
        Some(file) => here.join(file),
        None => find(&here, "deploy.toml").ok_or_else(|| {
            Kind::Configuration.error(format!("there is no deploy.toml in {} or above", here.display()))
        })?,
    };
    let text =
        std::fs::read(&file).map_err(|error| Kind::Configuration.error(format!("{}: {error}", file.display())))?;
    let text = failure::utf8(&text, &file.display().to_string())?;
    let name = match &flags.command {
        // What happens on this machine alone is the same for every environment.
        Command::Test(_) | Command::Package(_) if flags.common.environment == flags::USUAL_ENVIRONMENT => {
            deploy_toml::known_or_first(text, flags::USUAL_ENVIRONMENT)
        }
        _ => flags.common.environment.clone(),
    };
    deploy_toml::load(text, &file, &name, variables)
}

fn find(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// `ada@laptop`, or the actor of a GitHub run.
fn caller_name(variables: &BTreeMap<String, String>) -> String {
    let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let user = get("GITHUB_ACTOR").or_else(|| get("USER")).or_else(|| get("LOGNAME"));
    let user = user.or_else(|| proc::line(Path::new("."), "id", &["-un"]).ok());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{machine}", user.unwrap_or_else(|| "unknown".to_owned()))
}

fn actions(variables: &BTreeMap<String, String>) -> Result<Actions> {
    // The name of a fresh private file is as unguessable as the token has to be.
    let file = tempfile::NamedTempFile::new().context("making a token")?;
    let token = file.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let get = |name: &str| variables.get(name).cloned();
    let parts = [get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")];
    let run_url = match parts {
        [Some(server), Some(repository), Some(run)] => Some(format!("{server}/{repository}/actions/runs/{run}")),
        _ => None,
    };
    Ok(Actions::new(token, get("GITHUB_STEP_SUMMARY").map(PathBuf::from), run_url))
}
