//! From the first possible 200 of a new release until traffic reaches it, seen on the machine where both are.

use std::process::Command;

use super::watch::release;
use crate::support::load::Address;
use crate::support::server::{Server, said};

const SCRIPT: &str = include_str!("first_traffic.py");

/// What is measured of deploys to `place`.
pub fn name(place: &str) -> String {
    format!("{place}: first possible 200 until traffic reaches it")
}

/// Milliseconds of a deploy on this machine to the slot with this port.
pub fn here(slot: u16, site: &Address, deploy: impl FnOnce()) -> f64 {
    let run = |script: &str| {
        let output = Command::new("bash").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    milliseconds(run, slot, site, &release(site), deploy)
}

/// Milliseconds of a deploy on a test server, whose site is seen from here at `site`.
pub fn on(server: &Server, slot: u16, site: &Address, deploy: impl FnOnce()) -> f64 {
    let there = Address { port: 80, host: site.host.clone() };
    milliseconds(|script| server.root(script), slot, &there, &release(site), deploy)
}

fn milliseconds(
    run: impl FnOnce(&str) -> String + Send,
    slot: u16,
    site: &Address,
    before: &str,
    deploy: impl FnOnce(),
) -> f64 {
    let script = format!("python3 - {slot} {} {} {before} <<'SCRIPT'\n{SCRIPT}\nSCRIPT\n", site.port, site.host);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| run(&script));
        deploy();
        watch.join().unwrap().trim().parse().unwrap()
    })
}
