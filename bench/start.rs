//! What it costs to start the tool, and to build it.

use std::process::Command;
use std::time::Instant;

use super::figures::Figures;
use crate::support::server::repository;

const TIMES: usize = 15;

fn seconds(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let output = command.current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    begun.elapsed().as_secs_f64()
}

/// `cargo` as a person calls it: what this program was given by the cargo that runs it must not make that one build anew.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME" || text == "LD_LIBRARY_PATH" {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// As a person has it, who has deployed before.
pub fn build() {
    seconds(cargo().args(["build", "--quiet", "--locked", "--package", "xtask"]));
}

pub fn measure(figures: &mut Figures) {
    let milliseconds = |command: &dyn Fn() -> Command| (0..TIMES).map(|_| seconds(&mut command()) * 1000.0).collect();
    let through_cargo = || {
        let mut command = cargo();
        command.args(["xtask", "--help"]);
        command
    };
    let alone = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("--help");
        command
    };
    build();
    figures.add_with_bar("`cargo xtask --help`, built", "ms", milliseconds(&through_cargo), 150.0);
    figures.add_with_bar("of which the tool itself", "ms", milliseconds(&alone), 10.0);
    let cold = |_| {
        let folder = tempfile::tempdir().unwrap();
        let mut build = cargo();
        build
            .args(["build", "--quiet", "--locked", "--offline", "--package", "xtask", "--target-dir"])
            .arg(folder.path());
        seconds(&mut build)
    };
    figures.add_with_bar("cold build of `xtask`, crates downloaded", "s", (0..3).map(cold).collect(), 20.0);
}
