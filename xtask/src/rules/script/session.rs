//! What runs as long as a run, or at its ends: the first look, the shell that runs all other scripts, the record.

use std::time::Duration;

use super::text::{SHORT, changing, plain, reading, script};
use super::{Input, Priority, Script};
use crate::rules::config::{Config, Environment, Health, NginxOwner, Slots};
use crate::rules::health;
use crate::rules::nginx;
use crate::rules::release::ReleaseId;
use crate::rules::shared_constants::LOCK_FILE;

/// A deploying side that is silent for this long has died.
const SILENCE: Duration = Duration::from_secs(30);
/// How long what it had begun may go on, so that a container that is being stopped gets its grace period.
pub const GRACE: Duration = Duration::from_secs(20);

/// Reports the state of the host.
pub fn inspect(config: &Config) -> Script {
    let Environment { folder, nginx, compose, url, .. } = &config.environment;
    let private_pid = match nginx.owner {
        NginxOwner::Private(_) => format!("{folder}/nginx/nginx.pid"),
        NginxOwner::System => String::new(),
    };
    let Slots { blue, green } = config.slots;
    let mut given = Vec::new();
    given.extend(config.fixed.slots.then(|| format!("{blue} {green}")));
    given.extend(config.fixed.live_port.then(|| nginx.live_port.to_string()));
    let more = config.more_webs.iter().filter(|web| web.fixed);
    given.extend(more.map(|web| format!("{} {}", web.slots.blue, web.slots.green)));
    let arguments = [
        folder.clone(),
        config.project.name.clone(),
        nginx.upstream_file.clone(),
        nginx.site_file.clone(),
        nginx.live_port.to_string(),
        blue.to_string(),
        green.to_string(),
        private_pid,
        compose.clone().unwrap_or_default(),
        config.health.path.clone(),
        nginx.upstream.clone(),
        if url.tls { "https" } else { "http" }.to_owned(),
        url.authority(),
        url.port.to_string(),
        given.join(" "),
        url.path.clone(),
        config.health.host.clone().unwrap_or_else(|| url.authority()),
        header_lines(&config.health, url.tls),
        format!("{}{}: 1\r\n", header_lines(&config.health, false), nginx::PROBE_HEADER),
        if config.health.connect { "connect" } else { "http" }.to_owned(),
        config.more_webs.iter().map(|web| web.upstream.as_str()).collect::<Vec<&str>>().join(" "),
        yes(config.fixed.slots),
        yes(config.fixed.live_port),
    ];
    script("inspect the host", reading!("inspect_ports.sh", "inspect.sh"), SHORT, arguments)
}

/// What `doctor` asks beside that. `before`: the release that a rollback would go back to.
pub fn doctor(config: &Config, before: Option<&ReleaseId>) -> Script {
    let before = before.map(ToString::to_string).unwrap_or_default();
    let arguments = [config.environment.folder.clone(), before];
    script("look what the host is like", reading!("fact.sh", "doctor.sh"), SHORT, arguments)
}

fn yes(given: bool) -> String {
    if given { "yes" } else { "no" }.to_owned()
}

/// Headers as they are sent, each with its line end.
fn header_lines(health: &Health, behind_tls: bool) -> String {
    let headers = health::request_headers(health, behind_tls);
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// The shell that runs all other scripts. `holder`: who, since when, for which release, in one line; without one, it does
/// not take the lock. `first`: the script it runs before it is asked for any, which reads no input. `priority`: that of all its scripts, but for those
/// that are always of full priority.
pub fn shell(
    config: &Config,
    token: &str,
    holder: Option<&str>,
    wait_seconds: u64,
    first: &Script,
    priority: Priority,
) -> Script {
    let arguments = [
        token.to_owned(),
        config.environment.folder.clone(),
        holder.unwrap_or_default().replace('\n', " "),
        wait_seconds.to_string(),
        SILENCE.as_secs().to_string(),
        GRACE.as_secs().to_string(),
        first.remote_line(),
        LOCK_FILE.to_owned(),
        priority.to_string(),
    ];
    script("run scripts on the host", plain!("shell.sh"), Duration::MAX, arguments)
}

/// Asks addresses of the host over HTTP, for as long as the run.
pub fn ask() -> Script {
    script("ask the host's own addresses", plain!("ask.sh"), Duration::MAX, [] as [&str; 0])
}

/// Adds a line to the record.
pub fn record(config: &Config, line: &str) -> Script {
    let record = script("write the record", changing!("record.sh"), SHORT, [config.environment.folder.clone()]);
    Script { input: Input::Bytes(format!("{line}\n").into_bytes()), ..record }
}
