//! A project of somebody else, used as a newcomer would: checked, deployed twice, taken back and broken, all of it under load.

use std::process::Command;

use crate::support::load::{Address, BOTH, Load, Page, assert_none_failed, get};
use crate::support::project::Project;
use crate::support::team::Team;

/// Requests a second by each kind of client.
const RATE: u32 = 40;

/// A part of a file that is written otherwise.
#[derive(Clone, Copy)]
pub struct Change {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// What is expected of a project.
pub struct Adoption {
    pub page: Page,
    /// Makes the second version of the first.
    pub next: Change,
    /// Makes of the second version one that cannot be deployed.
    pub broken: Change,
    /// What is said of that.
    pub told: &'static [&'static str],
}

/// `works` is called with each version that serves, by what [`Adoption::next`] changes: its own word for itself.
#[track_caller]
pub fn adopt(project: &Project, adoption: &Adoption, works: impl Fn(&Project, &str)) {
    let Adoption { page, next, broken, told } = adoption;
    project.xtask(&["check"]).must_end_with(0);
    let first = project.xtask(&["deploy", "--json"]).must_end_with(0).json();
    works(project, next.from);
    let load = Load::of(*page, &project.address(), &BOTH, RATE);
    project.change(next.file, next.from, next.to);
    let second = project.xtask(&["deploy", "--json"]).must_end_with(0).json();
    assert_eq!((&second["receipt"]["failed"], &second["from_release"]), (&0.into(), &first["release"]), "{second:#}");
    works(project, next.to);
    project.xtask(&["rollback"]).must_end_with(0);
    works(project, next.from);
    project.change(broken.file, broken.from, broken.to);
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(16).must_say(told);
    works(project, next.from);
    assert_none_failed(&project.name, &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
}

/// Sends a form as a browser does, a file of it by `name=@path`. Gives the answer's body.
#[track_caller]
pub fn post(address: &Address, path: &str, fields: &[&str]) -> String {
    let url = format!("http://{}:{}{path}", address.host, address.port);
    let fields = fields.iter().flat_map(|field| ["-F", field]);
    let output =
        Command::new("curl").args(["-sS", "--fail", "--max-time", "20"]).args(fields).arg(&url).output().unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A page of the site.
#[track_caller]
pub fn body(project: &Project, path: &str) -> String {
    let answer = get(&project.address(), path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}
