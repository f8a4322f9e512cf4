//! `setup --remove`: looks what a server has of an environment, plans, and takes it away, nginx first: what nginx refuses to be without
//! keeps the rest where it is.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::admin::Admin;
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::nginx;
use crate::rules::release;
use crate::rules::removal::{self, Plan, Survey};
use crate::rules::script::setup as scripts;
use crate::rules::setup;
use crate::rules::utc;

const SHORT: Duration = Duration::from_secs(180);

/// A server that was looked at, with what will be taken away.
pub struct Prepared {
    pub plan: Plan,
    admin: Admin,
}

/// Looks, and changes nothing. `key` is the public half of the key that lets this tool in.
///
/// # Errors
/// [`Kind::Connection`], [`Kind::Preflight`] with all that is in the way.
pub fn prepare(config: &Config, admin: Admin, user: &str, key: &str) -> Result<Prepared> {
    let mark = setup::key_mark(config);
    let name = &config.project.name;
    let (folder, projects) = (&config.environment.folder, release::own_projects(name).join(" "));
    let files = [
        &config.environment.nginx.upstream_file,
        &nginx::switch_include_file(name),
        &nginx::static_include_file(name),
        &config.environment.nginx.site_file,
        &nginx::server_setup::sudo_file(config),
    ];
    let arguments = [name.as_str(), folder, user, key, &mark].into_iter().chain(files.map(|file| file.as_str()));
    let arguments: Vec<&str> = arguments.chain([projects.as_str()]).collect();
    let printed = admin.run("look at the server", scripts::REMOVAL_SURVEY, &arguments, SHORT)?.text();
    let survey = Survey::parse(&printed).context("what the server said of itself breaks off")?;
    let now = utc::compact(SystemTime::now());
    Ok(Prepared { plan: removal::plan(config, &survey, user, &now)?, admin })
}

/// Does what was planned.
///
/// # Errors
/// With what failed; what was done before stays done, and running it again goes on from there.
pub fn carry_out(config: &Config, user: &str, prepared: &Prepared) -> Result<()> {
    let Prepared { plan, admin } = prepared;
    out_of_nginx(config, user, plan, admin)?;
    if plan.has_folder || plan.has_containers {
        console::note("containers");
        admin.run_as(user, &scripts::removal_of_containers(config))?;
        releases(config, user, plan, admin)?;
        admin.run_as(user, &scripts::removal_of_folder(config, &plan.releases))?;
    }
    console::note(&format!("what {user} was given"));
    let mark = setup::key_mark(config);
    let mark = if plan.takes_key { mark.as_str() } else { "-" };
    let removes_user = if plan.removes_user { "yes" } else { "no" };
    let arguments = [user, mark, removes_user, &config.environment.folder].into_iter();
    let arguments: Vec<&str> = arguments.chain(plan.files.iter().map(String::as_str)).collect();
    admin.run_showing("take back what the user was given", scripts::REMOVAL_ACCOUNT, &arguments, SHORT)
}

/// Also where no file is left: nginx may not know that yet.
fn out_of_nginx(config: &Config, user: &str, plan: &Plan, admin: &Admin) -> Result<()> {
    console::note("nginx");
    let environment = &config.environment;
    let live_port = plan.live_port.unwrap_or(environment.nginx.live_port).to_string();
    let live_host = nginx::live_host(&config.project.name);
    let site = plan.site.as_ref().map_or("-", |site| &site.file);
    let copy = plan.site.as_ref().and_then(|site| site.copy.as_deref()).unwrap_or("-");
    let arguments = [&config.project.name, &environment.folder, user, &live_port, &live_host, site, copy].into_iter();
    let arguments: Vec<&str> = arguments.chain(plan.nginx_files.iter().map(String::as_str)).collect();
    admin.run_showing("take the files out of nginx", scripts::REMOVAL_NGINX, &arguments, SHORT)
}

/// What the app has written into them is moved aside and named, which is no failure; one that cannot be removed is found afterwards.
fn releases(config: &Config, user: &str, plan: &Plan, admin: &Admin) -> Result<()> {
    let Some(newest) = plan.releases.last() else { return Ok(()) };
    console::note("releases");
    match admin.run_as(user, &scripts::removal_of_releases(config, newest, &plan.releases)) {
        Err(error) if Kind::of(&error).is_none() => {
            console::warning(&format!("{error:#}"));
            Ok(())
        }
        ended => ended,
    }
}
