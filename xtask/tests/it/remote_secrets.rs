//! Secrets go to one place: the release's `.env` on the server. They are looked for everywhere else while a deploy runs
//! and after it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::remote_site::{SECRET_VALUES, Site, env_file, processes};
use crate::server::Server;
use crate::team::Team;

/// Values of the env file, and a line of the key, that nobody may see.
fn secrets(server: &Server) -> Vec<String> {
    let key = std::fs::read_to_string(server.key_file()).unwrap();
    // The lines before hold what all keys of this kind have in common, and the public half.
    let key_line = key.lines().nth(3).unwrap().to_owned();
    SECRET_VALUES.iter().map(|value| (*value).to_owned()).chain([key_line]).collect()
}

/// The watch is worth nothing unless it sees what it is for.
pub fn the_watch_sees_what_is_shown() {
    let secret = format!("shown-on-purpose-{}", std::process::id());
    let folder = tempfile::Builder::new().prefix("xtask-ssh-").tempdir().unwrap();
    let begun = just_now();
    std::fs::write(folder.path().join("left"), &secret).unwrap();
    let watch = Watch::start(std::slice::from_ref(&secret), OFTEN);
    let words = ["-c", "sleep 0.3; exit 0", "shell"];
    let shows = Command::new("sh").args(words).arg(&secret).env("PROD_SSH_KEY", &secret).status().unwrap();
    assert!(shows.success());
    let leaks = watch.finish().leaks;
    for kind in ["words of", "environment of", "file"] {
        assert!(leaks.iter().any(|leak| leak.starts_with(kind)), "{kind}: {leaks:?}");
    }
    let left = file_with(&std::env::temp_dir(), &[secret], begun);
    assert_eq!(left, Some(folder.path().join("left")));
}

/// Whatever is done, however it ends: no process and no file of a session may show a secret meanwhile.
pub fn shows_no_secret(server: &Server, act: impl FnOnce()) {
    let watch = Watch::start(&secrets(server), Duration::from_millis(50));
    act();
    assert_eq!(watch.finish().leaks, BTreeSet::new(), "secrets were seen");
}

/// Deploys a new version while everything that could show a secret is watched.
pub fn a_deploy_shows_no_secret(server: &Server, site: &Site) {
    let secrets = secrets(server);
    site.new_version("for a deploy that is watched");
    let begun = just_now();
    let watch = Watch::start(&secrets, OFTEN);
    let run = site.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
    let seen = watch.finish();
    assert_eq!(seen.leaks, BTreeSet::new(), "secrets were seen");
    // The server is a container of this machine, so its processes were among those looked at.
    for sign in ["ssh-agent", "docker-compose\0", "/app/gifty-backend"] {
        assert!(seen.commands.iter().any(|command| command.contains(sign)), "the watch saw no {sign:?}");
    }
    assert!(seen.session_files > 0, "the watch saw no file of the session");

    let release = run.json()["release"].as_str().unwrap().to_owned();
    for secret in &secrets {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret:?} was printed");
        let encoded = serde_json::to_string(secret).unwrap();
        let record = server.root("cat /app/gifty-backend/deploys.jsonl");
        assert!(!record.contains(secret) && !record.contains(encoded.trim_matches('"')), "{secret:?} is in the record");
    }
    the_env_file_arrived(server, &release);
    nothing_stays(&secrets, begun, site);
    only_releases_hold_secrets(server);
}

/// On the server: its own files, what containers wrote and the layers of images. A container's own settings, which docker
/// keeps for root below /run and /var/lib, have the values by their nature.
pub fn only_releases_hold_secrets(server: &Server) {
    let secrets = secrets(server).join("\n");
    let script = format!(
        "patterns=$(mktemp -p /dev/shm); trap 'rm -f \"$patterns\"' EXIT\ncat >\"$patterns\" <<'SECRETS'\n{secrets}\nSECRETS\n\
         {{ grep -rlsaF -f \"$patterns\" /app /home /root /tmp /var/tmp /var/log /var/spool /etc /run/user /run/lock /var/lib/docker/overlay2/*/diff \
           /var/lib/docker/image || true; }} | while read -r file; do printf '%s %s\\n' \"$(stat -c %a \"$file\")\" \"$file\"; done"
    );
    let holders = server.root(&script);
    let mut releases = 0;
    for holder in holders.lines() {
        let (mode, file) = holder.split_once(' ').unwrap();
        let name = file.rsplit('/').next().unwrap();
        if file == "/home/deploy/backend/.env" {
            continue; // of the backend that ran before there was this tool
        }
        let of = |part: &str| file.starts_with(&format!("/app/gifty-backend/{part}/")) && file.split('/').count() == 6;
        // Containers read it through their mount, and no other user gets into the folder above.
        let read_by_containers = of("releases") && name == ".env" && mode == "644";
        let kept = of("meta") && (name == "env" || name.starts_with("compose.")) && mode == "600";
        assert!(read_by_containers || kept, "{file} ({mode}) holds a secret");
        releases += usize::from(read_by_containers);
    }
    assert!(releases > 0, "the secrets were found nowhere, so the search is worth nothing");
    assert_eq!(server.root("stat -c %a /app/gifty-backend/releases /app/gifty-backend/meta"), "700\n700\n");
}

/// Byte for byte; and the container gets what the file says.
fn the_env_file_arrived(server: &Server, release: &str) {
    let (folder, kept) =
        (format!("/app/gifty-backend/releases/{release}"), format!("/app/gifty-backend/meta/{release}"));
    assert_eq!(server.root(&format!("cat {folder}/.env")), env_file());
    let secret_files = server.root(&format!("stat -c '%a %U %n' {kept}/env {kept}/compose.*"));
    assert!(secret_files.lines().count() >= 5, "{secret_files}");
    for file in secret_files.lines() {
        assert!(file.starts_with("600 deploy "), "{file}");
    }
    let script = format!(
        "id=$(docker ps -q --filter label=deploy.release={release} --filter publish=8000-8001)\n\
         docker exec \"$id\" python -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    );
    let environment: Value = serde_json::from_str(&server.root(&script)).unwrap();
    for (name, value) in [
        ("API_TOKEN", SECRET_VALUES[0]),
        ("EMPTY", ""),
        ("SINGLE_QUOTED", SECRET_VALUES[1]),
        ("DOUBLE_QUOTED", SECRET_VALUES[2]),
        ("NO_LINE_END", SECRET_VALUES[3]),
    ] {
        assert_eq!(environment[name], value, "{name} in the container");
    }
}

/// On this machine: no agent, no connection, no folder, and no file with a secret but the key's own.
fn nothing_stays(secrets: &[String], begun: SystemTime, site: &Site) {
    assert_eq!(sessions_left(site), Vec::<String>::new(), "a session is left");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap();
    let places =
        [site.root().to_owned(), std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into(), home.join(".ssh")];
    for place in places {
        let Some(found) = file_with(&place, secrets, begun) else { continue };
        panic!("{} holds a secret", found.display());
    }
}

/// The times of files come from a clock that is a little behind.
fn just_now() -> SystemTime {
    SystemTime::now() - Duration::from_secs(1)
}

/// A file below `place`, written since `begun`, that holds a secret.
fn file_with(place: &Path, secrets: &[String], begun: SystemTime) -> Option<PathBuf> {
    for entry in std::fs::read_dir(place).ok()?.filter_map(Result::ok) {
        let path = entry.path();
        // What vanishes while it is looked at does not stay.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() {
            if let Some(found) = file_with(&path, secrets, begun) {
                return Some(found);
            }
        } else if metadata.is_file() && metadata.modified().is_ok_and(|time| time >= begun) && holds(&path, secrets) {
            return Some(path);
        }
    }
    None
}

fn holds(file: &Path, secrets: &[String]) -> bool {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    secrets.iter().any(|secret| text.contains(secret))
}

/// What this site's deploys have running or lying on this machine.
fn sessions(site: &Site) -> Vec<String> {
    let state = site.root().join(".deploy").display().to_string();
    let processes = commands().into_iter().filter(|command| command.contains("xtask-ssh-") && command.contains(&state));
    processes.chain(session_folders().into_iter().filter(|folder| !is_of_another(folder, site))).collect()
}

/// The same once it had its time: a connection closes by itself, a round trip after the command.
pub fn sessions_left(site: &Site) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = sessions(site);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn session_folders() -> Vec<String> {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
    entries.map(|entry| entry.path().display().to_string()).filter(|path| path.contains("/xtask-ssh-")).collect()
}

/// Other tests deploy at the same time: a folder belongs to the process that names it and that test's site. And what is
/// older than the site was left by a machine that lost its power.
fn is_of_another(folder: &str, site: &Site) -> bool {
    let state = site.root().join(".deploy").display().to_string();
    let made = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    made(Path::new(folder)) < made(&site.root().join(".gitignore"))
        || commands().iter().any(|command| command.contains(folder) && !command.contains(&state))
}

fn commands() -> BTreeSet<String> {
    processes().into_iter().map(|(_, words)| words).collect()
}

struct Seen {
    commands: BTreeSet<String>,
    session_files: usize,
    leaks: BTreeSet<String>,
}

/// So that hardly any process goes unseen.
const OFTEN: Duration = Duration::from_millis(5);

/// Looks at every process and at the files of SSH sessions, again and again.
struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    fn start(secrets: &[String], every: Duration) -> Watch {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, secrets) = (Arc::clone(&ended), secrets.to_vec());
        let thread = std::thread::spawn(move || {
            let mut seen = Seen { commands: BTreeSet::new(), session_files: 0, leaks: BTreeSet::new() };
            while !flag.load(Ordering::Relaxed) {
                look(&mut seen, &secrets);
                std::thread::sleep(every);
            }
            seen
        });
        Watch { ended, thread }
    }

    fn finish(self) -> Seen {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look(seen: &mut Seen, secrets: &[String]) {
    for (number, words) in processes() {
        if secrets.iter().any(|secret| words.contains(secret)) {
            seen.leaks.insert(format!("words of a process: {}", words.replace('\0', " ")));
        }
        if was_given(number, secrets.last().unwrap()) {
            seen.leaks.insert(format!("environment of a process: {}", words.replace('\0', " ")));
        }
        seen.commands.insert(words);
    }
    for folder in session_folders() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for file in entries.filter_map(Result::ok) {
            seen.session_files += 1;
            if file.file_type().is_ok_and(|kind| kind.is_file()) && holds(&file.path(), secrets) {
                seen.leaks.insert(format!("file: {}", file.path().display()));
            }
        }
    }
}

/// Whether a process got `secret`, the key, in its environment. The tool itself did; what it starts must not. A program
/// that is about to be another one still has the environment of the first, so the program is looked at before.
fn was_given(number: u32, secret: &str) -> bool {
    let Ok(program) = std::fs::read_link(format!("/proc/{number}/exe")) else { return false };
    let tool = program.file_name().is_some_and(|name| name == "xtask");
    let environment =
        if tool { Vec::new() } else { std::fs::read(format!("/proc/{number}/environ")).unwrap_or_default() };
    String::from_utf8_lossy(&environment).contains(secret)
}

/// SIGKILL in the middle of a deploy: nothing of the session lives on, and the next deploy needs nobody's help.
pub fn a_killed_deploy_leaves_no_session(server: &Server, site: &Site) {
    for stage in ["Build the images", "Watch the new version"] {
        site.deploy_up_to(stage).kill();
        let begun = Instant::now();
        let gone = || sessions(site).is_empty() && server.root("cat /app/gifty-backend/deploy.lock").is_empty();
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(15), "after a kill in {stage:?}: {:?}", sessions(site));
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("killed in {stage:?}: all gone after {:.1} s", begun.elapsed().as_secs_f64());
    }
    site.deploy();
    site.status();
}
