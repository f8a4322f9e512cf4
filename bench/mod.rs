//! What a deploy costs, measured beside the least that it could cost: `make bench`. Everything is real and on this machine:
//! containers, nginx, a test server behind SSH. Traffic goes to 127.0.0.1 only and is bounded in rate and time.
//!
//! `make bench PARTS="rollback size"` measures only those; the figures of the others stay as they were measured last. `PARTS=page` measures
//! nothing, and writes the page and the plots of what is there.

mod deploys;
mod figures;
mod first_second;
mod first_traffic;
mod floor;
mod growth;
mod page;
mod peers;
mod plot;
mod quick;
mod rollback;
mod seen;
mod size;
mod small_server;
mod stages;
mod start;
mod subject;
mod switch;
mod traffic;
mod watch;

use figures::Figures;

type Measure = fn(&mut Figures);

/// In the order in which they are measured: what needs a quiet machine comes first.
const PARTS: [(&str, Measure); 12] = [
    ("start", start::measure),
    ("deploys", deploys::measure),
    ("rollback", rollback::measure),
    ("size", size::measure),
    ("small", small_server::measure),
    ("growth", growth::measure),
    ("switch", switch::measure),
    ("first-second", first_second::measure),
    ("traffic", traffic::measure),
    ("traffic-over-ssh", traffic::measure_over_ssh),
    ("peers", peers::measure),
    ("quick", quick::measure),
];

#[test]
fn what_deploys_cost() {
    let parts = std::env::var("PARTS").unwrap_or_default();
    let chosen: Vec<&str> = parts.split_whitespace().collect();
    for word in &chosen {
        assert!(
            *word == "page" || PARTS.iter().any(|(name, _)| name == word),
            "there is no part {word:?}; parts: {PARTS:?}"
        );
    }
    let mut figures = Figures::load();
    page::write(&figures);
    for (name, measure) in PARTS {
        if chosen.is_empty() || chosen.contains(&name) {
            println!("bench: {name}");
            figures.begin(name);
            measure(&mut figures);
            // What has been measured is not lost to what comes after it.
            figures.store();
            page::write(&figures);
        }
    }
}
