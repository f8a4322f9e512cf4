//! What traffic saw of deploys: what failed and for how long, and how much slower answers were, by time and by stage.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::figures::{Figures, Plot, Shape};
use super::stages;
use crate::support::load::{Address, BOTH, Client, Load, Sample};

/// Requests a second by each of two kinds of client.
pub const RATE: u32 = 250;
/// On each side of a switch.
pub const AROUND: Duration = Duration::from_secs(5);
/// Traffic before a deploy, to compare with.
const STEADY: Duration = Duration::from_secs(6);
/// Milliseconds that are one step of the plot of answers.
const STEP: i64 = 500;

/// What was done while there was traffic.
pub struct Done {
    /// When the traffic moved.
    pub switched: Instant,
    /// What the tool says of it, where it is this one.
    pub report: Option<Value>,
}

/// What traffic saw of several deploys. Times are milliseconds; of three, the median, the 99th percentile and the slowest.
#[derive(Default)]
pub struct Seen {
    sent: u64,
    failed: BTreeMap<Client, Vec<f64>>,
    outage: Vec<f64>,
    steady: [Vec<f64>; 3],
    switching: [Vec<f64>; 3],
    whole: [Vec<f64>; 3],
    wall: Vec<f64>,
    until_switch: Vec<f64>,
    /// Every answer, by the step before or after the switch in which it was due.
    around: BTreeMap<i64, Vec<f64>>,
    /// Every answer that was due in a stage, and how often that was.
    stages: Vec<(String, Vec<f64>)>,
}

impl Seen {
    /// What `act` does, with as much traffic before and after it as is compared.
    pub fn add(&mut self, address: &Address, act: impl FnOnce() -> Done) {
        let load = Load::start(address, &BOTH, RATE);
        std::thread::sleep(STEADY);
        let begun = Instant::now();
        let Done { switched, report } = act();
        let ended = Instant::now();
        self.wall.push((ended - begun).as_secs_f64());
        self.until_switch.push((switched - begun).as_secs_f64());
        std::thread::sleep(AROUND.saturating_sub(switched.elapsed()));
        let figures = load.finish();
        let all: Vec<Sample> = figures.values().flat_map(|figures| figures.samples.clone()).collect();
        let between = |from: Instant, to: Instant| {
            let took = all.iter().filter(|sample| sample.due >= from && sample.due < to).map(milliseconds);
            sorted(took.collect())
        };
        let windows = [
            (&mut self.steady, begun - STEADY + Duration::from_secs(1), begun),
            (&mut self.switching, switched - AROUND, switched + AROUND),
            (&mut self.whole, begun, ended),
        ];
        for (window, from, to) in windows {
            let sorted = between(from, to);
            for (values, part) in window.iter_mut().zip([0.5, 0.99, 1.0]) {
                values.push(percentile(&sorted, part));
            }
        }
        for sample in &all {
            let after = sample.due.saturating_duration_since(switched).as_millis() as i64;
            let before = switched.saturating_duration_since(sample.due).as_millis() as i64;
            self.around.entry((after - before).div_euclid(STEP)).or_default().push(milliseconds(sample));
        }
        // The stages are the last that a run does, but for its report.
        let stages = report.as_ref().map(stages::of).unwrap_or_default();
        let mut from = ended - Duration::from_secs_f64(stages.iter().map(|(_, seconds)| seconds).sum());
        for (name, seconds) in stages {
            let to = from + Duration::from_secs_f64(seconds);
            let took = between(from, to);
            match self.stages.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.extend(took),
                None => self.stages.push((name, took)),
            }
            from = to;
        }
        self.outage.push(longest_outage(&all));
        for (kind, figures) in &figures {
            println!("    {kind:?}: {figures}");
            self.sent += figures.sent;
            self.failed.entry(*kind).or_default().push(figures.failures() as f64);
        }
    }

    /// Of each deploy, the part of a window's times against the steady 99th percentile before it.
    fn against_steady(&self, values: &[f64]) -> Vec<f64> {
        values.iter().zip(&self.steady[1]).map(|(value, steady)| value / steady).collect()
    }

    /// Gives the line of the plot of answers. `bars`: the kinds of client of which no request may fail; none: nothing is held against a bar.
    pub fn report(self, figures: &mut Figures, what: &str, bars: &[Client]) -> (String, Vec<f64>) {
        let under = format!("{what}, 500 requests/s");
        figures.add(&format!("{under}: requests sent"), "requests", vec![self.sent as f64]);
        for (kind, failed) in &self.failed {
            let sum = vec![failed.iter().sum()];
            let name = match kind {
                Client::NewConnection => "connection per request",
                Client::KeepAlive => "keep-alive without retry",
            };
            let name = format!("{under}: failed, {name}, {} times", failed.len());
            figures.add_against(&name, "failed", sum, bars.contains(kind).then_some(0.0));
        }
        figures.add(&format!("{under}: longest outage"), "s", self.outage.clone());
        for (window, values) in [
            ("before", &self.steady),
            ("in the ten seconds around the switch", &self.switching),
            ("while it ran", &self.whole),
        ] {
            for (name, values) in ["p50", "p99", "max"].iter().zip(values) {
                figures.add(&format!("{under}: {name} {window}"), "ms", values.clone());
            }
        }
        for (name, values, bar) in [
            ("p99 around the switch against p99 before", &self.switching[1], 1.5),
            ("p99 of the whole run against p99 before", &self.whole[1], 1.5),
            ("slowest answer of the whole run against p99 before", &self.whole[2], 10.0),
        ] {
            let ratios = self.against_steady(values);
            figures.add_against(&format!("{under}: {name}"), "times", ratios, (!bars.is_empty()).then_some(bar));
        }
        let steady = median(&self.steady[1]);
        for (name, took) in self.stages.iter().filter(|(_, took)| took.len() >= FEWEST) {
            let took = sorted(took.clone());
            let ratio = vec![percentile(&took, 0.99) / steady];
            figures.add(&format!("{under}: p99 while `{name}` runs, against p99 before"), "times", ratio);
        }
        figures.add(&format!("{under}: wall time until the traffic has moved"), "s", self.until_switch);
        figures.add(&format!("{under}: wall time under this traffic"), "s", self.wall);
        let steps = steps().map(|step| percentile(&sorted(self.around[&step].clone()), 0.99));
        (what.to_owned(), steps.collect())
    }
}

/// Answers of which a 99th percentile says something.
const FEWEST: usize = 200;

fn milliseconds(sample: &Sample) -> f64 {
    sample.took.as_secs_f64() * 1000.0
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn median(values: &[f64]) -> f64 {
    percentile(&sorted(values.to_vec()), 0.5)
}

/// The steps of the ten seconds around a switch.
fn steps() -> std::ops::Range<i64> {
    let around = AROUND.as_millis() as i64 / STEP;
    -around..around
}

/// How long answers take, and when.
pub fn plot(part: &str, series: Vec<(String, Vec<f64>)>) -> Plot {
    Plot {
        file: format!("latency-{part}.svg"),
        title: "99th percentile of the answers, by seconds from the switch".to_owned(),
        shape: Shape::LogLines,
        unit: "ms".to_owned(),
        steps: steps().map(|step| format!("{:+.1} s", (step * STEP) as f64 / 1000.0)).collect(),
        series: series.into_iter().collect(),
    }
}

/// Seconds from the first to the last failure of a row, in which no second was without one.
pub fn longest_outage(samples: &[Sample]) -> f64 {
    let mut failed: Vec<(Instant, Instant)> =
        samples.iter().filter(|sample| sample.failed).map(|sample| (sample.due, sample.due + sample.took)).collect();
    failed.sort();
    let mut longest = Duration::ZERO;
    let mut row: Option<(Instant, Instant)> = None;
    for (from, to) in failed {
        row = match row {
            Some((begun, ended)) if from < ended + Duration::from_secs(1) => Some((begun, ended.max(to))),
            _ => Some((from, to)),
        };
        longest = longest.max(row.map_or(Duration::ZERO, |(begun, ended)| ended - begun));
    }
    longest.as_secs_f64()
}
