//! Which values are secrets, and hiding them in a text. Pure: the console keeps the mask of a run.
//!
//! A text is masked where it enters an error, a report or a line of the log, before it is cut and before it is written as
//! JSON: a part of a value, or a value with escapes in it, would no longer be found.

use crate::rules::config::env_file::{self, Assignment};

/// Shorter values are no secrets: dots for every `1` or `true` would hide the log and protect nothing.
const SHORTEST: usize = 6;

/// Words of the tool and usual settings: where a variable has one of them, it tells nothing.
const WORDS: [&str; 34] = [
    "release",
    "releases",
    "status",
    "health",
    "healthy",
    "unhealthy",
    "environment",
    "production",
    "staging",
    "development",
    "testing",
    "default",
    "deploy",
    "deployed",
    "rollback",
    "switch",
    "instant",
    "reload",
    "container",
    "receipt",
    "requests",
    "request",
    "failed",
    "succeeded",
    "running",
    "exited",
    "service",
    "version",
    "warning",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "disabled",
    "enabled",
];

/// What the values of an `.env` look like wherever they may turn up. `public` is `deploy.toml`, which hides nothing.
pub fn secrets(assignments: &[Assignment], public: &str) -> Vec<String> {
    let values = assignments.iter().map(|assignment| assignment.value.as_str());
    let parts = values.flat_map(|value| [Some(value), password(value)]).flatten();
    let lines = parts.flat_map(|value| value.lines().map(str::trim).chain([value]));
    let secret = lines.filter(|value| is_secret(value, public));
    let mut forms: Vec<String> = secret.flat_map(forms).filter(|form| form.chars().count() >= SHORTEST).collect();
    forms.sort();
    forms.dedup();
    forms
}

/// The same of another file: of its lines, and of what stands in them behind `=` or `:`, or between quotes.
pub fn secrets_of_file(content: &[u8], public: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let value = |value: &str| Assignment { name: String::new(), value: value.to_owned() };
    let parts = text.lines().flat_map(|line| {
        let behind = line.split_once(['=', ':']).map(|(_, behind)| behind.trim().trim_end_matches([',', ';']));
        [Some(line), behind].into_iter().flatten().chain(line.split(['"', '\'']).skip(1).step_by(2))
    });
    let parts = parts.chain([text.as_ref()]).map(|part| value(part.trim().trim_matches(['"', '\''])));
    let assignments = env_file::read(content).unwrap_or_default();
    secrets(&parts.chain(assignments).collect::<Vec<Assignment>>(), public)
}

/// The contents of files that are kept one after the other, of each its path and its size in bytes before it. On their way NULs were
/// lost, so what cannot be told apart is one.
pub fn contents(kept: &[u8]) -> Vec<&[u8]> {
    let (mut contents, mut rest) = (Vec::new(), kept);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (head, below) = (&rest[..end], &rest[end + 1..]);
        let size = std::str::from_utf8(head).ok().and_then(|head| head.rsplit_once(' ')?.1.parse::<usize>().ok());
        let Some(size) = size.filter(|size| *size <= below.len()) else { break };
        contents.push(&below[..size]);
        rest = &below[size..];
    }
    if !rest.is_empty() {
        contents.push(rest);
    }
    contents
}

fn is_secret(value: &str, public: &str) -> bool {
    value.chars().count() >= SHORTEST && !public.contains(value) && !WORDS.contains(&value.to_lowercase().as_str())
}

/// The password of an address: `postgres://shop:PASSWORD@db/shop`. A library may print it alone.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, _) = authority.rsplit_once('@')?;
    Some(user.split_once(':')?.1)
}

/// A value as it is, and as compose, a shell, Python, JSON and an address write it.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let inside = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let address = value.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    vec![
        value.to_owned(),
        value.replace('$', "$$"),
        value.replace('\'', r"\'"),
        value.replace('\'', r"'\''"),
        value.escape_debug().to_string(),
        inside,
        address.collect(),
    ]
}

/// Values that are hidden.
#[derive(Debug, Default)]
pub struct Mask {
    /// The longest first, or a value that contains another would be torn apart.
    values: Vec<String>,
}

impl Mask {
    pub const fn new() -> Mask {
        Mask { values: Vec::new() }
    }

    /// Gives those that were not hidden before.
    pub fn add(&mut self, values: impl IntoIterator<Item = String>) -> Vec<String> {
        let values = values.into_iter().filter(|value| !value.is_empty());
        let mut new: Vec<String> = values.filter(|value| !self.values.contains(value)).collect();
        new.sort();
        new.dedup();
        self.values.extend(new.iter().cloned());
        self.values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        new
    }

    pub fn hide(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| {
            if text.contains(value.as_str()) { text.replace(value, "•••") } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::config::env_file;

    fn mask(env: &str, public: &str) -> Mask {
        let mut mask = Mask::default();
        mask.add(secrets(&env_file::read(env.as_bytes()).unwrap(), public));
        mask
    }

    #[test]
    fn whatever_a_file_is_written_in_its_values_are_hidden() {
        let hidden = |text: &str| secrets_of_file(text.as_bytes(), "");
        for text in [
            "PASSWORD=hunter22secret\n",
            "[db]\npassword = hunter22secret\n",
            "db:\n  password: hunter22secret\n",
            "{\"db\": {\"password\": \"hunter22secret\", \"port\": 1}}",
            "{\n  'password': 'hunter22secret',\n}",
            "hunter22secret",
        ] {
            assert!(hidden(text).contains(&"hunter22secret".to_owned()), "{text}: {:?}", hidden(text));
        }
        assert!(hidden("eyJzZWNyZXQiOiJ4In0==\n").contains(&"eyJzZWNyZXQiOiJ4In0==".to_owned()));
    }

    #[test]
    fn files_that_are_kept_together_are_told_apart() {
        let kept = b"a/b 3\nx\nyempty 0\nlast 9\nshort";
        assert_eq!(contents(kept), [&b"x\ny"[..], b"", b"last 9\nshort"]);
        assert_eq!(contents(b""), [&b""[..]; 0]);
    }

    #[test]
    fn a_value_is_hidden_in_every_way_it_may_be_written() {
        let env = "QUOTED=\"it's \\\"quoted\\\" secret\"\nJSON='{\n  \"private_key\": \"MIIEvQ/abc+def\"\n}'\n";
        let mask = mask(env, "");
        let value = "it's \"quoted\" secret";
        for text in [
            value.to_owned(),
            serde_json::to_string(value).unwrap(),
            format!("{value:?}"),
            "it'\\''s \"quoted\" secret".to_owned(),
            "it%27s%20%22quoted%22%20secret".to_owned(),
            "{\n  \"private_key\": \"MIIEvQ/abc+def\"\n}".to_owned(),
            serde_json::to_string("{\n  \"private_key\": \"MIIEvQ/abc+def\"\n}").unwrap(),
        ] {
            let hidden = mask.hide(&text);
            assert!(!hidden.contains("quoted") && !hidden.contains("MIIEvQ"), "{text} became {hidden}");
        }
    }

    #[test]
    fn the_password_of_an_address_is_a_secret_of_its_own() {
        let mask = mask("DATABASE_URL=postgresql+asyncpg://shop:pa55-word@db:5432/shop\n", "");
        assert_eq!(mask.hide("authentication failed with pa55-word"), "authentication failed with •••");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let public = "url = \"https://api.shop.example\"";
        let mask = mask("GIN_MODE=release\nDOMAIN=api.shop.example\nDEBUG=1\nMODE=abcde\nENV=Production\n", public);
        for text in ["release 20260131", "https://api.shop.example", "11111", "abcde", "production Production"] {
            assert_eq!(mask.hide(text), text);
        }
    }
}
