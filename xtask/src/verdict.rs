//! What an answer over HTTP says, and when one to the health check counts as healthy. Pure: the probe asks, this decides.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::release::ReleaseId;

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Headers of an answer that are read.
const HEADERS: usize = 64;

impl Answer {
    /// An answer of `bytes` bytes as it came, up to the end of its connection.
    ///
    /// # Errors
    /// Where it is no HTTP, or shorter than it says itself.
    pub fn parse(text: &str, bytes: usize) -> Result<Answer, String> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(text.as_bytes()) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Err(format!("the answer ends in its head{}", excerpt(text))),
            Err(_) => return Err(format!("the answer is not HTTP{}", excerpt(text))),
        };
        let body = &text[head..];
        let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
        // Where it is no UTF-8, not every byte has come as it was.
        if let Some(length) = length.filter(|length| text.len() == bytes && *length > body.len()) {
            return Err(format!("the answer was cut short: {} of {length} bytes", body.len()));
        }
        Ok(Answer { status: response.code.unwrap_or_default(), body: body.to_owned() })
    }
}

/// Healthy is: status 200, a JSON object with the expected fields. Where it names a release in `release`, it must be
/// the one that is meant: an old container, a wrong port, a reload that did not take all answer 200 too.
///
/// # Errors
/// Why it is not healthy, for a person.
pub fn judge(answer: &Answer, expect: &BTreeMap<String, Value>, release: Option<&ReleaseId>) -> Result<(), String> {
    if answer.status != 200 {
        return Err(format!("status {}{}", answer.status, excerpt(&answer.body)));
    }
    if expect.is_empty() && release.is_none() {
        return Ok(());
    }
    let body: Option<Value> = serde_json::from_str(&answer.body).ok();
    for (field, wanted) in expect {
        let Some(Value::Object(fields)) = &body else {
            return Err(format!("the body is not a JSON object{}", excerpt(&answer.body)));
        };
        if fields.get(field) != Some(wanted) {
            return Err(format!("`{field}` is not {wanted} in the body{}", excerpt(&answer.body)));
        }
    }
    let named = body.as_ref().and_then(|body| body.get("release")).and_then(Value::as_str);
    match (named, release) {
        (Some(named), Some(release)) if named != release.as_str() => {
            Err(format!("release {} answered, not {release}", excerpt(named).trim_start_matches(": ")))
        }
        _ => Ok(()),
    }
}

fn excerpt(body: &str) -> String {
    let start: String = body.trim().chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if start.is_empty() { start } else { format!(": {start}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<(), String> {
        let expect = BTreeMap::from([("status".to_owned(), Value::from("ok"))]);
        let release = ReleaseId::parse("20260131-174502-1a2b3c4").unwrap();
        judge(&Answer { status, body: body.to_owned() }, &expect, Some(&release))
    }

    #[test]
    fn only_the_right_answer_of_the_right_release_is_healthy() {
        assert_eq!(judged(200, r#"{"status":"ok"}"#), Ok(()));
        assert_eq!(judged(200, r#"{"status":"ok","release":"20260131-174502-1a2b3c4","db":1}"#), Ok(()));
        assert_eq!(judged(200, r#"{"status":"ok","release":null}"#), Ok(()));
        for (status, body) in [
            (500, r#"{"status":"ok"}"#),
            (302, ""),
            (204, ""),
            (200, ""),
            (200, "ok"),
            (200, r#"["status","ok"]"#),
            (200, r#"{"status":"starting"}"#),
            (200, r#"{"status":"ok","release":"20260130-000000-0000000"}"#),
        ] {
            assert!(judged(status, body).is_err(), "{status} {body} counted as healthy");
        }
    }

    #[test]
    fn the_reason_names_what_was_seen() {
        let reason = judged(200, r#"{"status":"ok","release":"20260130-000000-0000000"}"#).unwrap_err();
        assert_eq!(reason, "release 20260130-000000-0000000 answered, not 20260131-174502-1a2b3c4");
        assert_eq!(judged(503, "db\ndown").unwrap_err(), "status 503: db down");
    }
}
