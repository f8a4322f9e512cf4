//! What the switch itself does to the answers of the site: a warm rollback, in which nothing is built and nothing boots.

use super::figures::Figures;
use super::seen;
use super::subject;
use super::traffic::Subject;
use crate::support::load::{BOTH, Client};
use crate::support::team::Team;

const TIMES: usize = 9;

pub fn measure(figures: &mut Figures) {
    let mut latency = Vec::new();
    for (mode, bars) in [("instant", &BOTH[..]), ("reload", &[Client::NewConnection])] {
        let project = subject::web_alone(mode);
        project.rewrite("deploy.toml", "bake = 0\n", "bake = 0\nstandby = true\n");
        project.deploy();
        project.new_version("to roll back from");
        project.deploy();
        let subject = Subject {
            what: format!("{mode} mode, local, warm rollback"),
            address: project.address(),
            prepare: &|_| (),
            deploy: &|_| Some(project.xtask(&["rollback", "--json"]).must_end_with(0).json()),
        };
        latency.push(subject.under_traffic(figures, TIMES, bars));
    }
    figures.plot(seen::plot("switch", latency));
}
