//! What an answer over HTTP says, and when one to the health check counts as healthy. Pure: the probe asks, this decides.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rules::config::Health;
use crate::rules::release::ReleaseId;

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
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
    /// One of which the headers do not matter.
    #[cfg(test)]
    pub fn new(status: u16, body: impl Into<String>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

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
        let text = |header: &httparse::Header| String::from_utf8_lossy(header.value).trim().to_owned();
        let headers = response.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header))).collect();
        Ok(Answer { status: response.code.unwrap_or_default(), headers, body: body.to_owned() })
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
const STATUS: &str = "`[health] status` lists the statuses that count as healthy";
const EXPECT: &str = "`[health] expect` names fields of the JSON body; for an app that answers something else, `status = 200` or \
                      `expect_text = \"…\"` says what is enough";
const HOST: &str = "the health check sends the site's name as `Host`, as users do: configure the app to accept it, or name another \
                    one in `[health] host`";

/// What is sent with each request beside `Host`: a header of the project's own takes the place of a usual one. Apps behind TLS are
/// told that their users come over it, as nginx tells them; else they lead every request to https.
pub fn request_headers(health: &Health, behind_tls: bool) -> Vec<(String, String)> {
    let forwarded = behind_tls.then_some(("X-Forwarded-Proto", "https"));
    let usual = [("User-Agent", "xtask")].into_iter().chain(forwarded);
    let own = |name: &str| health.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
    let usual = usual.filter(|(name, _)| !own(name)).map(|(name, value)| (name.to_owned(), value.to_owned()));
    usual.chain(health.headers.clone()).collect()
}

/// Healthy is: a status, headers and a body as `[health]` expects them. Where the body is JSON and names a release in `release`, it
/// must be the one that is meant: an old container, a wrong port, a reload that did not take all answer 200 too.
///
/// # Errors
/// Why it is not healthy.
pub fn check(answer: &Answer, health: &Health, release: Option<&ReleaseId>) -> Result<(), Reason> {
    let status = || Reason::new(format!("status {}", answer.status), &answer.body);
    if health.connect {
        // Nothing is known of what such an app says; by these nginx says that it reaches nobody, with whatever page the site has.
        return if matches!(answer.status, 502..=504) { Err(status()) } else { Ok(()) };
    }
    if !health.status.contains(&answer.status) {
        return Err(match answer.status {
            400 | 421 => status().with_hint(HOST),
            403 if answer.body.contains("Blocked host") => status().with_hint(HOST),
            300..=399 | 401 | 403 | 404 | 405 => status().with_hint(PATH),
            200..=299 => status().with_hint(STATUS),
            _ => status(),
        });
    }
    for (name, wanted) in &health.expect_headers {
        let given = answer.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        if given != Some(wanted) {
            let given = given.map_or("not there", String::as_str);
            return Err(Reason::new(format!("the header {name} is not {wanted:?} but"), given));
        }
    }
    if let Some(text) = health.expect_text.as_ref().filter(|text| !answer.body.contains(text.as_str())) {
        return Err(Reason::new(format!("{text:?} is not in the body"), &answer.body).with_hint(EXPECT_TEXT));
    }
    check_json(answer, &health.expect, release)
}

const EXPECT_TEXT: &str = "`[health] expect_text` is what the body has to contain";

fn check_json(answer: &Answer, expect: &BTreeMap<String, Value>, release: Option<&ReleaseId>) -> Result<(), Reason> {
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
        let release = ReleaseId::parse("20260131-174502-1a2b3c4").unwrap();
        check(&Answer::new(status, body), &Health::default(), Some(&release))
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
    fn an_app_that_says_no_json_is_judged_by_what_it_says() {
        let html = Health {
            expect: BTreeMap::new(),
            expect_text: Some("Welcome".to_owned()),
            status: vec![200, 203],
            expect_headers: BTreeMap::from([("X-App".to_owned(), "up".to_owned())]),
            ..Health::default()
        };
        let release = ReleaseId::parse("20260131-174502-1a2b3c4").unwrap();
        let headers = |value: &str| vec![("x-app".to_owned(), value.to_owned())];
        let said = |status, value: &str, body: &str| {
            let answer = Answer { status, headers: headers(value), body: body.to_owned() };
            check(&answer, &html, Some(&release)).map_err(|reason| reason.shown(str::to_owned))
        };
        assert_eq!(said(203, "up", "<h1>Welcome</h1>"), Ok(()));
        assert_eq!(said(200, "down", "Welcome"), Err("the header X-App is not \"up\" but: down".to_owned()));
        assert_eq!(said(200, "up", "Sorry"), Err("\"Welcome\" is not in the body: Sorry".to_owned()));
        assert_eq!(said(204, "up", "Welcome"), Err("status 204: Welcome".to_owned()));
        let empty = Health { expect: BTreeMap::new(), status: vec![204], ..Health::default() };
        assert_eq!(check(&Answer::new(204, ""), &empty, Some(&release)), Ok(()));
    }

    #[test]
    fn where_nothing_is_asked_only_nginx_can_say_that_nobody_is_there() {
        let connect = Health { connect: true, ..Health::default() };
        let of_nginx = "<center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center>";
        for page in [of_nginx, "<h1>We are sorry</h1>"] {
            assert!(check(&Answer::new(502, page), &connect, None).is_err(), "{page}");
        }
        for answer in [Answer::new(404, of_nginx), Answer::new(500, "of the app"), Answer::new(200, "")] {
            assert_eq!(check(&answer, &connect, None), Ok(()), "{answer:?}");
        }
    }

    #[test]
    fn headers_of_the_project_s_own_take_the_place_of_usual_ones() {
        let of =
            |name: &str| Health { headers: BTreeMap::from([(name.to_owned(), "x".to_owned())]), ..Health::default() };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            request_headers(&Health::default(), true),
            [pair("User-Agent", "xtask"), pair("X-Forwarded-Proto", "https")]
        );
        assert_eq!(request_headers(&of("user-agent"), false), [pair("user-agent", "x")]);
        assert_eq!(request_headers(&of("X-Token"), false), [pair("User-Agent", "xtask"), pair("X-Token", "x")]);
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
        let turned_away = |status, body: &str| Answer::new(status, body).is_turned_away();
        assert!(turned_away(503, of_nginx) && turned_away(429, of_nginx));
        assert!(!turned_away(502, of_nginx) && !turned_away(503, r#"{"status":"starting"}"#));
    }
}
