//! What no tool can be faster than: the same app by raw commands.

use std::process::Command;
use std::time::{Duration, Instant};

use super::watch::Watch;
use crate::support::load::Address;
use crate::support::ports::free_port;
use crate::support::project::Project;
use crate::support::team::Team;

/// As often as a deploy looks.
const LOOK: Duration = Duration::from_millis(20);

/// Seconds of each raw command.
#[derive(Default)]
pub struct Floor {
    pub build: Vec<f64>,
    /// From the start of the container to the first 200 on `/health`.
    pub boot: Vec<f64>,
    pub stop: Vec<f64>,
}

fn docker(words: &[&str]) -> f64 {
    let begun = Instant::now();
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    begun.elapsed().as_secs_f64()
}

impl Floor {
    /// Builds what is committed now, runs it beside what serves, and removes it again.
    pub fn measure(&mut self, project: &Project) {
        let root = project.root().display().to_string();
        let image = format!("{}-api:floor", project.name);
        let name = format!("{}-floor", project.name);
        self.build.push(docker(&["build", "-q", "-t", &image, &format!("{root}/backend")]));
        let address = Address { port: free_port(), host: "127.0.0.1".to_owned() };
        let watch = Watch::every(LOOK, &address, |_| true);
        let begun = Instant::now();
        docker(&[
            "run",
            "-d",
            "--name",
            &name,
            "--network",
            &format!("{}_default", project.name),
            "--env-file",
            &format!("{root}/env.local"),
            "-v",
            &format!("{root}/backend:/app"),
            "-p",
            &format!("127.0.0.1:{}:8000", address.port),
            &image,
        ]);
        self.boot.push(watch.came().duration_since(begun).as_secs_f64());
        self.stop.push(docker(&["stop", &name]));
        docker(&["rm", &name]);
    }
}
