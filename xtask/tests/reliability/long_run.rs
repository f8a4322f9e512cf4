//! A hundred deploys in a row under load: nothing fails, and nothing grows beyond what is kept.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::support::load::{self, Client, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::team::Team;

const DEPLOYS: usize = 100;
/// Deploys between two looks at what there is.
const BLOCK: usize = 10;
/// From here on, retention has done its first work.
const SETTLED: usize = 20;
/// Requests a second by each kind of client.
const RATE: u32 = 60;

/// Both modes deploy to the engine whose open files are counted.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What could grow. Connections of clients come and go, so open files are counted without sockets.
const COUNTS: &str = r#"
    folder=$1 project=$2 master=$(cat "$1/nginx/nginx.pid")
    files() { for process; do find "/proc/$process/fd" -type l -printf '%l\n' 2>/dev/null; done | grep -vc socket; }
    echo "containers $(docker ps -a --format '{{.Label "com.docker.compose.project"}}' | grep -c "^$project")"
    echo "images $(docker image ls --format '{{.Repository}}' | grep -c "^$project-")"
    echo "networks $(docker network ls --format '{{.Name}}' | grep -c "^$project")"
    echo "volumes $(docker volume ls --format '{{.Name}}' | grep -c "^$project")"
    echo "releases $(find "$folder/releases" -mindepth 1 -maxdepth 1 | wc -l)"
    echo "nginx-workers $(pgrep -c -P "$master")"
    echo "nginx-files $(files "$master" $(pgrep -P "$master"))"
    echo "processes $(pgrep -fc -- "$folder")"
    echo "docker-files $(files "$(pgrep -o dockerd)")"
"#;

fn counts(project: &Project) -> Vec<(String, u64)> {
    let folder = project.server("");
    let output = std::process::Command::new("bash")
        .args(["-c", COUNTS, "counts", folder.to_str().unwrap().trim_end_matches('/'), &project.name])
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    pairs.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
}

fn a_hundred_deploys(mode: &str, clients: &[Client]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let project = Project::new(mode);
    project.rewrite("deploy.toml", "bake = 1", "bake = 0");
    project.deploy();
    let begun = Instant::now();
    let (mut sent, mut settled, mut slowest) = (0, Vec::new(), 0.0_f64);
    for block in 1..=DEPLOYS / BLOCK {
        let load = Load::start(&project.address(), clients, RATE);
        for number in 0..BLOCK {
            project.new_version(&format!("version {block}.{number}"));
            let report = project.deploy();
            assert_eq!(report["receipt"]["failed"], 0, "{report:#}");
            slowest = slowest.max(report["seconds"].as_f64().unwrap());
        }
        let figures = load.finish();
        assert_none_failed(&format!("{mode} mode, deploys up to {}", block * BLOCK), &figures, clients);
        sent += figures.values().map(|figures| figures.sent).sum::<u64>();
        let now = counts(&project);
        println!("after {} deploys: {now:?}", block * BLOCK);
        if block * BLOCK <= SETTLED {
            settled = now;
            continue;
        }
        for ((name, count), (_, before)) in now.iter().zip(&settled) {
            // The engine itself opens and closes some.
            let more = if name == "docker-files" { 10 } else { 0 };
            assert!(*count <= before + more, "{name} has grown from {before} to {count}");
        }
    }
    let (ok, failed) = project.worker_calls();
    println!(
        "long run, {mode} mode: {DEPLOYS} deploys in {:.0} s, slowest {slowest:.1} s; {sent} requests, 0 failed; {ok} calls of the worker, {failed} failed",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(failed, 0);
    assert!(load::get(&project.address(), "/health").is_ok_and(|answer| answer.status == 200));
}

#[test]
fn a_hundred_deploys_in_instant_mode_leave_no_trace() {
    a_hundred_deploys("instant", &[Client::NewConnection, Client::KeepAlive]);
}

#[test]
fn a_hundred_deploys_in_reload_mode_leave_no_trace() {
    a_hundred_deploys("reload", &[Client::NewConnection]);
}
