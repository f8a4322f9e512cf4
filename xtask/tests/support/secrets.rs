//! Looks for secrets everywhere but in the one place where they belong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::support::server::Server;
use crate::support::site::{SECRET_VALUES, Site, processes};
use crate::support::team::Team;

/// Values of the env file, and a line of the key, that nobody may see.
pub fn secrets(server: &Server) -> Vec<String> {
    let key = std::fs::read_to_string(server.key_file()).unwrap();
    // The lines before hold what all keys of this kind have in common, and the public half.
    let key_line = key.lines().nth(3).unwrap().to_owned();
    SECRET_VALUES.iter().map(|value| (*value).to_owned()).chain([key_line]).collect()
}

/// Whatever is done, however it ends: no process and no file of a session may show a secret meanwhile.
pub fn shows_no_secret(server: &Server, act: impl FnOnce()) {
    let watch = Watch::start(&secrets(server), Duration::from_millis(50));
    act();
    assert_eq!(watch.finish().leaks, BTreeSet::new(), "secrets were seen");
}

/// On the server: its own files, what containers wrote and the layers of images. A container's own settings, which docker
/// keeps for root below /run and /var/lib, have the values by their nature, and so has for a moment the file that runc
/// reads to run something in a container, which nobody but root can open.
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
        // One that is gone by now has no mode.
        if name.starts_with("runc-process") && ["", "600"].contains(&mode) {
            continue;
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

/// The times of files come from a clock that is a little behind.
pub fn just_now() -> SystemTime {
    SystemTime::now() - Duration::from_secs(1)
}

/// A file below `place`, written since `begun`, that holds a secret.
pub fn file_with(place: &Path, secrets: &[String], begun: SystemTime) -> Option<PathBuf> {
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
pub fn sessions(site: &Site) -> Vec<String> {
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

pub struct Seen {
    pub commands: BTreeSet<String>,
    pub session_files: usize,
    pub leaks: BTreeSet<String>,
}

/// So that hardly any process goes unseen.
pub const OFTEN: Duration = Duration::from_millis(5);

/// Looks at every process and at the files of SSH sessions, again and again.
pub struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    pub fn start(secrets: &[String], every: Duration) -> Watch {
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

    pub fn finish(self) -> Seen {
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
