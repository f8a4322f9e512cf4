//! What a deploy costs, measured beside what it cannot cost less than: `make bench`. Everything is real and on this machine:
//! containers, nginx, a test server behind SSH. Traffic goes to 127.0.0.1 only and is bounded in rate and time.
//!
//! Words choose parts (`make bench PARTS="rollback size"`); the figures of the others stay as they were measured last.

// Only the tool itself is bound to start processes in one place, and to give errors instead of a panic. The tests use parts
// of the shared modules that these measurements do not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, dead_code)]

#[path = "../xtask/tests/it/load.rs"]
mod load;
#[path = "../xtask/tests/it/load_itself.rs"]
mod load_itself;
#[path = "../xtask/tests/it/local_project.rs"]
mod local_project;
#[path = "../xtask/tests/it/remote_site.rs"]
mod remote_site;
#[path = "../xtask/tests/it/server.rs"]
mod server;
#[path = "../xtask/tests/it/slow_link.rs"]
mod slow_link;

mod deploys;
mod figures;
mod floor;
mod growth;
mod page;
mod plot;
mod rollback;
mod size;
mod start;
mod subject;
mod traffic;
mod watch;

use figures::Figures;

/// In the order in which they are measured: what needs a quiet machine comes first.
const PARTS: [(&str, fn(&mut Figures)); 7] = [
    ("start", start::measure),
    ("deploys", deploys::measure),
    ("rollback", rollback::measure),
    ("size", size::measure),
    ("growth", growth::measure),
    ("traffic", traffic::measure),
    ("others", traffic::measure_others),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    for word in &chosen {
        assert!(PARTS.iter().any(|(name, _)| name == word), "there is no part {word:?}; parts: {PARTS:?}");
    }
    let mut figures = Figures::load();
    for (name, measure) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            println!("bench: {name}");
            figures.begin(name);
            measure(&mut figures);
            // What has been measured is not lost to what comes after it.
            figures.store();
            page::write(&figures);
        }
    }
}
