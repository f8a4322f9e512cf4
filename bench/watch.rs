//! Looks at an address again and again, to know when an answer changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::load::{self, Address};

/// Time between two looks where the moment counts.
const LOOK: Duration = Duration::from_millis(3);
/// No watch looks longer than this.
const LONGEST: Duration = Duration::from_secs(120);

/// A watch for the first answer of a kind.
pub struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Option<Instant>>,
}

impl Watch {
    /// For the first 200 at `/health` whose body is `wanted`, with so much time between two looks.
    pub fn every(look: Duration, address: &Address, wanted: impl Fn(&str) -> bool + Send + 'static) -> Watch {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, address) = (Arc::clone(&ended), address.clone());
        let thread = std::thread::spawn(move || {
            let begun = Instant::now();
            while !flag.load(Ordering::Relaxed) && begun.elapsed() < LONGEST {
                if load::get(&address, "/health").is_ok_and(|answer| answer.status == 200 && wanted(&answer.body)) {
                    return Some(Instant::now());
                }
                std::thread::sleep(look);
            }
            None
        });
        Watch { ended, thread }
    }

    /// When it came. Must be asked after what makes it come has ended.
    pub fn seen(self) -> Instant {
        std::thread::sleep(LOOK * 10);
        self.ended.store(true, Ordering::Relaxed);
        self.came()
    }

    /// Waits until it comes.
    pub fn came(self) -> Instant {
        self.thread.join().unwrap().expect("what was watched for did not come")
    }
}

/// For another release than the one that an address names now.
pub fn next_release(address: &Address) -> Watch {
    let now = release(address);
    Watch::every(LOOK, address, move |body| !body.contains(&now))
}

/// The release that an address names now. What comes from a site that is down for a moment is no answer.
pub fn release(address: &Address) -> String {
    let begun = Instant::now();
    loop {
        match load::get(address, "/health") {
            Ok(answer) if answer.status == 200 => {
                let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                return body["release"].as_str().unwrap().to_owned();
            }
            other => assert!(begun.elapsed() < LONGEST, "no release answers: {:?}", other.map(|answer| answer.status)),
        }
        std::thread::sleep(LOOK);
    }
}
