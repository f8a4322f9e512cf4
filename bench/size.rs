//! A tree of 200 MB in which one file changed: what travels, and how long it takes, beside rsync.

use std::io::Read;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::figures::Figures;
use super::subject;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

const FILES: usize = 2_000;
const BYTES: usize = 100_000;
const TIMES: usize = 5;

pub fn measure(figures: &mut Figures) {
    let server = Server::start(Compose::V2);
    let site = Site::new(&server, "instant");
    subject::web_alone_in(site.root());
    grow(&site);
    site.new_version("with 200 MB");
    site.deploy();
    let (mut shipped, mut bytes) = (Vec::new(), Vec::new());
    let mut rsync = Rsync::new(&server, &site);
    let (mut in_place, mut beside) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        std::fs::write(site.root().join("backend/data/file-7"), format!("changed {number}")).unwrap();
        site.new_version("one file changed");
        let begun = Instant::now();
        let run = site.xtask(&["ship", "--json"]).must_end_with(0);
        shipped.push(begun.elapsed().as_secs_f64());
        let report: Value = run.json();
        bytes.push(report["shipped_bytes"].as_f64().unwrap());
        if let Some(rsync) = &mut rsync {
            in_place.push(rsync.run("tree", &[]));
            beside.push(rsync.run(&format!("tree-{number}"), &["--copy-dest=../tree"]));
        }
    }
    figures.add("200 MB tree, one file changed: bytes of the archive", "bytes", bytes);
    if rsync.is_some() {
        figures.add("the same by rsync, over what was there", "s", in_place);
        let bar = 1.2 * super::deploys::median(&beside);
        figures.add("the same by rsync, into a new folder beside it (`--copy-dest`), as a release is", "s", beside);
        figures.add_with_bar("200 MB tree, one file changed: `cargo xtask ship`", "s", shipped, bar);
    } else {
        figures.add("200 MB tree, one file changed: `cargo xtask ship` (rsync is not installed)", "s", shipped);
    }
}

/// Files of noise, which the image leaves out: what is measured is the way of the release.
fn grow(site: &Site) {
    let data = site.root().join("backend/data");
    std::fs::create_dir_all(&data).unwrap();
    let mut noise = std::fs::File::open("/dev/urandom").unwrap();
    let mut buffer = vec![0; BYTES];
    for number in 0..FILES {
        noise.read_exact(&mut buffer).unwrap();
        std::fs::write(data.join(format!("file-{number}")), &buffer).unwrap();
    }
    let ignored = site.root().join("backend/.dockerignore");
    let text = std::fs::read_to_string(&ignored).unwrap();
    std::fs::write(ignored, format!("{text}\ndata/\n")).unwrap();
}

struct Rsync<'a> {
    server: &'a Server,
    site: &'a Site,
}

impl Rsync<'_> {
    /// Where both sides have it; the server gets this machine's.
    fn new<'a>(server: &'a Server, site: &'a Site) -> Option<Rsync<'a>> {
        let installed = Command::new("rsync").arg("--version").output().is_ok_and(|output| output.status.success());
        let there = "command -v rsync >/dev/null || { apt-get update && apt-get install -y rsync; } >/dev/null 2>&1";
        if !installed || !server.try_root(there).status.success() {
            return None;
        }
        let mut rsync = Rsync { server, site };
        rsync.run("tree", &[]);
        Some(rsync)
    }

    fn run(&mut self, to: &str, options: &[&str]) -> f64 {
        let key = self.server.key_file().display().to_string();
        let ssh = format!(
            "ssh -i {key} -p {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            self.server.ssh_port()
        );
        let from = format!("{}/backend/", self.site.root().display());
        let begun = Instant::now();
        let output = Command::new("rsync")
            .args(["-a", "--delete", "-e", &ssh])
            .args(options)
            .args([&from, &format!("deploy@127.0.0.1:/home/deploy/{to}/")])
            .output()
            .unwrap();
        assert!(output.status.success(), "rsync: {}", String::from_utf8_lossy(&output.stderr));
        begun.elapsed().as_secs_f64()
    }
}
