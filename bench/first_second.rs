//! An app that is slow at first: how its users meet a new version, with the ways to make that easier, and without.

use std::time::{Duration, SystemTime};

use super::figures::Figures;
use super::subject::{self, never_built};
use crate::support::clients::Clients;
use crate::support::project::Project;
use crate::support::team::Team;

const PAGE: &str = "/api/v1/interests";
const RATE: u32 = 200;
const TIMES: usize = 5;
/// What comes after a deploy is of no matter any more.
const AFTER: Duration = Duration::from_secs(2);

/// Each process of the app takes half a second for the first request of a page.
fn slow_at_first() -> Project {
    let project = subject::web_alone("instant");
    let begins = "async def list_interests(catalogue: CurrentCatalogue) -> list[str]:\n";
    let slow =
        format!("{begins}    global FILLED\n    if not FILLED:\n        time.sleep(0.5)\n        FILLED = True\n");
    project.rewrite("backend/app/routes/gifts.py", begins, &slow);
    let imports = "import time\nfrom typing import Annotated\n\nFILLED = False\n";
    project.rewrite("backend/app/routes/gifts.py", "from typing import Annotated\n", imports);
    project.commit("slow at first");
    project
}

pub fn measure(figures: &mut Figures) {
    let project = slow_at_first();
    project.deploy();
    let warm_up = format!("warm_up = [\"{PAGE}\"]");
    let ways = [
        ("as it is", String::new()),
        ("`warm_up`", warm_up.clone()),
        ("`ramp = 5`", "ramp = 5".to_owned()),
        ("both", format!("{warm_up}\nramp = 5")),
    ];
    let mut before = "bake = 0\n".to_owned();
    for (way, settings) in ways {
        let now = format!("bake = 0\n{settings}\n");
        project.rewrite("deploy.toml", &before, &now);
        before = now;
        let (mut worst, mut slow) = (Vec::new(), Vec::new());
        for number in 0..TIMES {
            never_built(&project, number);
            let clients = Clients::start(&project.address(), PAGE, RATE);
            std::thread::sleep(AFTER);
            let begun = SystemTime::now();
            project.deploy();
            std::thread::sleep(AFTER);
            let seen = clients.finish();
            assert_eq!(seen.counts.keys().collect::<Vec<_>>(), ["200"], "{way}: {:?}", seen.counts);
            let took: Vec<(SystemTime, f64)> = seen.took.into_iter().filter(|(due, _)| *due >= begun).collect();
            worst.push(worst_second(begun, &took));
            slow.push(took.iter().filter(|(_, milliseconds)| *milliseconds > 100.0).count() as f64);
        }
        let what = format!("an app that is slow at first, 200 requests/s, {way}");
        figures.add(&format!("{what}: p99 of the worst second of a deploy"), "ms", worst);
        figures.add(&format!("{what}: answers that took more than 100 ms"), "answers", slow);
    }
}

/// The second after the switch, where nothing else is worse.
fn worst_second(begun: SystemTime, took: &[(SystemTime, f64)]) -> f64 {
    let mut seconds: Vec<Vec<f64>> = Vec::new();
    for (due, milliseconds) in took {
        let second = due.duration_since(begun).unwrap().as_secs() as usize;
        seconds.resize_with(seconds.len().max(second + 1), Vec::new);
        seconds[second].push(*milliseconds);
    }
    let p99 = |second: &mut Vec<f64>| {
        second.sort_by(f64::total_cmp);
        second.get(second.len() * 99 / 100).or(second.last()).copied().unwrap_or_default()
    };
    seconds.iter_mut().map(p99).fold(0.0, f64::max)
}
