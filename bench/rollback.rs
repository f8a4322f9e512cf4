//! From Enter to the first answer of the old release: with a standby, and without.

use std::process::Command;
use std::time::Instant;

use super::figures::Figures;
use super::start::cargo;
use super::subject;
use super::watch::{self, Watch};
use crate::local_project::Project;
use crate::server::repository;

const TIMES: usize = 9;

/// `cargo xtask rollback`, as a person in that repository types it.
fn enter(project: &Project) -> Command {
    let own = project.command(&[]);
    let mut command = cargo();
    command.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(repository().join("Cargo.toml"));
    command.args(["--package", "xtask", "--", "rollback"]).current_dir(project.root());
    for (name, value) in own.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// Milliseconds until the old release answers; and until the command has ended.
fn rollback(project: &Project) -> (f64, f64) {
    let before = watch::release(&project.address());
    let watch = Watch::start(&project.address(), move |body| !body.contains(&before));
    let begun = Instant::now();
    let output = enter(project).output().unwrap();
    let ended = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (watch.seen().duration_since(begun).as_secs_f64() * 1000.0, ended.as_secs_f64() * 1000.0)
}

pub fn measure(figures: &mut Figures) {
    for (kind, standby) in [("warm", true), ("cold", false)] {
        let project = subject::web_alone("instant");
        if standby {
            project.rewrite("deploy.toml", "bake = 0\n", "bake = 0\nstandby = true\n");
        }
        project.deploy();
        project.new_version("to roll back from");
        project.deploy();
        let (answers, ended): (Vec<f64>, Vec<f64>) = (0..TIMES).map(|_| rollback(&project)).unzip();
        let what = format!("{kind} rollback, local: Enter until the old release answers");
        match standby {
            true => figures.add_with_bar(&what, "ms", answers, 150.0),
            false => figures.add(&what, "ms", answers),
        }
        figures.add(&format!("{kind} rollback, local: Enter until the command has ended"), "ms", ended);
    }
}
