//! The receipt of a deploy: requests sent through nginx while it ran, how many failed, how long the slowest took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::io::host::probe::Probe;
use crate::rules::health::Answer;
use crate::rules::report::Receipt;

/// Time between two requests.
const INTERVAL: Duration = Duration::from_millis(50);
/// An answer that takes longer counts as failed.
const LIMIT: Duration = Duration::from_secs(10);

/// Requests that go on in the background until they are asked for the receipt.
pub struct Running {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Receipt>,
}

/// The longest time between two requests where nginx turns them away.
const SLOWEST: Duration = Duration::from_secs(2);

/// Gives what is wrong with an answer.
pub type Judge = Box<dyn Fn(&Answer) -> Result<(), String> + Send>;

/// What is asked for, in turn with others.
pub struct Asked {
    pub probe: Probe,
    pub path: String,
    pub judge: Judge,
}

/// Sends a request each 50 ms, each on a connection of its own. One that a limit of the site turns away is counted apart, and
/// the next comes later.
pub fn start(asked: Vec<Asked>) -> Running {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    let thread = std::thread::spawn(move || {
        let mut receipt = Receipt::default();
        let mut interval = INTERVAL;
        for Asked { probe, path, judge } in asked.iter().cycle() {
            if flag.load(Ordering::Relaxed) {
                break;
            }
            let begun = Instant::now();
            let failure = match probe.get(path, LIMIT) {
                Ok(answer) if answer.is_turned_away() => {
                    receipt.turned_away += 1;
                    interval = (interval * 2).min(SLOWEST);
                    std::thread::sleep(interval);
                    continue;
                }
                Ok(answer) => judge(&answer).err(),
                Err(error) => Some(error.to_string()),
            };
            receipt.requests += 1;
            receipt.failed += u32::from(failure.is_some());
            receipt.first_failure = receipt.first_failure.or(failure);
            let took = begun.elapsed();
            receipt.slowest_ms = receipt.slowest_ms.max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            std::thread::sleep(interval.saturating_sub(took));
        }
        receipt
    });
    Running { ended, thread }
}

impl Running {
    /// No request follows the one that is under way.
    pub fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub fn finish(self) -> Receipt {
        self.stop();
        let failed =
            |_| Receipt { first_failure: Some("the prober ended early".to_owned()), failed: 1, ..Receipt::default() };
        self.thread.join().unwrap_or_else(failed)
    }
}
