//! Deploys to a server with 512 MB and no swap: what the tool takes of it, and whether anything is killed for want of memory.
//! And an archive of 100 MB, of which nobody should hold more than a part.

use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::figures::Figures;
use super::subject::{self, used};
use crate::support::load::{BOTH, Load};
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

/// The control group of the server and all its containers.
const NAME: &str = "deploy-small";
const GROUP: &str = "/sys/fs/cgroup/memory/deploy-small";
const LIMIT: u64 = 512 * 1024 * 1024;
const ARCHIVE: usize = 100_000_000;
const TIMES: usize = 3;
/// Requests a second, by each kind of client.
const RATE: u32 = 50;

pub fn measure(figures: &mut Figures) {
    remove_group();
    let mut server = Server::start(Compose::V2);
    let mut site = Site::new(&server, "instant");
    subject::web_alone_in(site.root());
    limit(&mut server);
    site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
    site.new_version("on a small server");
    site.deploy();

    let (mut scripts, mut docker, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TIMES {
        subject::never_built(&site, number);
        let (most, load) = (Most::start(), Load::start(&subject::address_of(&server), &BOTH, RATE));
        site.deploy();
        failed.push(load.finish().values().map(|figures| figures.failures() as f64).sum());
        let most = most.finish();
        scripts.push(most.scripts);
        docker.push(most.docker);
    }
    figures.add_with_bar("512 MB, 100 requests/s: failed", "failed", failed, 0.0);
    figures.add_with_bar("512 MB: most memory of the tool's scripts there", "MB", scripts, 20.0);
    figures.add("512 MB: most memory of docker's client and compose there", "MB", docker);

    let noise = site.root().join("backend/noise");
    let mut bytes = vec![0; ARCHIVE];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    std::fs::write(noise, bytes).unwrap();
    site.new_version("with 100 MB of noise");
    let most = Most::start();
    let ship = used(&mut site.command(&["ship", "--json"]));
    let most = most.finish();
    figures.add_with_bar("an archive of 100 MB: most memory of the tool here", "MB", vec![ship.megabytes], 30.0);
    figures.add("an archive of 100 MB: most memory of a program it starts here", "MB", vec![ship.largest_megabytes]);
    figures.add_with_bar(
        "an archive of 100 MB: most memory of the tool's scripts there",
        "MB",
        vec![most.scripts],
        20.0,
    );
    figures.add_with_bar("512 MB: killed for want of memory", "programs", vec![killed()], 0.0);
    drop(server);
    remove_group();
}

/// Docker makes it for each kind of resource. What ran in it may still be ending.
fn remove_group() {
    let script = "for try in {1..100}; do find /sys/fs/cgroup/*/\"$1\" -depth -type d -exec rmdir {} + 2>/dev/null; \
        [ -e \"$2\" ] || exit 0; sleep 0.1; done; exit 1";
    let ended = Command::new("bash").args(["-c", script, "remove", NAME, GROUP]).status().unwrap();
    assert!(ended.success(), "{GROUP} cannot be removed");
}

/// Puts the server and all that its engine starts from now on into one group, which has no swap.
fn limit(server: &mut Server) {
    server.root(&format!(
        "docker ps -aq | xargs -r docker rm -f >/dev/null\n\
         mkdir -p {GROUP} && echo {LIMIT} >{GROUP}/memory.limit_in_bytes && echo 0 >{GROUP}/memory.swappiness\n\
         echo 1 >{GROUP}/memory.use_hierarchy 2>/dev/null || true\n\
         printf '{{\"cgroup-parent\": \"/{NAME}\"}}' >/etc/docker/daemon.json"
    ));
    server.boot_again(&[&["restart"]]);
    server.root(&format!(
        "for process in /proc/[0-9]*; do echo ${{process#/proc/}} >{GROUP}/cgroup.procs || true; done 2>/dev/null"
    ));
}

fn killed() -> f64 {
    let control = std::fs::read_to_string(format!("{GROUP}/memory.oom_control")).unwrap();
    let line = control.lines().find_map(|line| line.strip_prefix("oom_kill ")).expect("the kernel counts them");
    line.parse().unwrap()
}

/// The most memory that was taken at once, in megabytes; what programs share counts in parts (PSS).
#[derive(Default)]
struct Taken {
    scripts: f64,
    docker: f64,
}

struct Most {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<Taken>,
}

impl Most {
    fn start() -> Most {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let looks = std::thread::spawn(move || {
            let mut most = Taken::default();
            while !told.load(Ordering::Relaxed) {
                let now = now();
                most.scripts = most.scripts.max(now.scripts);
                most.docker = most.docker.max(now.docker);
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        Most { stop, looks }
    }

    fn finish(self) -> Taken {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.join().unwrap()
    }
}

/// Of the processes of the server itself; what runs in its containers is in groups below.
fn now() -> Taken {
    let mut taken = Taken::default();
    for process in std::fs::read_to_string(format!("{GROUP}/cgroup.procs")).unwrap_or_default().lines() {
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let (name, memory) = (of("comm"), of("smaps_rollup"));
        let pss = memory.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes =
            pss.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default();
        match name.trim() {
            "docker" | "docker-compose" | "docker-buildx" => taken.docker += kilobytes / 1024.0,
            // `exe` is the daemon's own way to do something in a network of its own.
            "dockerd" | "exe" | "containerd" | "nginx" | "sshd" | "docker-proxy" | "docker-init" => {}
            engine if engine.starts_with("containerd-shim") || engine.starts_with("runc") => {}
            _ => taken.scripts += kilobytes / 1024.0,
        }
    }
    taken
}
