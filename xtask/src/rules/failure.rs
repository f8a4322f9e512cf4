//! The kinds of failure, each with its exit code. The codes are an interface: scripts and CI jobs branch on them.

use std::fmt;

use anyhow::Result;

/// Why a command ended without success. The number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing below fits; a defect of the tool or of the machine.
    Unexpected = 1,
    /// Wrong words on the command line (clap uses the same code).
    Usage = 2,
    /// `deploy.toml`, `tests_config.yaml`, the compose file or the environment's variables are wrong.
    Configuration = 3,
    /// The server or this machine is not in a state to deploy to; nothing was touched.
    Preflight = 4,
    /// Another deploy holds the lock.
    Locked = 5,
    /// No SSH connection, or it was lost.
    Connection = 6,
    /// The server's host key is not the one known.
    HostKey = 7,
    /// Tests failed.
    Tests = 10,
    /// The release could not be packaged (uncommitted changes, for one).
    Package = 11,
    /// The release did not arrive.
    Ship = 12,
    /// The image could not be built.
    Build = 13,
    /// A hook (a migration, for one) failed.
    Hook = 14,
    /// The container did not start.
    Boot = 15,
    /// The new version did not become healthy.
    Unhealthy = 16,
    /// Traffic could not be moved, or nginx does not answer with the new release.
    Switch = 17,
    /// After the switch the new version failed while it was watched, or its workers did; traffic went back.
    Bake = 18,
    /// The new version serves and is good, but the old one could not be drained and stopped.
    AfterSwitch = 19,
    /// `status`: nginx, containers and record do not agree, or the live slot is not healthy.
    Drift = 20,
    /// Ended by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Kind {
    /// An error of this kind. `text` says what happened, where, why, and what to do.
    pub fn error(self, text: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure { kind: self, text: text.into() })
    }

    /// `error` with `text` before it, of this kind unless it has one of its own.
    pub fn around(self, error: anyhow::Error, text: impl Into<String>) -> anyhow::Error {
        let kind = Kind::of(&error).unwrap_or(self);
        error.context(Failure { kind, text: text.into() })
    }

    /// The kind of an error, where it has one.
    pub fn of(error: &anyhow::Error) -> Option<Kind> {
        let direct = error.downcast_ref::<Failure>();
        let inner = || error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
        direct.or_else(inner).map(|failure| failure.kind)
    }
}

/// The text of a file that a person writes.
///
/// # Errors
/// [`Kind::Configuration`] with the place of what is no UTF-8, or is a NUL.
pub fn utf8<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text.find('\0').unwrap_or(text.len()),
        Err(error) => error.valid_up_to(),
    };
    let before = String::from_utf8_lossy(&bytes[..valid]);
    if valid == bytes.len() {
        return std::str::from_utf8(bytes).map_err(anyhow::Error::new);
    }
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Err(Kind::Configuration.error(format!("{file}:{line}:{column}: this is not UTF-8 text; save the file as UTF-8")))
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// `stage: act: cause`, without saying the same thing twice in a row.
pub fn chain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if parts.last().is_none_or(|last| !last.ends_with(&cause)) {
            parts.push(cause);
        }
    }
    parts.join("\n  because: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_found_below_any_context() {
        let error = Kind::Build.error("no such file").context("building the image").context("deploy");
        assert_eq!(Kind::of(&error), Some(Kind::Build));
        assert_eq!(Kind::of(&anyhow::anyhow!("plain")), None);
    }
}
