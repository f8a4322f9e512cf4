//! Commands as values: words, what goes to standard input, how long it may take. Built here, run by the hands.

use std::fmt;
use std::time::Duration;

/// Bytes that must not be shown: an env file, a private key. They leave only through standard input.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// For standard input, hashing and masking only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a command reads from standard input. Without any it reads end-of-file at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Nothing,
    Bytes(Vec<u8>),
    Secret(Secret),
}

impl Input {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Input::Nothing => &[],
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
        }
    }

    /// The words of a local call.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = ["bash", "-c", self.text, "deploy"].map(str::to_owned).to_vec();
        words.extend(self.arguments.iter().cloned());
        words
    }

    /// One line for a remote POSIX shell, which gives the same words to `bash` there.
    pub fn remote_line(&self) -> String {
        let quoted: Vec<String> = self.words().iter().map(|word| quote(word)).collect();
        format!("exec {}", quoted.join(" "))
    }
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
mod tests {
    use super::*;
    use crate::fuzz_tests::{cases, word};
    use proptest::prelude::*;

    #[test]
    fn a_secret_never_shows() {
        let input = Input::Secret(Secret::new("hunter2"));
        assert!(!format!("{input:?}").contains("hunter2"));
    }

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
        fn a_script_gets_its_arguments_unchanged_through_two_shells(arguments in prop::collection::vec(word(), 1..4)) {
            let script = Script {
                name: "echo", text: r#"printf '%s\0' "$@""#, arguments: arguments.clone(),
                input: Input::Nothing, limit: Duration::from_secs(5),
            };
            // The shell that runs all scripts of a run gives the line to another one.
            let line = format!("exec bash -c {}", quote(&script.remote_line()));
            prop_assume!(line.len() < 120_000);
            prop_assert_eq!(words_after_a_shell(&line), printed(&arguments));
        }
    }
}
