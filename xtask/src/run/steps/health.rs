//! Waiting until a slot is healthy, and seeing its container end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::io::host::Host;
use crate::io::host::probe::{Polls, Probe};
use crate::io::process::{self, Child};
use crate::io::{console, interrupt};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::health;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script;

/// Time from the start of one health probe to the next, at first and at last.
const POLL: Duration = Duration::from_millis(20);
const SLOWEST_POLL: Duration = Duration::from_secs(1);
/// How long one probe may take.
pub const PROBE: Duration = Duration::from_secs(5);
/// How long one that was healthy may take to answer once more.
const STILL: Duration = Duration::from_secs(15);
/// Time between two looks at a version that rests.
const AT_REST: Duration = Duration::from_millis(100);
/// Lines of a container's log in an error.
pub const LOG_LINES: usize = 40;
/// How long docker may take to give them: one that starts and ends other containers was seen to take more than 2 s.
const LOGS: Duration = Duration::from_secs(20);

/// Polls the slot until it is healthy, for at most `limit`; the first success wins. Ends at once when its container does, or that of
/// one of `earlier`.
///
/// # Errors
/// [`Kind::Unhealthy`] with what the last probe saw and the container's last log lines.
fn await_health(
    config: &Config,
    host: &Host,
    release: &ReleaseId,
    slot: Slot,
    limit: Duration,
    earlier: &[(&Config, Watch)],
) -> Result<()> {
    let mut polls = Polls::new(Probe::slot(config, host, slot), &config.health);
    let mut watch = None;
    let start = Instant::now();
    let deadline = start + limit;
    let mut answers = Answers::default();
    while Instant::now() < deadline {
        interrupt::check()?;
        host.check()?;
        let begun = Instant::now();
        polls.start(PROBE.min(deadline.saturating_duration_since(begun)).max(Duration::from_millis(1)));
        while let Some(answer) = polls.answer(begun + pause(begun.duration_since(start))) {
            match answer {
                Ok(None) => return Ok(()),
                Ok(Some(answer)) => match health::check(&answer, &config.health, Some(release)) {
                    Ok(()) => return Ok(()),
                    Err(reason) => answers.add(reason.shown(console::masked), reason.hint),
                },
                Err(error) => answers.add(format!("{error:#}"), Some(health::WEB_PORT)),
            }
        }
        // Not before it is needed: one that is healthy at once, as in a rollback, has no time to end.
        let watch = match &mut watch {
            Some(watch) => watch,
            none => none.insert(Watch::start(config, host, slot)?),
        };
        must_run(config, slot, watch)?;
        earlier.iter().try_for_each(|(config, watch)| must_run(config, slot, watch))?;
    }
    let logs = host.text(&script::logs(config, slot, LOG_LINES))?;
    Err(Kind::Unhealthy.error(format!(
        "`{}` in slot {slot} did not become healthy within {} s. {} gave:\n{}\n{}the container's last log lines, without those of these \
         requests:\n{}",
        config.project.web,
        limit.as_secs(),
        asked(config, slot),
        process::indent(&answers.describe()),
        answers.hint(),
        process::indent(&console::masked_lines(&logs))
    )))
}

/// # Errors
/// [`Kind::Unhealthy`] where the container has ended.
pub(super) fn must_run(config: &Config, slot: Slot, watch: &Watch) -> Result<()> {
    match ended(watch, LOGS)? {
        Some(how) => {
            Err(Kind::Unhealthy.error(format!("the container of `{}` in slot {slot} {how}", config.project.web)))
        }
        None => Ok(()),
    }
}

/// The same for each web service; `granted`: what a service may take to start by its own health check. Those that were healthy are
/// watched while others are waited for, since docker may start again one that has ended, and all have to be healthy at the end.
///
/// # Errors
/// The same.
pub fn await_health_of_all(
    config: &Config,
    host: &Host,
    release: &ReleaseId,
    slot: Slot,
    granted: &BTreeMap<String, Duration>,
) -> Result<()> {
    let webs = config.of_each_web();
    let mut earlier = Vec::new();
    for (number, web) in webs.iter().enumerate() {
        let granted = granted.get(&web.project.web).copied().unwrap_or_default();
        await_health(web, host, release, slot, web.health.limit().max(granted), &earlier)?;
        if number + 1 < webs.len() {
            earlier.push((web, Watch::start(web, host, slot)?));
        }
    }
    for (web, watch) in &earlier {
        await_health(web, host, release, slot, STILL, &earlier)?;
        must_run(web, slot, watch)?;
    }
    Ok(())
}

/// Watches the containers of a version that is healthy, for some seconds, and asks it once more at their end. It is not asked meanwhile:
/// its first work shall be done before it gets traffic, with nothing beside it.
///
/// # Errors
/// [`Kind::Unhealthy`] where one does not keep running, or is not healthy any more.
pub fn rest(config: &Config, host: &Host, release: &ReleaseId, slot: Slot, seconds: u64) -> Result<()> {
    let webs = config.of_each_web();
    let watches = webs.iter().map(|web| Ok((web, Watch::start(web, host, slot)?))).collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        interrupt::check()?;
        host.check()?;
        watches.iter().try_for_each(|(web, watch)| must_run(web, slot, watch))?;
        std::thread::sleep(AT_REST.min(deadline.saturating_duration_since(Instant::now())));
    }
    webs.iter().try_for_each(|web| await_health(web, host, release, slot, STILL, &watches))
}

fn asked(config: &Config, slot: Slot) -> String {
    let (port, health) = (config.slots.port(slot), &config.health);
    if health.connect {
        return format!("A connection to port {port}");
    }
    let name = health.host.clone().unwrap_or_else(|| config.environment.url.authority());
    format!("GET {} on port {port} as {name}", health.path)
}

/// Time from the start of one probe to the next: a version that is soon ready is soon seen, and one that is not is not flooded.
fn pause(waited: Duration) -> Duration {
    (waited / 10).clamp(POLL, SLOWEST_POLL)
}

/// What the probes of a slot that never became healthy saw, in the order first seen.
#[derive(Default)]
struct Answers(Vec<(String, u32, Option<&'static str>)>);

impl Answers {
    fn add(&mut self, reason: String, hint: Option<&'static str>) {
        match self.0.iter_mut().find(|(seen, _, _)| *seen == reason) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((reason, 1, hint)),
        }
    }

    fn describe(&self) -> String {
        let latest = self.0.iter().rev().take(6).rev();
        let lines: Vec<String> = latest.map(|(reason, count, _)| format!("{count} times: {reason}")).collect();
        if lines.is_empty() { format!("no answer, each for {} s", PROBE.as_secs()) } else { lines.join("\n") }
    }

    /// The setting that would help against what was seen last.
    fn hint(&self) -> String {
        let hint = self.0.last().and_then(|(_, _, hint)| *hint);
        let slow = "`[health] timeout` is the number of seconds that a version may take";
        hint.map_or_else(|| format!("{slow}\n"), |hint| format!("{hint}; {slow}\n"))
    }
}

/// Watches the container of a slot for as long as it lives.
pub struct Watch(Option<Child>);

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// Where no process can be started for it.
    pub fn start(config: &Config, host: &Host, slot: Slot) -> Result<Watch> {
        Ok(Watch(Some(host.spawn(&script::watch(config, slot))?)))
    }
}

impl Drop for Watch {
    /// Over a slow link its end takes a while, and nothing depends on it.
    fn drop(&mut self) {
        let child = self.0.take();
        std::thread::spawn(move || drop(child));
    }
}

/// How the watched container has ended, if it has, with the last log lines that docker gives within `limit`.
///
/// # Errors
/// [`Kind::Interrupted`](crate::rules::failure::Kind::Interrupted) while its log is waited for.
pub fn ended(Watch(watch): &Watch, limit: Duration) -> Result<Option<String>> {
    let Some(watch) = watch else { return Ok(None) };
    while let Some(line) = watch.ready_line() {
        if let Some(how) = line.strip_prefix("ended\t") {
            let mut text = format!("does not keep running: it {how}; its last log lines:");
            let until = Instant::now() + limit;
            while let Some(line) = watch.line(until.saturating_duration_since(Instant::now()))? {
                text.push_str(&format!("\n  {}", console::masked_lines(&line)));
            }
            if Instant::now() >= until {
                text.push_str(&format!("\n  (docker has not given all of them within {} s)", limit.as_secs()));
            }
            return Ok(Some(text));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod frameworks;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::process::{Command, spawn};

    /// What is told of a container whose log takes docker 3 s.
    fn told(limit: Duration) -> String {
        let script = r"printf 'ended\tis exited\n'; sleep 3; echo 'settings are incomplete'";
        let watch = Watch(Some(spawn(&Command::new("watch", ["sh", "-c", script])).unwrap()));
        let told = (0..100).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            ended(&watch, limit).unwrap()
        });
        told.expect("its end was not seen")
    }

    #[test]
    fn the_log_of_a_container_that_ended_is_told_or_that_docker_did_not_give_it_in_time() {
        let how = "does not keep running: it is exited; its last log lines:\n  ";
        assert_eq!(told(LOGS), format!("{how}settings are incomplete"));
        assert_eq!(told(Duration::from_secs(1)), format!("{how}(docker has not given all of them within 1 s)"));
    }
}
