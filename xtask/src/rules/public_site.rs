//! The site as its users reach it: by its public name, from outside. What is wrong there is told, and undoes nothing: a proxy
//! in front, a name that has not moved yet, a site that only the inside reaches are normal.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::rules::config::Health;
use crate::rules::health::{self, Answer};
use crate::rules::release::ReleaseId;
use crate::rules::utc;

/// Days before its end from which on a certificate is a problem. Let's Encrypt's clients renew 30 days before.
const RENEW: i64 = 14;

/// What a request to the public address came back with.
pub struct Asked {
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
    /// When the certificate ends, where there is one.
    pub certificate_ends: Option<SystemTime>,
}

/// What there is to say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicSite {
    /// The address that was asked.
    pub url: String,
    /// What is wrong there, if something is.
    pub problem: Option<String>,
    /// Whole days until the certificate ends; negative, where it has ended.
    pub certificate_days: Option<i64>,
}

impl PublicSite {
    /// `hide` masks values of the `.env` in what an app has said.
    pub fn of(
        url: &str,
        asked: Asked,
        health: &Health,
        release: Option<&ReleaseId>,
        now: SystemTime,
        hide: impl Fn(&str) -> String,
    ) -> PublicSite {
        let certificate_days =
            asked.certificate_ends.map(|end| (utc::seconds(end) - utc::seconds(now)).div_euclid(86_400));
        let problem = match asked.answer {
            // It says nothing of the version behind the limit.
            Ok(answer) if answer.is_turned_away() => None,
            Ok(answer) => {
                health::check(&answer, health, release).err().map(|reason| format!("gives {}", reason.shown(hide)))
            }
            Err(why) => Some(format!("does not answer: {why}")),
        };
        PublicSite { url: url.to_owned(), problem, certificate_days }
    }

    /// One that has not come back.
    pub fn late(url: &str, waited: Duration) -> PublicSite {
        let problem = Some(format!("does not answer within {} s", waited.as_secs()));
        PublicSite { url: url.to_owned(), problem, certificate_days: None }
    }

    /// One line.
    pub fn describe(&self) -> String {
        let certificate = match self.certificate_days {
            Some(days) if days < 0 => format!("; its certificate ended {} days ago", -days),
            Some(days) => format!("; its certificate is valid for {days} more days"),
            None => String::new(),
        };
        let said = self.problem.as_deref().unwrap_or("answers as it should");
        format!("{} {said}{certificate}", self.url)
    }

    /// What a person should look at, if anything.
    pub fn warning(&self) -> Option<String> {
        let soon = self.certificate_days.is_some_and(|days| days < RENEW);
        let remedy = match (&self.problem, soon) {
            (None, false) => return None,
            (None, true) => "renew the certificate",
            (Some(_), _) => {
                "nothing was undone for it, as the server itself answers; look at DNS, the certificate and what stands in front of the \
                 server, or set `public = false` where users reach the site another way"
            }
        };
        Some(format!("as users reach it, {}: {remedy}", self.describe()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{config, release};

    const NOW: &str = "2026-02-01T12:00:00Z";

    fn site(answer: Result<Answer, String>, certificate_ends: Option<&str>) -> PublicSite {
        let certificate_ends = certificate_ends.map(|end| humantime::parse_rfc3339(end).unwrap());
        let asked = Asked { answer, certificate_ends };
        let hide = |text: &str| text.replace("hunter2", "•••");
        PublicSite::of(
            "https://shop.example/health",
            asked,
            &config().health,
            Some(&release(2)),
            humantime::parse_rfc3339(NOW).unwrap(),
            hide,
        )
    }

    fn said(status: u16, body: &str) -> Result<Answer, String> {
        Ok(Answer::new(status, body))
    }

    #[test]
    fn a_site_that_answers_with_the_release_needs_no_warning() {
        let body = format!(r#"{{"status":"ok","release":"{}"}}"#, release(2));
        let site = site(said(200, &body), Some("2026-04-05T11:00:00Z"));
        assert_eq!(site.warning(), None);
        let line = "https://shop.example/health answers as it should; its certificate is valid for 62 more days";
        assert_eq!(site.describe(), line);
        assert_eq!(self::site(said(503, "<center>nginx</center>"), None).warning(), None, "a limit of the site");
    }

    #[test]
    fn another_release_an_error_and_a_name_that_leads_nowhere_are_told() {
        for (answer, expected) in [
            (
                said(200, r#"{"status":"ok","release":"20260130-000000-0000000"}"#),
                "gives release 20260130-000000-0000000",
            ),
            (said(502, "token hunter2"), "gives status 502: token •••"),
            (Err("no such host".to_owned()), "does not answer: no such host"),
        ] {
            let warning = site(answer, None).warning().unwrap();
            assert!(warning.contains(expected) && warning.contains("public = false"), "{warning}");
        }
    }

    #[test]
    fn a_certificate_is_told_of_two_weeks_before_its_end() {
        let at = |end: &str| site(said(200, r#"{"status":"ok"}"#), Some(end));
        assert_eq!(at("2026-02-15T12:00:01Z").warning(), None);
        assert!(at("2026-02-15T11:00:00Z").warning().unwrap().contains("valid for 13 more days: renew"));
        assert!(at("2026-01-31T13:00:00Z").warning().unwrap().contains("ended 1 days ago"));
        assert_eq!(at("2026-01-31T13:00:00Z").certificate_days, Some(-1));
    }
}
