//! Files of an image that nginx serves itself: those of the live version, and for pages that were loaded before a switch those of the one
//! before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::load::{Address, get};
use crate::support::project::Project;
use crate::support::team::Team;

pub const STATIC: &str = "[static]\n\"/assets\" = \"api:/app/assets\"\n";

/// A version whose style sheet has a name of its own, as bundlers give them, beside a file that is always called the same.
pub fn style(team: &impl Team, number: u32) {
    let folder = team.root().join("backend/assets/css");
    let _was_there = std::fs::remove_dir_all(team.root().join("backend/assets"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("app.{number}.css")), format!("/* {number} */")).unwrap();
    std::fs::write(team.root().join("backend/assets/version.txt"), format!("version {number}")).unwrap();
    std::os::unix::fs::symlink(format!("app.{number}.css"), folder.join("latest.css")).unwrap();
    let ignored = std::fs::read_to_string(team.root().join("backend/.dockerignore")).unwrap();
    if !ignored.contains("!assets") {
        team.write("backend/.dockerignore", &format!("{ignored}!assets\n"));
    }
    team.commit(&format!("style {number}"));
}

fn status(address: &Address, path: &str) -> u16 {
    get(address, path).unwrap_or_else(|error| panic!("{path}: {error}")).status
}

/// Asks for files of a page that was loaded before, for as long as `act` takes. Gives what was answered with another status than 200.
fn asked_for<T>(address: &Address, paths: &[&str], act: impl FnOnce() -> T) -> (T, Vec<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let (mut failures, mut asked) = (Vec::new(), 0);
            while !over.load(Ordering::Relaxed) {
                for path in paths {
                    asked += 1;
                    match get(address, path) {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => failures.push(format!("{path}: {}", answer.status)),
                        Err(error) => failures.push(format!("{path}: {error}")),
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(asked > 20, "only {asked} requests");
            failures
        });
        let result = act();
        over.store(true, Ordering::Relaxed);
        (result, asker.join().unwrap())
    })
}

/// Deploys, goes on and goes back.
pub fn a_page_finds_its_files(team: &impl Team, address: &Address) {
    style(team, 1);
    team.deploy();
    for path in ["/assets/css/app.1.css", "/assets/css/latest.css"] {
        assert_eq!(get(address, path).unwrap().body, "/* 1 */", "{path}");
    }
    for missing in ["/assets/css/app.9.css", "/assets/../.env", "/assets/css/"] {
        assert_ne!(status(address, missing), 200, "{missing}");
    }
    style(team, 2);
    let ((), failures) = asked_for(address, &["/assets/css/app.1.css", "/assets/version.txt"], || drop(team.deploy()));
    assert_eq!(failures, [""; 0]);
    assert_eq!(get(address, "/assets/version.txt").unwrap().body, "version 2");
    assert_eq!((status(address, "/assets/css/app.1.css"), status(address, "/assets/css/app.2.css")), (200, 200));
    let back = || drop(team.xtask(&["rollback"]).must_end_with(0));
    let ((), failures) = asked_for(address, &["/assets/css/app.1.css", "/assets/css/app.2.css"], back);
    assert_eq!(failures, [""; 0]);
    assert_eq!(get(address, "/assets/version.txt").unwrap().body, "version 1");
    // Only versions of a slot have files.
    style(team, 3);
    team.deploy();
    style(team, 4);
    team.deploy();
    assert_eq!(status(address, "/assets/css/app.2.css"), 404);
    assert_eq!((status(address, "/assets/css/app.3.css"), status(address, "/assets/css/app.4.css")), (200, 200));
}

#[test]
fn a_page_that_was_loaded_before_a_switch_finds_its_files() {
    of_a_page("instant");
}

pub fn of_a_page(mode: &str) {
    let project = Project::new(mode);
    project.rewrite("deploy.toml", "[test]\n", &format!("{STATIC}[test]\n"));
    a_page_finds_its_files(&project, &project.address());
    let kept = std::fs::read_dir(project.server("live/static/releases")).unwrap().count();
    assert_eq!(kept, 2, "folders of releases that no slot has are left");
}

/// What nginx itself says of a file that is not there is another page.
pub fn asks_the_app(address: &Address, path: &str) {
    let answer = get(address, path).unwrap();
    assert!(answer.status == 404 && answer.body.contains("detail"), "{path}: {} {}", answer.status, answer.body);
}

/// A release of before there were such files answers for itself, and one that failed has given nothing away.
#[test]
fn a_release_without_static_files_answers_itself() {
    of_a_release_without("instant");
}

pub fn of_a_release_without(mode: &str) {
    let project = Project::new(mode);
    let without = project.deploy()["release"].clone();
    project.rewrite("deploy.toml", "[test]\n", &format!("{STATIC}[test]\n"));
    style(&project, 1);
    let first = project.deploy();
    let address = project.address();
    assert_eq!(get(&address, "/assets/css/app.1.css").unwrap().body, "/* 1 */");
    asks_the_app(&address, "/assets/css/app.9.css");
    project.xtask(&["rollback"]).must_end_with(0);
    assert_eq!(project.status()["live_release"], without);
    asks_the_app(&address, "/assets/css/app.1.css");
    // Forward again, to the very same release: its files are there all the time.
    assert_eq!(project.deploy()["release"], first["release"]);
    let again = || drop(project.deploy());
    let ((), failures) = asked_for(&address, &["/assets/css/app.1.css", "/assets/version.txt"], again);
    assert_eq!(failures, [""; 0]);
    style(&project, 2);
    project.change("backend/app/main.py", "app = ", "raise SystemExit(\"broken\")\napp = ");
    project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    asks_the_app(&address, "/assets/css/app.2.css");
    assert_eq!(get(&address, "/assets/css/app.1.css").unwrap().body, "/* 1 */");
}

#[test]
fn what_an_image_cannot_give_is_refused_before_anything_moves() {
    let project = Project::new("instant");
    style(&project, 1);
    let first = project.deploy();
    project.rewrite("deploy.toml", "[test]\n", "[static]\n\"/assets\" = \"api:/app/nowhere\"\n[test]\n");
    project
        .xtask(&["deploy", "--skip-tests"])
        .must_end_with(13)
        .must_say(&["the files of /app/nowhere", "could not be had of the image"]);
    project.rewrite("deploy.toml", "/app/nowhere", "/app/assets");
    std::os::unix::fs::symlink("/etc", project.root().join("backend/assets/etc")).unwrap();
    project.commit("a link");
    project
        .xtask(&["deploy", "--skip-tests"])
        .must_end_with(13)
        .must_say(&["these static files are links", "etc -> /etc"]);
    assert_eq!(project.status()["live_release"], first["release"]);
    for (path, told) in [("assets", "a path of the site"), ("/a/../b", "a path of the site")] {
        project.rewrite("deploy.toml", "\"/assets\"", &format!("\"{path}\""));
        project.xtask(&["status"]).must_end_with(3).must_say(&[told]);
        project.rewrite("deploy.toml", &format!("\"{path}\""), "\"/assets\"");
    }
}
