//! A watch on what deploys cost, in three minutes: ratios alone, which a busy or slow machine changes less than times, against those that
//! were committed last. It names what got worse by more than a third; a failed request fails it.

use std::time::Instant;

use super::figures::{Figure, Figures};
use super::floor::Floor;
use super::subject;
use super::traffic::Subject;
use crate::support::load::BOTH;
use crate::support::team::Team;

/// A ratio may be so many times the last one.
const WORSE: f64 = 4.0 / 3.0;
const UNDER_TRAFFIC: usize = 7;
const QUIET: usize = 3;

pub fn measure(figures: &mut Figures) {
    let project = subject::web_alone("instant");
    project.rewrite("deploy.toml", "bake = 0\n", "bake = 0\nstandby = true\n");
    project.deploy();
    let mut floor = Floor::default();
    let (mut deploys, mut rollbacks) = (Vec::new(), Vec::new());
    for number in 0..QUIET {
        subject::never_built(&project, number);
        floor.measure(&project);
        subject::never_built(&project, number);
        deploys.push(seconds(|| drop(project.deploy())));
        rollbacks.push(seconds(|| drop(project.xtask(&["rollback"]).must_end_with(0))));
    }
    let raw: Vec<f64> = (0..QUIET).map(|at| floor.build[at] + floor.boot[at] + floor.stop[at]).collect();
    let against = |values: &[f64]| values.iter().zip(&raw).map(|(value, raw)| value / raw).collect::<Vec<f64>>();
    figures.add("quick: a deploy against raw build, run and stop", "times", against(&deploys));
    figures.add("quick: a warm rollback against raw build, run and stop", "times", against(&rollbacks));
    project.rewrite("deploy.toml", "standby = true\n", "");
    project.deploy();
    let subject = Subject {
        what: "quick".to_owned(),
        address: project.address(),
        prepare: &|number| subject::never_built(&project, number),
        deploy: &|_| Some(project.deploy()),
    };
    subject.under_traffic(figures, UNDER_TRAFFIC, &BOTH);
    let worse: Vec<String> = figures.measured().iter().filter_map(|now| worse(now, &figures.before)).collect();
    let failed = figures.measured().iter().filter(|figure| figure.unit == "failed");
    failed.for_each(|figure| assert_eq!(figure.median(), 0.0, "{}", figure.what));
    if worse.is_empty() {
        println!("quick: nothing is worse than what was committed last by more than a third");
    }
    worse.iter().for_each(|worse| println!("quick: WORSE by more than a third: {worse}"));
}

fn seconds(act: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    act();
    begun.elapsed().as_secs_f64()
}

/// What got worse, where there is something to compare with.
fn worse(now: &Figure, before: &[Figure]) -> Option<String> {
    let before = before.iter().find(|figure| figure.what == now.what)?;
    let is_worse = match now.unit.as_str() {
        // What one stage does to answers is too few of them to be compared.
        "times" => !now.what.contains("while `") && now.median() > before.median() * WORSE,
        _ => false,
    };
    is_worse.then(|| format!("{}: {:.2}, before {:.2}", now.what, now.median(), before.median()))
}
