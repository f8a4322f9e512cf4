//! The receipt of a deploy: requests sent through nginx while it ran, how many failed, how long the slowest took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::probe::Probe;
use crate::report::Receipt;

/// Time between two requests.
const INTERVAL: Duration = Duration::from_millis(50);
/// An answer that takes longer counts as failed.
const LIMIT: Duration = Duration::from_secs(10);

/// Requests that go on in the background until they are asked for the receipt.
pub struct Running {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Receipt>,
}

/// Sends a request each 50 ms, each on a connection of its own.
pub fn start(probe: Probe, path: String) -> Running {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    let thread = std::thread::spawn(move || {
        let mut receipt = Receipt::default();
        while !flag.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let failure = match probe.get(&path, LIMIT) {
                Ok(answer) if answer.status == 200 => None,
                Ok(answer) => Some(format!("status {}", answer.status)),
                Err(error) => Some(error.to_string()),
            };
            receipt.requests += 1;
            receipt.failed += u32::from(failure.is_some());
            receipt.first_failure = receipt.first_failure.or(failure);
            let took = begun.elapsed();
            receipt.slowest_ms = receipt.slowest_ms.max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            std::thread::sleep(INTERVAL.saturating_sub(took));
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
