//! Ctrl-C and SIGTERM: the first asks everything to stop and undo in order, the second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::rules::failure::Kind;

/// What a second signal leaves.
const LEFT: &str = "ended by a second signal: what was begun is neither undone nor written down. What serves goes on serving, a new version may run \
    beside it, and the next deploy takes it away (`cargo xtask status` shows what runs)";

static REQUESTED: AtomicBool = AtomicBool::new(false);
static IGNORED: AtomicBool = AtomicBool::new(false);

/// Listens from now on. Children run in process groups of their own, so the signal reaches only us.
///
/// # Errors
/// Where the system lets no signal be listened for.
pub fn listen() -> Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listening for signals")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                crate::io::console::error(&anyhow::anyhow!(LEFT));
                std::process::exit(i32::from(Kind::Interrupted as u8));
            }
        }
    });
    Ok(())
}

/// Fails once a signal has come, so that loops end and the conductor undoes.
///
/// # Errors
/// [`Kind::Interrupted`].
pub fn check() -> Result<()> {
    match REQUESTED.load(Ordering::SeqCst) && !IGNORED.load(Ordering::SeqCst) {
        true => Err(Kind::Interrupted.error("interrupted")),
        false => Ok(()),
    }
}

/// From here on a first signal stops nothing, whether it has come already or not: what follows undoes the run or records
/// it, and must not be left half done. A second one still ends the process at once.
pub fn ignore() {
    IGNORED.store(true, Ordering::SeqCst);
}
