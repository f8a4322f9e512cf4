//! Scripts for the host, as values: words, what goes to standard input, how long it may take. Built here, run by the hands.
//!
//! Time limits stand here, beside the words, because only who writes a command knows how long is too long.

mod compose;
mod nginx;
mod session;
pub mod setup;
mod shipping;
mod slot;
pub(in crate::rules) mod text;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::rules::secret::Secret;

pub use compose::{
    accessories, build, compose_config, layers, load_image, moved_images, read_compose, store, stored_project,
};
pub use nginx::{
    align_upstream, close_site, count_requests, end_preview, flag, hold, look_ups, open_site, private_nginx, ramp,
    request_log, share, static_files, static_locations, switch, upstream_of,
};
pub use session::{GRACE, ask, doctor, inspect, record, shell};
pub use shipping::{
    Archive, Parts, check_release, copy_release, manifest, mark_known_good, prune, receive, secret_files, ship, space,
    stored_commit, take_images,
};
pub use slot::{boot, drain, hook, logs, remove, stop, unmanaged_workers, watch, workers};

/// What a command reads from standard input. Without any it reads end-of-file at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Nothing,
    Bytes(Vec<u8>),
    Secret(Secret),
    /// The content of a file of this machine, which may be large.
    File(PathBuf),
}

impl Input {
    pub fn bytes(&self) -> &[u8] {
        match self {
            // A file is read piece by piece by who runs the command.
            Input::Nothing | Input::File(_) => &[],
            Input::Bytes(bytes) => bytes,
            Input::Secret(secret) => secret.expose(),
        }
    }
}

/// A bash script for the host. The text is a constant of this program; everything that varies travels as a
/// positional parameter or through standard input, so nothing that came from data is ever read as shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it does, for errors: `boot the slot`.
    pub name: &'static str,
    pub text: &'static str,
    pub arguments: Vec<String>,
    pub input: Input,
    /// After this long it is ended and counts as failed.
    pub limit: Duration,
    pub priority: Priority,
}

/// How a script takes the host's processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Where there is time that nobody else wants, it takes that, and who serves never waits for it.
    Gentle,
    /// As any other program: people wait for it, or it starts what serves.
    Full,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::Gentle => "gentle",
            Priority::Full => "full",
        })
    }
}

impl Script {
    /// One that does nothing.
    pub fn nothing() -> Script {
        Script {
            name: "nothing",
            text: ":",
            arguments: Vec::new(),
            input: Input::Nothing,
            limit: Duration::from_secs(5),
            priority: Priority::Full,
        }
    }

    /// The words of a local call.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = ["bash", "-c", self.text, "deploy"].map(str::to_owned).to_vec();
        words.extend(self.arguments.iter().cloned());
        words
    }

    /// One line for a user's login shell, whichever it is: it has no letter that shells read differently. What it starts has an
    /// environment of its own, whatever the login has set.
    pub fn login_line(&self) -> String {
        let names = ENVIRONMENT.join(" ");
        // `${!name+x}` tells a variable that is set from one that is not. What a login has printed may have no line end.
        let clean = format!(
            "echo; kept=(); for name in {names}; do [ -z \"${{!name+x}}\" ] || kept+=(\"$name=${{!name}}\"); done; exec env -i \"${{kept[@]}}\" "
        );
        let line = self.remote_line();
        let words = line.strip_prefix("exec ").unwrap_or(&line);
        let encoded = base64(format!("{clean}{words}").as_bytes());
        // What it is shows in the list of processes.
        let name = self.name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        format!("exec bash -c 'eval \"$(printf %s {encoded} | base64 -d)\"' {name}")
    }

    /// One line for a POSIX shell, which gives the same words to `bash`.
    pub fn remote_line(&self) -> String {
        let quoted: Vec<String> = self.words().iter().map(|word| quote(word)).collect();
        format!("exec {}", quoted.join(" "))
    }
}

/// What the scripts of a host may need of its environment; all else may change what they do.
pub const ENVIRONMENT: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "DOCKER_BUILDKIT",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// RFC 4648, without line ends.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |number, at| (number << 8) | u32::from(part.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// A word as a POSIX shell reads it back unchanged. Single quotes keep everything; a single quote itself is put
/// outside of them.
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod words;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::generated_input::{cases, word};
    use proptest::prelude::*;

    /// What a real shell makes of a line.
    #[allow(clippy::disallowed_methods)]
    fn words_after_a_shell(line: &str) -> Vec<u8> {
        let output = std::process::Command::new("sh").arg("-c").arg(line).output().expect("sh runs");
        assert!(output.status.success(), "sh failed on {line:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Lines as `printf '%s\0'` of their words, and what it prints.
    fn printed(words: &[String]) -> Vec<u8> {
        words.iter().flat_map(|word| word.bytes().chain([0])).collect()
    }

    proptest! {
        #![proptest_config(cases(48))]
        #[test]
        fn a_shell_reads_back_what_was_quoted(words in prop::collection::vec(word(), 1..6)) {
            let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
            let line = format!(r"printf '%s\0' {}", line.join(" "));
            // What a process takes as one argument.
            prop_assume!(line.len() < 120_000);
            prop_assert_eq!(words_after_a_shell(&line), printed(&words));
        }

        #[test]
        fn a_script_gets_its_arguments_unchanged_through_a_login_shell(arguments in prop::collection::vec(word(), 1..4)) {
            let script = Script {
                name: "echo", text: r#"printf '%s\0' "$@""#, arguments: arguments.clone(),
                input: Input::Nothing, limit: Duration::from_secs(5), priority: Priority::Full,
            };
            let line = script.login_line();
            prop_assume!(line.len() < 120_000);
            prop_assert!(!line.contains('\\'), "fish reads backslashes between single quotes");
            prop_assert_eq!(words_after_a_shell(&line), [b"\n".to_vec(), printed(&arguments)].concat());
        }

        #[test]
        fn a_script_gets_its_arguments_unchanged_through_two_shells(arguments in prop::collection::vec(word(), 1..4)) {
            let script = Script {
                name: "echo", text: r#"printf '%s\0' "$@""#, arguments: arguments.clone(),
                input: Input::Nothing, limit: Duration::from_secs(5), priority: Priority::Full,
            };
            // The shell that runs all scripts of a run gives the line to another one.
            let line = format!("exec bash -c {}", quote(&script.remote_line()));
            prop_assume!(line.len() < 120_000);
            prop_assert_eq!(words_after_a_shell(&line), printed(&arguments));
        }
    }
}
