//! The server reboots at any stage, in order or by a power cut: when it is back, the live slot serves what was served before.

use std::time::{Duration, Instant};

use super::cut::{Cut, Cutter, begun};
use super::target::{Remote, Target};
use crate::support::load;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

/// How a server goes down.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Down {
    PowerCut,
    Reboot,
}

/// By turns in both ways.
fn down_at_every_stage(compose: Compose, mode: &str, turns: [Down; 2]) {
    let server = Server::start(compose);
    let site = Site::new(&server, mode);
    let mut remote = Remote { server, site };
    let names: Vec<String> = {
        let place = Target::Remote(&remote);
        for number in 0..4 {
            place.new_version(&format!("before it goes down {number}"));
            place.deploy();
        }
        place.new_version("not cut");
        let cuts = Cutter::new().places(&place, &["deploy", "--skip-tests"]);
        cuts.into_iter().filter_map(|cut| if let Cut::Stage(name) = cut { Some(name) } else { None }).collect()
    };
    let mut slowest = Duration::ZERO;
    let switch = names.iter().position(|name| name.starts_with("Switch traffic")).unwrap();
    for (number, name) in names.iter().enumerate() {
        let down = turns[number % 2];
        let what = format!("{mode} mode, {down:?} at {name:?}");
        let place = Target::Remote(&remote);
        let before = place.answers();
        place.new_version(&what);
        let mut deploy = place.start(place.command(&["deploy", "--skip-tests"]));
        deploy.wait_for(name, |log| begun(log, name));
        match down {
            Down::PowerCut => remote.server.power_cut(),
            // Docker ends its containers first, then all else is ended.
            Down::Reboot => remote.server.boot_again(&[&["restart", "-t", "20"]]),
        }
        let run = deploy.end();
        remote.site.set("PROD_SSH_PORT", &remote.server.ssh_port().to_string());
        let place = Target::Remote(&remote);
        let powered = Instant::now();
        while !load::get(&place.address(), "/health").is_ok_and(|answer| answer.status == 200) {
            assert!(powered.elapsed() < Duration::from_secs(60), "{what}: the site does not come back");
            std::thread::sleep(Duration::from_millis(100));
        }
        slowest = slowest.max(powered.elapsed());
        let status = place.xtask(&["status", "--json"]).json();
        assert_eq!(status["live_release"], place.answers(), "{what}: {status:#}");
        let same = place.answers() == before;
        // While it switches, either may be the one that was served last. So it is where docker goes down before the
        // connection does: the tool sees its new version end, and takes the traffic back.
        let undone = down == Down::Reboot && run.stderr.contains("undo: Switch traffic");
        let either = number == switch || undone;
        assert!(either || same == (number < switch), "{what}: {} serves, before: {before}\n{run}", place.answers());
        let report = place.deploy();
        assert_eq!(report["release"], place.answers(), "{what}");
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{what}");
    }
    println!(
        "power cuts and reboots, {mode} mode: {} cases; the site answered {:.1} s after docker at the latest",
        names.len(),
        slowest.as_secs_f64()
    );
}

#[test]
fn a_server_that_goes_down_at_any_stage_in_instant_mode_serves_what_it_served() {
    down_at_every_stage(Compose::V2, "instant", [Down::PowerCut, Down::Reboot]);
}

#[test]
fn a_server_that_goes_down_at_any_stage_in_reload_mode_serves_what_it_served() {
    down_at_every_stage(Compose::V1, "reload", [Down::Reboot, Down::PowerCut]);
}
