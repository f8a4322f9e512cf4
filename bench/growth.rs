//! What costs more when there is more of it: releases that are kept, files in the tree, services in the compose file.

use std::collections::BTreeMap;
use std::time::Instant;

use super::deploys::median;
use super::figures::{Figures, Plot, Shape};
use super::subject;
use crate::support::team::Team;

const STEPS: [usize; 3] = [1, 10, 100];
const TIMES: usize = 5;

/// Seconds of several tries, with so many times as much.
type Measure = fn(usize) -> Vec<f64>;

pub fn measure(figures: &mut Figures) {
    let mut series = BTreeMap::new();
    let measured: [(&str, Measure); 3] = [
        ("`status`, releases kept x 5", releases),
        ("`ship` of a new version, files in the tree x 100", files),
        ("reading and rendering the compose file, services x 1", services),
    ];
    for (what, measure) in measured {
        let mut line = Vec::new();
        for step in STEPS {
            let seconds = measure(step);
            line.push(median(&seconds));
            figures.add(&format!("{what}: times {step}"), "s", seconds);
        }
        // Both with the same start of its own; below 10 ms the difference is noise.
        let growth = (line[2] - line[1]) / (10.0 * (line[1] - line[0]).max(0.01));
        figures.add_with_bar(
            &format!("{what}: growth from 10 to 100 times against that from 1 to 10: 1 is linear, 10 quadratic"),
            "times",
            vec![growth],
            2.0,
        );
        series.insert(what.to_owned(), line);
    }
    figures.plot(Plot {
        file: "growth.svg".to_owned(),
        title: "Seconds, with 1, 10 and 100 times as much".to_owned(),
        shape: Shape::LogLines,
        unit: "s".to_owned(),
        steps: STEPS.map(|step| format!("{step} times")).to_vec(),
        series,
    });
}

fn timed(mut act: impl FnMut(usize)) -> Vec<f64> {
    let once = |number| {
        let begun = Instant::now();
        act(number);
        begun.elapsed().as_secs_f64()
    };
    (0..TIMES).map(once).collect()
}

fn releases(times: usize) -> Vec<f64> {
    let project = subject::web_alone("instant");
    project.deploy();
    let releases = project.server("releases");
    let first = std::fs::read_dir(&releases).unwrap().next().unwrap().unwrap().path();
    for number in 1..times * 5 {
        let other = releases.join(format!("202001{:02}-{:06}-1a2b3c4", number % 28 + 1, number));
        let copied = std::process::Command::new("cp").arg("-a").args([&first, &other]).status().unwrap();
        assert!(copied.success());
    }
    timed(|_| drop(project.status()))
}

fn files(times: usize) -> Vec<f64> {
    let project = subject::web_alone("instant");
    let folder = project.root().join("backend/data");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..times * 100 {
        std::fs::write(folder.join(format!("file-{number}")), format!("{number} ").repeat(500)).unwrap();
    }
    let ignored = std::fs::read_to_string(project.root().join("backend/.dockerignore")).unwrap();
    project.write("backend/.dockerignore", &format!("{ignored}\ndata/\n"));
    project.commit("files");
    project.deploy();
    timed(|number| {
        project.new_version(&format!("version {number}"));
        project.xtask(&["ship"]).must_end_with(0);
    })
}

fn services(times: usize) -> Vec<f64> {
    let project = subject::web_alone("instant");
    project.deploy();
    // They are read, and not started: no deploy of them follows.
    let more: String = (0..times)
        .map(|number| {
            format!("  accessory-{number}:\n    image: redis:7-alpine\n    environment:\n      NUMBER: \"{number}\"\n")
        })
        .collect();
    project.change("backend/docker-compose.yml", "services:\n", &format!("services:\n{more}"));
    project.xtask(&["ship"]).must_end_with(0);
    project.xtask(&["build"]).must_end_with(0);
    timed(|_| drop(project.xtask(&["build"]).must_end_with(0)))
}
