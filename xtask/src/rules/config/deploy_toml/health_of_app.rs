//! The section `[health]`: what is not given follows from what is.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Problem;
use crate::rules::config::Health;

/// Longer ones no host can open.
const PATH_BYTES: usize = 1024;

/// Headers that the request has by its nature.
const OWN_HEADERS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "expect"];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RawHealth {
    path: Option<String>,
    timeout: Option<u64>,
    host: Option<String>,
    headers: BTreeMap<String, String>,
    status: Option<toml::Value>,
    expect: Option<BTreeMap<String, serde_json::Value>>,
    expect_text: Option<String>,
    expect_headers: BTreeMap<String, String>,
    connect: bool,
}

impl RawHealth {
    /// An app of which something else is expected than JSON says no JSON, unless that is expected too.
    ///
    /// # Errors
    /// The first value that cannot be, and what is expected of an answer where nothing is asked.
    pub fn resolve(self) -> Result<Health, Problem> {
        let usual = Health::default();
        let asks_more = self.status.is_some() || self.expect_text.is_some() || !self.expect_headers.is_empty();
        if self.connect && (asks_more || self.expect.is_some()) {
            let text = "[health] connect: nothing is asked then, so leave `status`, `expect`, `expect_text` and `expect_headers` out";
            return Err(Problem::at("health.connect", text));
        }
        let status = match &self.status {
            None => usual.status,
            Some(value) => statuses(value).ok_or_else(|| {
                Problem::at(
                    "health.status",
                    "[health] status: a number from 100 to 599, or a list of them, as in [200, 204]",
                )
            })?,
        };
        let by_itself = if self.connect { "/" } else { usual.path.as_str() };
        let health = Health {
            path: self.path.unwrap_or_else(|| by_itself.to_owned()),
            timeout: self.timeout.unwrap_or(usual.timeout),
            host: self.host,
            headers: self.headers,
            status,
            expect: self.expect.unwrap_or(if self.connect || asks_more { BTreeMap::new() } else { usual.expect }),
            expect_text: self.expect_text,
            expect_headers: self.expect_headers,
            connect: self.connect,
        };
        check(&health)?;
        Ok(health)
    }
}

fn check(health: &Health) -> Result<(), Problem> {
    let path = &health.path;
    if !path.starts_with('/') || path.len() > PATH_BYTES || !path.bytes().all(|b| b.is_ascii_graphic()) {
        let text = format!("[health] path = {path:?}: begin with `/`, printable ASCII without spaces");
        return Err(Problem::at("health.path", text));
    }
    if !(1..=3600).contains(&health.timeout) {
        let text = format!("[health] timeout = {}: between 1 and 3600 seconds", health.timeout);
        return Err(Problem::at("health.timeout", text));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
    if let Some(host) = health.host.as_ref().filter(|host| host.is_empty() || !host.bytes().all(plain)) {
        return Err(Problem::at(
            "health.host",
            format!("[health] host = {host:?}: a name, with a port where it has one"),
        ));
    }
    if health.expect_text.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::at("health.expect_text", "[health] expect_text = \"\": every body contains nothing"));
    }
    for (key, headers) in [("headers", &health.headers), ("expect_headers", &health.expect_headers)] {
        for (name, value) in headers {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let sound = !name.is_empty() && name.bytes().all(token) && !value.contains(char::is_control);
            let own = key == "headers" && OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str());
            if !sound || value.len() > PATH_BYTES || own {
                let why = if own {
                    "that one is not yours to set (`host` is a setting of its own)"
                } else {
                    "no header is like this"
                };
                return Err(Problem::at(
                    &format!("health.{key}"),
                    format!("[health] {key}: {name:?} = {value:?}: {why}"),
                ));
            }
        }
    }
    Ok(())
}

fn statuses(value: &toml::Value) -> Option<Vec<u16>> {
    let one =
        |value: &toml::Value| u16::try_from(value.as_integer()?).ok().filter(|status| (100..600).contains(status));
    match value.as_array() {
        Some(list) if !list.is_empty() => list.iter().map(one).collect(),
        Some(_) => None,
        None => Some(vec![one(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Health, String> {
        let raw: RawHealth = toml::from_str(text).map_err(|error| error.to_string())?;
        raw.resolve().map_err(|problem| problem.text)
    }

    #[test]
    fn json_is_expected_unless_something_else_is() {
        assert_eq!(read("").unwrap(), Health::default());
        assert_eq!(read("path = \"/up\"").unwrap().expect, Health::default().expect);
        for text in [
            "status = 200",
            "status = [200, 204]",
            "expect_text = \"pong\"",
            "expect_headers = { X-App = \"up\" }",
            "connect = true",
        ] {
            assert!(read(text).unwrap().expect.is_empty(), "{text}");
        }
        let both = read("status = 200\nexpect = { status = \"UP\" }").unwrap();
        assert_eq!(both.expect, BTreeMap::from([("status".to_owned(), serde_json::Value::from("UP"))]));
        assert_eq!(
            (read("connect = true").unwrap().path.as_str(), read("status = 204").unwrap().status),
            ("/", vec![204])
        );
    }

    #[test]
    fn what_cannot_be_asked_or_expected_is_told() {
        for (text, told) in [
            ("status = \"200\"", "a number from 100"),
            ("status = []", "a number from 100"),
            ("status = [200, 600]", "a number from 100"),
            ("connect = true\nexpect_text = \"x\"", "nothing is asked"),
            ("connect = true\nexpect = {}", "nothing is asked"),
            ("host = \"a b\"", "a name"),
            ("expect_text = \"\"", "contains nothing"),
            ("headers = { \"X A\" = \"1\" }", "no header is like this"),
            ("headers = { X-A = \"1\\r\\nX-B: 2\" }", "no header is like this"),
            ("headers = { Host = \"x\" }", "a setting of its own"),
            ("path = \"up\"", "begin with `/`"),
            ("timeout = 0", "between 1 and 3600"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
        }
    }
}
