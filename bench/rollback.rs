//! From Enter to the first answer of the old release: with a standby, and without.

use std::process::Command;
use std::time::Instant;

use super::figures::Figures;
use super::start::{build, cargo};
use super::subject;
use super::watch;
use crate::support::load::Address;
use crate::support::server::{Compose, Server, repository};
use crate::support::site::Site;
use crate::support::team::Team;

const TIMES: usize = 9;

/// `cargo xtask rollback`, as a person in that repository types it.
fn enter(own: &Command) -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(repository().join("Cargo.toml"));
    command.args(["--package", "xtask", "--"]).args(own.get_args());
    command.current_dir(own.get_current_dir().expect("it runs in its repository"));
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Milliseconds until the old release answers; and until the command has ended.
fn rollback(own: &Command, address: &Address) -> (f64, f64) {
    let mut command = enter(own);
    let watch = watch::next_release(address);
    let begun = Instant::now();
    let output = command.output().unwrap();
    let ended = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (watch.seen().duration_since(begun).as_secs_f64() * 1000.0, ended.as_secs_f64() * 1000.0)
}

fn several(figures: &mut Figures, what: &str, own: &Command, address: &Address, bar: Option<f64>) {
    let (answers, ended): (Vec<f64>, Vec<f64>) = (0..TIMES).map(|_| rollback(own, address)).unzip();
    let until = format!("{what}: Enter until the old release answers");
    match bar {
        Some(bar) => figures.add_with_bar(&until, "ms", answers, bar),
        None => figures.add(&until, "ms", answers),
    }
    figures.add(&format!("{what}: Enter until the command has ended"), "ms", ended);
}

pub fn measure(figures: &mut Figures) {
    build();
    for (kind, standby) in [("warm", true), ("cold", false)] {
        let project = subject::web_alone("instant");
        if standby {
            project.rewrite("deploy.toml", "bake = 0\n", "bake = 0\nstandby = true\n");
        }
        project.deploy();
        project.new_version("to roll back from");
        project.deploy();
        let what = format!("{kind} rollback, local");
        several(figures, &what, &project.command(&["rollback"]), &project.address(), standby.then_some(150.0));
    }
    let server = Server::start(Compose::V2);
    for (kind, standby) in [("warm", "bake = 0\nstandby = true"), ("cold", "bake = 0")] {
        let site = Site::new(&server, "instant");
        subject::web_alone_in(site.root());
        site.configure("bake = 0", standby);
        site.new_version("to roll back to");
        site.deploy();
        site.new_version("to roll back from");
        site.deploy();
        let what = format!("{kind} rollback, over SSH");
        several(figures, &what, &site.command(&["rollback"]), &subject::address_of(&server), None);
    }
}
