//! The command line: one file per subcommand, with its flags. Business code never sees strings.

mod abort;
mod build;
mod canary;
mod check;
mod completions;
mod deploy;
mod doctor;
mod env;
mod given_images;
mod guard;
mod health;
mod init;
mod maintenance;
mod package;
mod promote;
mod restart;
mod rollback;
mod setup;
mod ship;
mod start;
mod status;
mod stop;
mod switch;
mod test;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use serde::Serialize;

use crate::io::local::compose_file;
use crate::io::{console, interrupt, process, random};
use crate::rules::config::{Config, Reach, SecretSource, deploy_toml};
use crate::rules::failure::{self, Kind};
use crate::rules::host::preflight;
use crate::rules::plan::step::Step;
use crate::rules::plan::{self, Plan};
use crate::rules::release::Slot;
use crate::rules::report::github::Actions;
use crate::rules::report::{Caller, Report};
use crate::rules::script::Priority;
use crate::rules::secret::mask;
use crate::run::dry_run::DryRun;
use crate::run::execution::Execution;
use crate::run::session::Session;

/// Zero-downtime deploys of a docker compose backend behind nginx.
///
/// `cargo xtask deploy` tests, packages, ships, builds, boots the new version beside the old one, waits until it is
/// healthy, moves nginx's traffic, drains and stops the old one. If anything fails, the old version goes on serving.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXIT_CODES)]
pub struct Flags {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub subcommand: Subcommand,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 host not ready, 5 locked, \
6 connection, 7 host key, 10 tests, 11 package, 12 ship, 13 build, 14 hook, 15 boot, 16 unhealthy, 17 switch, \
18 failed after the switch and went back, 19 new version serves but what follows failed, 20 status, doctor: something is not as it should be, \
130 interrupted. See docs/ARCHITECTURE.md.";

/// Where to, where nobody says so.
pub const USUAL_ENVIRONMENT: &str = "local";

#[derive(Debug, Args)]
pub struct Common {
    /// The environment: a name under [environments] in deploy.toml
    #[arg(long = "env", global = true, value_name = "NAME", default_value = USUAL_ENVIRONMENT)]
    pub environment: String,
    /// The configuration file; where not given, deploy.toml here or in a folder above
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    Init(init::Init),
    Doctor(doctor::Doctor),
    Check(check::Check),
    Test(test::Test),
    Package(package::Package),
    Ship(ship::Ship),
    Build(build::Build),
    Switch(switch::Switch),
    Health(health::Health),
    Deploy(deploy::Deploy),
    Promote(promote::Promote),
    Canary(canary::Canary),
    Abort(abort::Abort),
    Rollback(rollback::Rollback),
    Env(env::EnvFile),
    Guard(guard::Guard),
    Restart(restart::Restart),
    Stop(stop::Stop),
    Start(start::Start),
    Status(status::Status),
    Maintenance(maintenance::Maintenance),
    Setup(setup::Setup),
    Completions(completions::Completions),
}

/// A week, in seconds.
const LONGEST_WAIT: u64 = 7 * 24 * 60 * 60;

/// The flag of what needs the environment's lock.
#[derive(Debug, Args)]
pub struct Lock {
    /// Wait up to this many seconds for a running deploy
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT))]
    lock_wait: u64,
}

/// The flag of what has a plan.
#[derive(Debug, Args)]
pub struct PlanOnly {
    /// Print the plan from the host's real state and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What every subcommand is given.
pub struct Invocation<'a> {
    pub config: &'a Config,
    pub caller: &'a Caller,
    /// Results as JSON.
    pub json: bool,
}

/// Prints a result: as JSON, or as a person reads it.
fn print<T: Serialize>(invocation: &Invocation, result: &T, described: impl FnOnce(&T) -> String) -> Result<()> {
    let text = if invocation.json { serde_json::to_string_pretty(result)? } else { described(result) };
    console::result(&text);
    Ok(())
}

/// Runs a plan, prints its report, gives its outcome.
fn execute(invocation: &Invocation, execution: Execution, plan: &Plan) -> Result<()> {
    let (report, outcome) = execution.execute(plan);
    print(invocation, &report, Report::describe)?;
    console::summary(&report.summary());
    outcome
}

/// Plans and runs what is about a release that is on the host. The plan comes with the settings that the release was made with.
fn run_stored(
    invocation: &Invocation,
    command: &'static str,
    flags: (&PlanOnly, &Lock),
    plan: impl Fn(&Session) -> Result<(Plan, Config)>,
) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let (PlanOnly { dry_run: only_plan }, Lock { lock_wait }) = flags;
    if *only_plan {
        return dry_run(invocation, &plan(&Session::connect_read_only(config)?)?.0);
    }
    let session = Session::connect_locked(config, caller, command, *lock_wait, Priority::Full)?;
    let (plan, config) = plan(&session)?;
    if plan.steps.iter().any(|step| matches!(step, Step::Switch { .. })) {
        preflight::bypasses(&session.observed).iter().for_each(|line| console::warning(line));
        let leads_in = config.traffic.ramp > 0 && !["rollback", "switch", "guard"].contains(&command);
        if let (true, Err(error)) = (leads_in, plan::must_give_shares(&config, &session.observed)) {
            console::warning(&format!("the share is not raised: {error:#}"));
        }
    }
    execute(invocation, Execution::of_stored(&session, &config, caller, command), &plan)
}

fn dry_run(invocation: &Invocation, plan: &Plan) -> Result<()> {
    print(invocation, &DryRun::of(plan), |_| plan.describe())
}

fn slot(text: &str) -> Result<Slot, String> {
    Slot::from_name(text).ok_or_else(|| "a slot is `blue` or `green`".to_owned())
}

/// Runs a subcommand.
///
/// # Errors
/// With the kind of failure that the exit code tells; see the table in docs/REFERENCE.md.
pub fn run(flags: &Flags) -> Result<()> {
    if let Subcommand::Completions(completions) = &flags.subcommand {
        completions.run();
        return Ok(());
    }
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if variables.get("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        console::use_actions(actions(&variables)?);
    }
    interrupt::listen()?;
    if let Subcommand::Init(init) = &flags.subcommand {
        return init.run(flags, &variables);
    }
    let config = load(flags, &variables)?;
    let secret = |name: &&String| name.ends_with("_SSH_KEY") || name.ends_with("_ENV_FILE");
    let secret = variables.keys().filter(secret).chain(&config.secret_variables);
    process::withhold(secret.cloned().collect());
    let caller = Caller { name: caller_name(&variables), started_at: SystemTime::now() };
    for registry in &config.environment.registries {
        if let SecretSource::Content(password) = &registry.password {
            console::mask(mask::secrets_of_file(password.expose(), &config.text));
        }
    }
    if let Reach::Ssh(target) = &config.environment.reach {
        let key = String::from_utf8_lossy(target.key.expose());
        // The last line of a key may be a few letters that stand in every second word.
        let lines = key.lines().filter(|line| !line.starts_with("-----") && line.len() >= 12);
        console::mask(lines.map(str::to_owned));
    }
    let invocation = Invocation { config: &config, caller: &caller, json: flags.common.json };
    match &flags.subcommand {
        Subcommand::Doctor(doctor) => doctor.run(&invocation),
        Subcommand::Check(check) => check.run(&invocation),
        Subcommand::Test(test) => test.run(&invocation),
        Subcommand::Package(package) => package.run(&invocation),
        Subcommand::Ship(ship) => ship.run(&invocation),
        Subcommand::Build(build) => build.run(&invocation),
        Subcommand::Switch(switch) => switch.run(&invocation),
        Subcommand::Health(health) => health.run(&invocation),
        Subcommand::Deploy(deploy) => deploy.run(&invocation),
        Subcommand::Promote(promote) => promote.run(&invocation),
        Subcommand::Canary(canary) => canary.run(&invocation),
        Subcommand::Abort(abort) => abort.run(&invocation),
        Subcommand::Env(env) => env.run(&invocation),
        Subcommand::Guard(guard) => guard.run(&invocation),
        Subcommand::Restart(restart) => restart.run(&invocation),
        Subcommand::Stop(stop) => stop.run(&invocation),
        Subcommand::Start(start) => start.run(&invocation),
        Subcommand::Rollback(rollback) => rollback.run(&invocation),
        Subcommand::Maintenance(maintenance) => maintenance.run(&invocation),
        Subcommand::Status(status) => status.run(&invocation),
        Subcommand::Setup(setup) => setup.run(&invocation),
        Subcommand::Init(_) | Subcommand::Completions(_) => Ok(()),
    }
}

fn load(flags: &Flags, variables: &BTreeMap<String, String>) -> Result<Config> {
    let here = std::env::current_dir().context("finding the current folder")?;
    let file = match &flags.common.config {
        Some(file) => without_dots(&here.join(file))?,
        None => find(&here, "deploy.toml").ok_or_else(|| {
            Kind::Configuration.error(format!("there is no deploy.toml in {} or above", here.display()))
        })?,
    };
    let text =
        std::fs::read(&file).map_err(|error| Kind::Configuration.error(format!("{}: {error}", file.display())))?;
    let text = failure::utf8(&text, &file.display().to_string())?;
    let name = match &flags.subcommand {
        // What happens on this machine alone is the same for every environment.
        Subcommand::Test(_) | Subcommand::Package(_) if flags.common.environment == USUAL_ENVIRONMENT => {
            deploy_toml::known_or_first(text, USUAL_ENVIRONMENT)
        }
        _ => flags.common.environment.clone(),
    };
    let config = deploy_toml::load(text, &file, &name, variables)?;
    Ok(if deploy_toml::names_compose_files(text) { config } else { compose_file::found(config) })
}

/// The folder of the file is the repository's, by whose path nginx and compose are called: `..` says nothing to either.
fn without_dots(file: &Path) -> Result<PathBuf> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Ok(file.to_owned()) };
    if !folder.components().any(|part| part == Component::ParentDir) {
        return Ok(file.to_owned());
    }
    let folder =
        folder.canonicalize().map_err(|error| Kind::Configuration.error(format!("{}: {error}", folder.display())))?;
    Ok(folder.join(name))
}

fn find(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// `ada@laptop`, or the actor of a GitHub run.
fn caller_name(variables: &BTreeMap<String, String>) -> String {
    let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let user = get("GITHUB_ACTOR").or_else(|| get("USER")).or_else(|| get("LOGNAME"));
    let user = user.or_else(|| process::line(Path::new("."), "id", &["-un"]).ok());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{machine}", user.unwrap_or_else(|| "unknown".to_owned()))
}

fn actions(variables: &BTreeMap<String, String>) -> Result<Actions> {
    let token = random::token()?;
    let get = |name: &str| variables.get(name).cloned();
    let parts = [get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")];
    let run_url = match parts {
        [Some(server), Some(repository), Some(run)] => Some(format!("{server}/{repository}/actions/runs/{run}")),
        _ => None,
    };
    Ok(Actions::new(token, get("GITHUB_STEP_SUMMARY").map(PathBuf::from), run_url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help_reads_like_this() {
        let mut flags = Flags::command();
        flags.build();
        insta::assert_snapshot!("help", flags.render_long_help().to_string());
        for subcommand in flags.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
            let name = format!("help_{}", subcommand.get_name());
            insta::assert_snapshot!(name, subcommand.render_long_help().to_string());
        }
    }
}
