//! The stages of deploys, by names that do not differ from run to run.

use serde_json::Value;

/// Of one run: each stage and its seconds, in their order.
pub fn of(report: &Value) -> Vec<(String, f64)> {
    let stages = report["stages"].as_array().unwrap().iter();
    stages.map(|stage| (name(stage["name"].as_str().unwrap()), stage["seconds"].as_f64().unwrap())).collect()
}

/// Without slots and releases.
fn name(stage: &str) -> String {
    let fixed = |word: &&str| {
        !word.starts_with("20") && !["blue", "green", "in", "slot", "to", "release", "for"].contains(word)
    };
    let name = stage.split(" (").next().unwrap();
    name.split(' ').filter(fixed).collect::<Vec<&str>>().join(" ")
}

/// Seconds of each stage of several deploys, in their order.
#[derive(Default)]
pub struct Stages(pub Vec<(String, Vec<f64>)>);

impl Stages {
    pub fn add(&mut self, report: &Value) {
        for (name, seconds) in of(report) {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(seconds),
                None => self.0.push((name, vec![seconds])),
            }
        }
    }
}
