//! What is deployed: the reference backend, and its web service with the accessory alone, which is what the floor is
//! measured for. A migration and a worker are work of the app's own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::support::load::Address;
use crate::support::project::Project;
use crate::support::server::{Server, repository};
use crate::support::team::Team;

/// The web service and its accessory, deployed to this machine.
pub fn web_alone(mode: &str) -> Project {
    let project = Project::new(mode);
    project.rewrite("deploy.toml", "workers = [\"worker\"]\n", "");
    project.rewrite("deploy.toml", "[hooks]\nbefore_boot = [[\"python\", \"migrate.py\"]]\n", "");
    project.rewrite("deploy.toml", "bake = 1\n", "bake = 0\n");
    let compose = std::fs::read_to_string(project.root().join("backend/docker-compose.yml")).unwrap();
    project.write("backend/docker-compose.yml", &without_worker(&compose));
    project.commit("the web service and its accessory");
    project
}

/// The same of a repository that is deployed to a server.
pub fn web_alone_in(root: &Path) {
    let rewrite = |file: &str, change: &dyn Fn(&str) -> String| {
        let path = root.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "{file}");
        std::fs::write(path, changed).unwrap();
    };
    rewrite("deploy.toml", &|text| {
        let lines = text.lines().filter(|line| !line.starts_with("workers = ") && !line.starts_with("before_boot = "));
        let lines = lines.map(|line| if line.starts_with("bake = ") { "bake = 0" } else { line });
        lines.collect::<Vec<&str>>().join("\n") + "\n"
    });
    rewrite("backend/docker-compose.yml", &without_worker);
}

/// A version that nobody has built before, in an earlier run neither: docker keeps the layers of what it has built.
pub fn never_built(team: &impl Team, number: usize) {
    team.new_version(&never_said(number));
}

/// What makes such a version another one.
pub fn never_said(number: usize) -> String {
    let nanoseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    format!("measured {number} at {nanoseconds}")
}

/// Where the test server's site answers.
pub fn address_of(server: &Server) -> Address {
    Address { port: server.http_port(), host: "api.example".to_owned() }
}

fn without_worker(compose: &str) -> String {
    let (before, rest) = compose.split_once("\n  worker:\n").expect("the compose file has a worker");
    let (_, after) = rest.split_once("\n  redis:\n").expect("the compose file has an accessory");
    format!("{before}\n  redis:\n{after}")
}

/// How long a command took, what it used, how it ended.
pub struct Used {
    pub seconds: f64,
    /// Of the command and all it waited for.
    pub processor_seconds: f64,
    /// The most memory of the command's own process, in megabytes.
    pub megabytes: f64,
    /// The most memory of any process below it.
    pub largest_megabytes: f64,
    pub stdout: String,
}

/// Runs a command that must succeed.
pub fn used(command: &mut Command) -> Used {
    // bash tells what it waited for; `exec` would leave nobody to tell it.
    let mut timed = Command::new("bash");
    timed
        .args(["-c", "TIMEFORMAT='used %U %S'; time \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    timed.current_dir(command.get_current_dir().unwrap_or(repository()));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let begun = Instant::now();
    let child = timed.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let memory = most_memory(child.id());
    let output = child.wait_with_output().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    let times = said.lines().rev().find_map(|line| line.strip_prefix("used ")).expect("bash tells what was used");
    let processor_seconds = times.split(' ').map(|part| part.parse::<f64>().unwrap()).sum();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (megabytes, largest_megabytes) = memory.join().unwrap();
    Used { seconds, processor_seconds, megabytes, largest_megabytes, stdout }
}

/// The high-water mark of the process that `bash` started and the highest of those below that, looked at until it has ended.
fn most_memory(bash: u32) -> std::thread::JoinHandle<(f64, f64)> {
    std::thread::spawn(move || {
        let (mut own, mut below) = (0.0_f64, 0.0_f64);
        // A child that nobody waits for any more is a zombie, or the file of its number is gone.
        while std::fs::read_to_string(format!("/proc/{bash}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            for child in children(bash) {
                own = own.max(high_water(child));
                let mut further = children(child);
                while let Some(process) = further.pop() {
                    below = below.max(high_water(process));
                    further.extend(children(process));
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        (own, below)
    })
}

/// Of any thread of a process.
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

/// The most memory a process had so far, in megabytes; none where it has ended.
fn high_water(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    line.map_or(0.0, |kilobytes| kilobytes.parse::<f64>().unwrap() / 1000.0)
}
