//! What a deploy over a slow link waits for.

use std::time::{Duration, Instant};

use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::slow_link::SlowLink;
use crate::support::team::Team;

/// The round trips that commands wait for, the connection's own included: what each takes longer over a slow link. A very
/// slow one, and the shortest of three with and without it, so that they are told from what a busy machine takes longer
/// now and then: one long run without the link would hide any number of them.
#[test]
fn a_deploy_waits_for_few_round_trips() {
    const ROUND_TRIP: Duration = Duration::from_millis(300);
    let server = Server::start(Compose::V2);
    let mut site = Site::new(&server, "reload");
    site.deploy();
    let link = SlowLink::to(server.ssh_port(), ROUND_TRIP);
    for (arguments, most) in [(["status", "--json"].as_slice(), 14.0), (&["deploy", "--skip-tests"], 25.0)] {
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..3 {
            for (shortest, port) in shortest.iter_mut().zip([server.ssh_port(), link.port]) {
                site.set("PROD_SSH_PORT", &port.to_string());
                site.new_version("over a slow link, or not");
                let begun = Instant::now();
                site.xtask(arguments).must_end_with(0);
                *shortest = begun.elapsed().min(*shortest);
            }
        }
        let [near, far] = shortest.map(|time| time.as_secs_f64());
        let round_trips = (far - near) / ROUND_TRIP.as_secs_f64();
        assert!(link.sent() > 1_000);
        println!(
            "slow link: {} over a link with 300 ms: {far:.2} s, without {near:.2} s: {round_trips:.1} round trips",
            arguments[0]
        );
        assert!(round_trips <= most, "{} waits for more than {most} round trips", arguments[0]);
    }
    site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
    site.status();
}
