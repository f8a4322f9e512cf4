//! Work on the machine that serves, which takes no time from those who serve (`scripts/shell.sh` does the same for scripts).

use std::fs;
use std::thread;

use crate::io::process::{self, Command};
use crate::rules::config::Reach;

/// Does something for a host. Where this machine is the host, a thread does it that, with all that it starts, has only the processors' time
/// that nobody else wants. On a machine that has none to spare, or no `chrt`, it is done as anything else.
pub fn gently<T: Send>(reach: &Reach, act: impl FnOnce() -> T + Send) -> T {
    if !matches!(reach, Reach::Local) {
        return act();
    }
    let worker = || {
        if is_calm() {
            give_way();
        }
        act()
    };
    match thread::scope(|scope| scope.spawn(worker).join()) {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Whether in the last minute a processor was free on average.
fn is_calm() -> bool {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Option<f64> = load.split(' ').next().and_then(|load| load.parse().ok());
    load.zip(thread::available_parallelism().ok()).is_some_and(|(load, processors)| load < processors.get() as f64)
}

/// Puts this thread into the class SCHED_IDLE (sched(7)).
fn give_way() {
    // `PROCESS/task/THREAD`.
    let place = fs::read_link("/proc/thread-self").unwrap_or_default();
    let Some(thread) = place.file_name().and_then(|name| name.to_str()) else { return };
    let command = Command::new("leave the processors to others", ["chrt", "-i", "-p", "0", thread]);
    // Where it cannot be had, nothing is lost but that.
    let _refused = process::finish(&command);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_gently_gives_way_and_what_comes_after_it_does_not() {
        let class =
            |text: String| text.lines().find_map(|line| line.strip_prefix("policy").map(str::to_owned)).unwrap();
        let read = || class(fs::read_to_string("/proc/thread-self/sched").unwrap());
        let (before, was_calm) = (read(), is_calm());
        let during = gently(&Reach::Local, || {
            (read(), process::line(std::path::Path::new("/"), "cat", &["/proc/self/sched"]).unwrap())
        });
        assert_eq!(before, read());
        let policy = |text: &str| text.trim_start_matches([' ', ':']).to_owned();
        let (own, child) = (policy(&during.0), policy(&class(during.1)));
        assert_eq!(own, child, "what it starts is in another class");
        // The load may have changed meanwhile.
        if was_calm && is_calm() {
            assert_eq!(own, "5");
        }
    }
}
