//! The deploy lock: a `flock` held on the host by a process whose standard input is ours. It is free when we end, however
//! we end; where the network is cut without a word, the host's side notices our silence.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::config::Config;
use crate::failure::Kind;
use crate::host::Host;
use crate::proc::Held;
use crate::script;

const HEARTBEAT: Duration = Duration::from_secs(5);

/// The lock, for as long as this value lives.
pub struct Lock {
    held: Arc<Mutex<Held>>,
    ended: Arc<AtomicBool>,
}

impl Lock {
    /// # Errors
    /// [`Kind::Locked`] with who holds it since when, after `wait_seconds`.
    pub fn take(config: &Config, host: &Host, holder: &str, wait_seconds: u64) -> Result<Lock> {
        let held = host.hold(&script::lock(config, holder, wait_seconds))?;
        // The host also waits up to 900 s for a command of a killed run.
        let answer = held.line(Duration::from_secs(wait_seconds + 930))?;
        match answer.as_deref() {
            Some("locked") => {}
            Some(other) => {
                return Err(Kind::Locked.error(format!(
                    "the deploy lock is {other}. Wait for it with --lock-wait SECONDS; a lock whose holder has died frees itself within {} s",
                    script::LOCK_SILENCE.as_secs()
                )));
            }
            None => {
                let folder = &config.environment.folder;
                let said = crate::proc::indent(&held.tail());
                return Err(
                    Kind::Preflight.error(format!("could not take the deploy lock in {folder} on the host; a server is prepared once, by the script that `cargo xtask setup` prints:\n{said}"))
                );
            }
        }
        let lock = Lock { held: Arc::new(Mutex::new(held)), ended: Arc::default() };
        lock.beat();
        Ok(lock)
    }

    fn beat(&self) {
        let (held, ended) = (Arc::downgrade(&self.held), Arc::clone(&self.ended));
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Some(held) = held.upgrade() else { return };
                let sent = held.lock().unwrap_or_else(PoisonError::into_inner).heartbeat();
                drop(held);
                if sent.is_err() {
                    return; // the next command finds the connection lost and says so
                }
                std::thread::sleep(HEARTBEAT);
            }
        });
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
