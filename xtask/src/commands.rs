//! One function per subcommand: what each does, in order.

use anyhow::Result;
use serde::Serialize;

use crate::config::{Config, NginxOwner, Reach, Switching};
use crate::dotenv::{self, Env};
use crate::failure::Kind;
use crate::flags;
use crate::look::Session;
use crate::observed::Observed;
use crate::plan::{self, Plan};
use crate::release::{ReleaseId, Slot};
use crate::report::{Caller, Report};
use crate::run::{DryRun, Execution};
use crate::{console, package, preflight, setup, stages, status, verdict};

/// What every command is given.
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

pub fn test(invocation: &Invocation, flags: &flags::Test) -> Result<()> {
    let summary = stages::test(invocation.config, flags.group.as_deref(), &flags.pytest)?;
    print(invocation, &summary, |summary| summary.describe())?;
    match summary.success() {
        true => Ok(()),
        false => Err(Kind::Tests.error("tests failed")),
    }
}

pub fn package(invocation: &Invocation, flags: &flags::Package) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let source = package::source(config)?;
    if !flags.dirty {
        source.refuse_dirty()?;
    }
    let release = source.release_id(caller.started_at)?;
    let folder = config.root.join(&flags.output);
    let package = package::package(config, &source, &release, caller, &folder, None)?;
    print(invocation, &package, |package| {
        format!(
            "{}\n{}\nsha256 {}, {} bytes",
            package.archive.display(),
            package.manifest.display(),
            package.sha256,
            package.bytes
        )
    })
}

/// A release to be made from this machine's tree and the environment's `.env`.
struct Wanted {
    source: package::Source,
    base: ReleaseId,
    env: Env,
}

impl Wanted {
    fn execution<'a>(self, session: &'a Session, caller: &'a Caller) -> Execution<'a> {
        let mut execution = Execution::new(session, &session.config, caller, "deploy");
        (execution.source, execution.env) = (Some(self.source), Some(self.env));
        execution
    }
}

fn wanted(invocation: &Invocation, dirty: bool) -> Result<Wanted> {
    let Invocation { config, caller, .. } = invocation;
    config.require_for_shipping()?;
    let source = package::source(config)?;
    if !dirty {
        source.refuse_dirty()?;
    }
    let env = dotenv::env_file(config)?;
    console::mask(env.values.iter().cloned());
    dotenv::check_compose_files(config, &env)?;
    Ok(Wanted { base: source.release_id(caller.started_at)?, source, env })
}

/// Runs a plan, prints its report, gives its outcome.
fn execute(invocation: &Invocation, execution: Execution, plan: &Plan) -> Result<()> {
    let (report, outcome) = execution.execute(plan);
    print(invocation, &report, Report::describe)?;
    console::summary(&report.summary());
    outcome
}

fn dry_run(invocation: &Invocation, plan: &Plan) -> Result<()> {
    print(invocation, &DryRun::of(plan), |_| plan.describe())
}

pub fn deploy(invocation: &Invocation, flags: &flags::Deploy) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let wanted = wanted(invocation, flags.source.dirty)?;
    let tests = if flags.skip_tests { plan::Tests::Skip } else { plan::Tests::Run };
    let plan = |session: &Session| {
        let release = session.choose_release(&wanted.base, &wanted.env)?;
        plan::deploy(&session.config, &session.observed, &release, tests)
    };
    if flags.dry_run {
        return dry_run(invocation, &plan(&Session::look(config)?)?);
    }
    let session = Session::own(config, caller, &format!("deploy of {}", wanted.base), flags.source.lock_wait)?;
    let plan = plan(&session)?;
    execute(invocation, wanted.execution(&session, caller), &plan)
}

pub fn rollback(invocation: &Invocation, flags: &flags::Rollback) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let plan = |session: &Session| {
        let release = plan::way_back(&session.observed, flags.to.as_ref())?;
        let config = session.settings_of(release)?;
        Ok::<_, anyhow::Error>((plan::rollback(&config, &session.observed, release)?, config))
    };
    if flags.dry_run {
        return dry_run(invocation, &plan(&Session::look(config)?)?.0);
    }
    let session = Session::own(config, caller, "rollback", flags.lock_wait)?;
    preflight::bypasses(&session.observed).iter().for_each(|line| console::warning(line));
    let (plan, config) = plan(&session)?;
    execute(invocation, Execution::new(&session, &config, caller, "rollback"), &plan)
}

pub fn switch(invocation: &Invocation, flags: &flags::Switch) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let plan = |session: &Session| {
        let observed = &session.observed;
        let to = flags.slot.unwrap_or_else(|| observed.free_slot());
        let release = observed.occupant(to).and_then(|container| container.release.as_ref());
        let config = release.map_or_else(|| Ok(session.config.clone()), |release| session.settings_of(release))?;
        Ok::<_, anyhow::Error>((plan::switch(&config, observed, to)?, config))
    };
    if flags.dry_run {
        return dry_run(invocation, &plan(&Session::look(config)?)?.0);
    }
    let session = Session::own(config, caller, "switch", flags.lock_wait)?;
    let (plan, config) = plan(&session)?;
    execute(invocation, Execution::new(&session, &config, caller, "switch"), &plan)
}

#[derive(Serialize)]
struct Shipped {
    release: ReleaseId,
    /// It was there already, nothing was sent.
    present: bool,
    /// Bytes of the archive that was sent.
    bytes: u64,
}

pub fn ship(invocation: &Invocation, flags: &flags::Source) -> Result<()> {
    let Invocation { config, caller, .. } = invocation;
    let wanted = wanted(invocation, flags.dirty)?;
    let session = Session::own(config, caller, &format!("ship of {}", wanted.base), flags.lock_wait)?;
    let release = session.choose_release(&wanted.base, &wanted.env)?;
    let present = session.observed.release(&release).is_some();
    let mut bytes = 0;
    if !present {
        let plan = plan::ship(&session.observed, &release);
        let mut execution = wanted.execution(&session, caller);
        (0..plan.steps.len()).try_for_each(|index| execution.step(&plan, index))?;
        bytes = execution.package.map_or(0, |package| package.bytes);
    }
    print(invocation, &Shipped { release, present, bytes }, |shipped| {
        let how = if shipped.present { "is there already" } else { "was shipped" };
        format!("release {} {how}", shipped.release)
    })
}

#[derive(Serialize)]
struct Built {
    release: ReleaseId,
}

pub fn build(invocation: &Invocation, flags: &flags::Build) -> Result<()> {
    let Invocation { config: today, caller, .. } = invocation;
    let session = Session::own(today, caller, "build", flags.lock_wait)?;
    let release = match &flags.release {
        Some(release) => release.clone(),
        None => {
            let wanted = wanted(invocation, false)?;
            session.choose_release(&wanted.base, &wanted.env)?
        }
    };
    if session.observed.release(&release).is_none() {
        return Err(
            Kind::Preflight.error(format!("release {release} is not on the host; `cargo xtask ship` brings it"))
        );
    }
    let config = session.settings_of(&release)?;
    let plan = plan::build(&session.observed, &release);
    let mut execution = Execution::new(&session, &config, caller, "build");
    (0..plan.steps.len()).try_for_each(|index| execution.step(&plan, index))?;
    print(invocation, &Built { release }, |built| format!("the images of {} are there", built.release))
}

#[derive(Serialize)]
struct Healthy {
    slot: Slot,
    release: ReleaseId,
    seconds: f64,
}

pub fn health(invocation: &Invocation, flags: &flags::Health) -> Result<()> {
    let config = invocation.config;
    let session = Session::look(config)?;
    let observed = &session.observed;
    let slot = flags.slot.or(observed.live()).ok_or_else(|| Kind::Preflight.error("no slot is live; name one"))?;
    let release = observed.occupant(slot).and_then(|container| container.release.clone());
    let Some(release) = release else {
        return Err(Kind::Unhealthy.error(format!("slot {slot} runs no release")));
    };
    let config = &session.settings_of(&release)?;
    let begun = std::time::Instant::now();
    stages::await_health(config, &session.host, &release, slot)?;
    let healthy = Healthy { slot, release, seconds: begun.elapsed().as_secs_f64() };
    print(invocation, &healthy, |healthy| {
        format!("slot {} is healthy: release {} after {:.2} s", healthy.slot, healthy.release, healthy.seconds)
    })
}

pub fn status(invocation: &Invocation) -> Result<()> {
    let session = Session::look(invocation.config)?;
    // The live release is judged by its own settings.
    let live = session.observed.live_release().and_then(|release| session.settings_of(release).ok());
    let config = live.as_ref().unwrap_or(&session.config);
    let site = site(config, &session.observed);
    let status = status::status(config, &session.observed, site);
    let agree = status.problems.is_empty();
    print(invocation, &status, status::Status::describe)?;
    match agree {
        true => Ok(()),
        false => Err(Kind::Drift.error("not all is well; see the problems above")),
    }
}

/// What the request through nginx gave that the host was asked for, judged like a health check of the live release.
fn site(config: &Config, observed: &Observed) -> Result<(), String> {
    let asked = format!("{}{}", config.environment.url, config.health.path);
    let answer = observed.site.as_ref().ok_or_else(|| format!("{asked} does not answer"))?;
    if answer.is_turned_away() {
        return Ok(());
    }
    verdict::judge(answer, &config.health.expect, observed.live_release())
        .map_err(|reason| format!("{asked} through nginx gives {}", reason.shown(console::masked)))
}

pub fn setup(invocation: &Invocation, flags: &flags::Setup) -> Result<()> {
    let config = invocation.config;
    if config.environment.nginx.owner != NginxOwner::System {
        let text = format!(
            "environment {} has an nginx of the tool's own; there is nothing to set up",
            config.environment.name
        );
        return Err(Kind::Usage.error(text));
    }
    let user = match (&flags.user, &config.environment.reach) {
        (Some(user), _) => user.clone(),
        (None, Reach::Ssh(target)) => target.user.clone(),
        (None, Reach::Local | Reach::Missing(_)) => {
            return Err(Kind::Usage.error("say which user deploys: --user NAME"));
        }
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if user.is_empty() || user == "root" || user.starts_with('-') || !user.bytes().all(plain) {
        return Err(Kind::Usage.error(format!("{user:?} cannot be the deploying user: a plain user name, not root")));
    }
    let switching = match flags.mode {
        flags::Mode::Instant => Switching::Instant,
        flags::Mode::Reload => Switching::Reload,
    };
    console::result(&setup::script(config, &user, switching));
    Ok(())
}
