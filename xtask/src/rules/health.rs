//! What an answer over HTTP says, and when one to the health check counts as healthy. Pure: the probe asks, this decides.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rules::release::ReleaseId;

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why an answer is not healthy, or is none. What it quotes may hold a secret, so it is shown only through a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    what: String,
    quoted: String,
    after: String,
    /// The setting that would help, if one would.
    pub hint: Option<&'static str>,
}

/// Letters of an answer that are shown.
const EXCERPT: usize = 160;

impl Reason {
    pub fn new(what: impl Into<String>, quoted: &str) -> Reason {
        Reason { what: format!("{}: ", what.into()), quoted: quoted.to_owned(), after: String::new(), hint: None }
    }

    fn with_hint(self, hint: &'static str) -> Reason {
        Reason { hint: Some(hint), ..self }
    }

    /// For a person. `hide` comes before the cut, or the beginning of a value would be left.
    pub fn shown(&self, hide: impl Fn(&str) -> String) -> String {
        let quoted = hide(self.quoted.trim());
        let start: String = quoted.chars().take(EXCERPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if start.is_empty() {
            self.what.trim_end_matches(": ").to_owned()
        } else {
            format!("{}{start}{}", self.what, self.after)
        }
    }
}

/// Headers of an answer that are read.
const HEADERS: usize = 64;

impl Answer {
    /// An answer of `bytes` bytes as it came, up to the end of its connection.
    ///
    /// # Errors
    /// Where it is no HTTP, or shorter than it says itself.
    pub fn parse(text: &str, bytes: usize) -> Result<Answer, Reason> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(text.as_bytes()) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => {
                return Err(Reason::new("the answer ends before the end of its headers", text));
            }
            Err(_) => return Err(Reason::new("the answer is not HTTP", text).with_hint(WEB_PORT)),
        };
        let body = &text[head..];
        let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
        // Where it is no UTF-8, not every byte has come as it was.
        if let Some(length) = length.filter(|length| text.len() == bytes && *length > body.len()) {
            return Err(Reason::new(format!("the answer was cut short: {} of {length} bytes", body.len()), ""));
        }
        Ok(Answer { status: response.code.unwrap_or_default(), body: body.to_owned() })
    }

    /// Whether nginx itself says this, and not the app behind it: its own page for an error names it.
    pub fn is_of_nginx(&self) -> bool {
        self.status >= 400 && self.body.contains("<center>nginx")
    }

    /// Whether nginx turned the request away for a limit of its site (`limit_req`, `limit_conn`).
    pub fn is_turned_away(&self) -> bool {
        matches!(self.status, 429 | 503) && self.is_of_nginx()
    }
}

pub const WEB_PORT: &str = "`[project] web_port` is the port on which the app listens inside its container";
const PATH: &str = "`[health] path` is the route that is asked";
const EXPECT: &str = "`[health] expect` names the fields of the JSON body; with `expect = {}` the status 200 is enough";
const HOST: &str = "the health check sends the site's name as `Host`, as users do: configure the app to accept it";

/// Healthy is: status 200, a JSON object with the expected fields. Where it names a release in `release`, it must be
/// the one that is meant: an old container, a wrong port, a reload that did not take all answer 200 too.
///
/// # Errors
/// Why it is not healthy.
pub fn check(answer: &Answer, expect: &BTreeMap<String, Value>, release: Option<&ReleaseId>) -> Result<(), Reason> {
    if answer.status != 200 {
        let reason = Reason::new(format!("status {}", answer.status), &answer.body);
        return Err(match answer.status {
            400 | 421 => reason.with_hint(HOST),
            300..=399 | 401 | 403 | 404 | 405 => reason.with_hint(PATH),
            _ => reason,
        });
    }
    if expect.is_empty() && release.is_none() {
        return Ok(());
    }
    let body: Option<Value> = serde_json::from_str(&answer.body).ok();
    for (field, wanted) in expect {
        let Some(Value::Object(fields)) = &body else {
            return Err(Reason::new("the body is not a JSON object", &answer.body).with_hint(EXPECT));
        };
        if fields.get(field) != Some(wanted) {
            return Err(Reason::new(format!("`{field}` is not {wanted} in the body"), &answer.body).with_hint(EXPECT));
        }
    }
    let named = body.as_ref().and_then(|body| body.get("release")).and_then(Value::as_str);
    match (named, release) {
        (Some(named), Some(release)) if named != release.as_str() => {
            let (what, after) = ("release ".to_owned(), format!(" answered, not {release}"));
            Err(Reason { what, quoted: named.to_owned(), after, hint: None })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<(), Reason> {
        let expect = BTreeMap::from([("status".to_owned(), Value::from("ok"))]);
        let release = ReleaseId::parse("20260131-174502-1a2b3c4").unwrap();
        check(&Answer { status, body: body.to_owned() }, &expect, Some(&release))
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
        let shown = |status, body: &str| judged(status, body).unwrap_err().shown(str::to_owned);
        assert_eq!(
            shown(200, r#"{"status":"ok","release":"20260130-000000-0000000"}"#),
            "release 20260130-000000-0000000 answered, not 20260131-174502-1a2b3c4"
        );
        assert_eq!(shown(503, "db\ndown"), "status 503: db down");
    }

    /// The setting that would help, where one would.
    #[test]
    fn the_reason_has_the_setting_that_helps() {
        for status in [301, 401, 404] {
            assert_eq!(judged(status, "").unwrap_err().hint, Some(PATH), "{status}");
        }
        assert_eq!(judged(400, "").unwrap_err().hint, Some(HOST));
        assert_eq!(judged(200, "pong").unwrap_err().hint, Some(EXPECT));
        assert_eq!(judged(500, "").unwrap_err().hint, None);
        assert_eq!(Answer::parse("220 smtp ready\r\n", 16).unwrap_err().hint, Some(WEB_PORT));
    }

    #[test]
    fn what_is_cut_is_masked_before() {
        let secret = "s3cret".repeat(60);
        let reason = judged(500, &format!("could not connect with {secret}")).unwrap_err();
        let shown = reason.shown(|text| text.replace(&secret, "•••"));
        assert_eq!(shown, "status 500: could not connect with •••");
    }

    #[test]
    fn an_answer_of_nginx_itself_is_told_from_the_app_s() {
        let of_nginx = "<html><body><center><h1>503 Service Temporarily Unavailable</h1></center><hr><center>nginx/1.22.1</center></body></html>";
        let turned_away = |status, body: &str| Answer { status, body: body.to_owned() }.is_turned_away();
        assert!(turned_away(503, of_nginx) && turned_away(429, of_nginx));
        assert!(!turned_away(502, of_nginx) && !turned_away(503, r#"{"status":"starting"}"#));
    }
}
