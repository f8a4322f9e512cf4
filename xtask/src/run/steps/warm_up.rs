//! Asking a version that gets no traffic yet for what its users will want first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::io::host::Host;
use crate::io::host::probe::Probe;
use crate::io::{console, interrupt};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::release::Slot;

/// How often each page is asked for: an app has several processes, each with code and caches of its own.
const TIMES: usize = 16;
/// So many at once, so that they do not all come to the same process.
const AT_ONCE: usize = 4;
/// How long a request may take; all of them may take ten times as long.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks for each page. An answer that is an error of the app (5xx), or none, is told; a page that gave nothing else is a failure.
///
/// # Errors
/// [`Kind::Unhealthy`] with the first such page and what it gave.
pub fn warm_up(config: &Config, host: &Host, slot: Slot, paths: &[String]) -> Result<String> {
    let probe = Probe::slot(config, host, slot);
    let deadline = Instant::now() + LIMIT * 10;
    let mut asked = 0;
    for path in paths {
        let (begun, answered, problem) = (AtomicUsize::new(0), AtomicUsize::new(0), std::sync::Mutex::new(None));
        let ask = || {
            while Instant::now() < deadline
                && interrupt::check().is_ok()
                && begun.fetch_add(1, Ordering::Relaxed) < TIMES
            {
                match probe.get(path, LIMIT) {
                    Ok(answer) if answer.status < 500 => drop(answered.fetch_add(1, Ordering::Relaxed)),
                    Ok(answer) => set(&problem, format!("status {}", answer.status)),
                    Err(error) => set(&problem, format!("{error:#}")),
                }
            }
        };
        std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(ask))));
        interrupt::check()?;
        host.check()?;
        let answered = answered.into_inner();
        asked += answered;
        let problem = problem.into_inner().ok().flatten();
        match problem {
            Some(problem) if answered == 0 => {
                return Err(
                    Kind::Unhealthy.error(format!("the new version cannot be warmed up: {path} gives {problem}"))
                );
            }
            Some(problem) => {
                console::warning(&format!("while the new version was warmed up, {path} once gave {problem}"))
            }
            None if answered == 0 => {
                console::warning(&format!(
                    "the new version was not asked for {path}: the pages before it took too long"
                ));
            }
            None => {}
        }
    }
    Ok(format!("{asked} answers"))
}

fn set(place: &std::sync::Mutex<Option<String>>, problem: String) {
    if let Ok(mut place) = place.lock() {
        place.get_or_insert(problem);
    }
}
