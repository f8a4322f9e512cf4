//! The server behind an environment, and its connection.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::Problem;
use crate::rules::config::{Reach, SshTarget};
use crate::rules::secret::Secret;

/// `[ssh]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSsh {
    keep: Option<String>,
}

/// A day: by then a person has gone home.
const LONGEST_KEPT: Duration = Duration::from_secs(24 * 3600);

impl RawSsh {
    /// How long a connection that only looked is kept for the next look.
    ///
    /// # Errors
    /// Where it is no span of time, or too short or long a one.
    pub fn keep(&self) -> Result<Option<Duration>, Problem> {
        let Some(text) = &self.keep else { return Ok(None) };
        let kept =
            humantime::parse_duration(text).ok().filter(|kept| (Duration::from_secs(1)..=LONGEST_KEPT).contains(kept));
        let problem = || {
            format!(
                "[ssh] keep = {text:?}: a span of time from 1s to 24h, as in \"10m\"; leave it out to keep no connection"
            )
        };
        kept.map(Some).ok_or_else(|| Problem::at("ssh.keep", problem()))
    }
}

/// # Errors
/// Which of its variables has a value that cannot be.
pub fn target(prefix: &str, variables: &BTreeMap<String, String>, keep: Option<Duration>) -> Result<Reach, String> {
    let get = |name: &str| variables.get(&format!("{prefix}{name}")).filter(|value| !value.trim().is_empty());
    let required = ["SSH_HOST", "SSH_USER", "SSH_KEY"];
    let missing: Vec<String> =
        required.iter().filter(|name| get(name).is_none()).map(|name| format!("{prefix}{name}")).collect();
    let ([Some(host), Some(user), Some(key)], true) = (required.map(get), missing.is_empty()) else {
        return Ok(Reach::Missing(missing));
    };
    let port = get("SSH_PORT").map_or("22", |port| port.trim());
    let port = port
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{prefix}SSH_PORT={port:?} is not a port"))?;
    let plain = |text: &str, more: &[u8]| {
        !text.starts_with('-') && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let (host, user) = (host.trim(), user.trim());
    if !plain(host, b".-_:") {
        return Err(format!("{prefix}SSH_HOST={host:?} is not a host name or address"));
    }
    if !plain(user, b".-_") {
        return Err(format!("{prefix}SSH_USER={user:?} is not a user name"));
    }
    Ok(Reach::Ssh(SshTarget {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        key: Secret::new(key.as_bytes()),
        known_hosts: get("SSH_KNOWN_HOSTS").cloned(),
        keep,
        prefix: prefix.to_owned(),
    }))
}
