//! How a run ended: for a person, as JSON, as a line of the record, and as a GitHub job summary.

pub mod github;

use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::rules::canary::Answers;
use crate::rules::failure::{self, Kind};
use crate::rules::public_site::PublicSite;
use crate::rules::release::{ReleaseId, Slot};

/// Who runs this, and since when.
#[derive(Clone, Debug)]
pub struct Caller {
    pub name: String,
    pub started_at: SystemTime,
}

/// Requests sent through nginx during a deploy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    pub requests: u32,
    pub failed: u32,
    pub slowest_ms: u64,
    /// Requests that a limit of the site (`limit_req`) turned away, which say nothing of the version behind it.
    pub turned_away: u32,
    /// What the first failed request got.
    pub first_failure: Option<String>,
    /// Nothing served when the run began, so requests were sent from the verification on.
    #[serde(default)]
    pub from_verification: bool,
    /// Further web services that were not asked: they did not serve when the run began, or speak no HTTP.
    #[serde(default)]
    pub not_asked: Vec<String>,
}

/// Seconds with three decimals: the record is read back as it was written, which a JSON reader does not promise for more digits.
pub fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Receipt {
    pub fn describe(&self) -> String {
        let failure = self.first_failure.as_ref().map(|text| format!(" (the first: {text})")).unwrap_or_default();
        let turned_away = match self.turned_away {
            0 => String::new(),
            count => format!(", {count} more were turned away by a limit of the site"),
        };
        let since = if self.from_verification { " since the switch, as no release served before it" } else { "" };
        let not_asked = match self.not_asked.as_slice() {
            [] => String::new(),
            names => format!("; not asked, as not serving at the start or without HTTP: {}", names.join(", ")),
        };
        format!(
            "{} requests through nginx{since}, {} failed{failure}, slowest {} ms{turned_away}{not_asked}",
            self.requests, self.failed, self.slowest_ms
        )
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    pub name: String,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result")]
pub enum Outcome {
    Succeeded,
    Failed { exit_code: u8, error: String },
}

impl Outcome {
    /// `hide` comes before anything is cut or written as JSON.
    pub fn of(outcome: &Result<()>, hide: impl Fn(&str) -> String) -> Outcome {
        match outcome {
            Ok(()) => Outcome::Succeeded,
            Err(error) => Outcome::Failed {
                exit_code: Kind::of(error).unwrap_or(Kind::Unexpected) as u8,
                error: cut(&hide(&failure::chain(error))),
            },
        }
    }
}

/// Letters of an error that are recorded: what something printed in a single line may have no end.
const RECORDED: usize = 16 * 1024;

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(RECORDED).collect();
    if kept.len() < text.len() {
        kept.push_str(" … (cut)");
    }
    kept
}

/// Everything there is to say of a deploy, a rollback or a switch. A line of the record is one, and is read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The subcommand: `deploy`, `rollback`, `switch`, `ship` or `build`.
    pub command: String,
    pub environment: String,
    pub url: String,
    pub by: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub release: ReleaseId,
    pub from_release: Option<ReleaseId>,
    /// The slot that serves at the end.
    pub slot: Option<Slot>,
    /// The release that serves at the end.
    pub serves: Option<ReleaseId>,
    pub outcome: Outcome,
    pub undone: Vec<String>,
    /// What a person should know, each line as it was printed when it came up.
    #[serde(default)]
    pub warnings: Vec<String>,
    pub stages: Vec<StageTime>,
    /// What a canary came to at each share, with its figures.
    #[serde(default)]
    pub decisions: Vec<String>,
    /// What the version before has answered until the switch, where nginx counted it.
    #[serde(default)]
    pub before: Option<Answers>,
    pub seconds: f64,
    pub receipt: Option<Receipt>,
    /// The site as its users reach it.
    #[serde(default)]
    pub public: Option<PublicSite>,
    /// Commands and copies sent over SSH.
    pub commands: u32,
    /// Bytes of the archive that was sent; 0 where the release was on the host already.
    #[serde(default)]
    pub shipped_bytes: u64,
    pub run_url: Option<String>,
}

impl Report {
    /// For a person, at the end of the run.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        let width = self.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        for stage in &self.stages {
            lines.push(format!("{:<width$}  {:>7.2} s", stage.name, stage.seconds));
        }
        lines.push(format!("{:<width$}  {:>7.2} s", "total", self.seconds));
        lines.push(String::new());
        lines.push(format!("url      {}", self.url));
        lines.push(self.serving());
        if self.outcome == Outcome::Succeeded && self.serves.as_ref() != Some(&self.release) {
            lines.push(format!("release  {} is on the host", self.release));
        }
        if !self.undone.is_empty() {
            lines.push(format!("undone   {}", self.undone.join("; ")));
        }
        lines.extend(self.decisions.iter().map(|decision| format!("canary   {decision}")));
        if let Some(receipt) = &self.receipt {
            lines.push(format!("receipt  {}", receipt.describe()));
        }
        if let Some(public) = &self.public {
            lines.push(format!("public   {}", public.describe()));
        }
        // They were printed among the lines of the stages, of which there may be hundreds.
        lines.extend(self.warnings.iter().map(|warning| format!("warning  {}", warning.replace('\n', "\n         "))));
        if let Some(next) = self.next() {
            lines.push(format!("next     {next}"));
        }
        lines.join("\n")
    }

    fn serving(&self) -> String {
        match (&self.slot, &self.serves) {
            (Some(slot), Some(release)) => format!("serves   release {release} in slot {slot}"),
            (Some(slot), None) => format!("serves   nothing: slot {slot} is live and runs no release"),
            (None, _) if self.outcome == Outcome::Succeeded => "serves   nothing yet".to_owned(),
            (None, _) => "serves   not known".to_owned(),
        }
    }

    /// The one command to run next.
    fn next(&self) -> Option<String> {
        let Outcome::Failed { exit_code, .. } = &self.outcome else { return None };
        let environment = &self.environment;
        Some(match *exit_code {
            // There is no cause to be mended.
            code if code == Kind::Interrupted as u8 && self.serves.as_ref() == Some(&self.release) => {
                format!("cargo xtask status --env {environment}, which shows what was left undone")
            }
            code if code == Kind::Interrupted as u8 && self.command == "rollback" => {
                format!("cargo xtask rollback --to {} --env {environment}, once more", self.release)
            }
            code if code == Kind::Interrupted as u8 && self.command != "build" => {
                format!("cargo xtask {} --env {environment}, once more", self.command)
            }
            code if code == Kind::AfterSwitch as u8 => {
                format!("cargo xtask status --env {environment}, then deploy again")
            }
            // The way back needs a cause to be mended as a deploy does; meanwhile it is still the way back that is wanted.
            _ if self.command == "build" => {
                format!("fix the cause, then: cargo xtask build --release {} --env {environment}", self.release)
            }
            _ if self.command != "rollback" && self.command != "switch" => {
                format!("fix the cause, then: cargo xtask {} --env {environment}", self.command)
            }
            _ => format!(
                "fix the cause, then: cargo xtask {} --env {environment}; another release that is known to be good: `cargo xtask status --env \
                 {environment}` lists them, `rollback --to` goes there",
                self.command
            ),
        })
    }

    /// GitHub's job summary, in Markdown.
    pub fn summary(&self) -> String {
        let verdict = match &self.outcome {
            Outcome::Succeeded => format!("✅ {} succeeded", self.command),
            Outcome::Failed { exit_code, .. } => format!("❌ failed (exit code {exit_code})"),
        };
        let mut text = format!("### {verdict}: release `{}` to `{}`\n\n", self.release, self.environment);
        if let Outcome::Failed { error, .. } = &self.outcome {
            text.push_str(&format!("```text\n{}\n```\n\n", error.replace("```", "'''")));
        }
        text.push_str(&format!("{}\n\n", self.serving()));
        if let Some(receipt) = &self.receipt {
            text.push_str(&format!("Receipt: {}\n\n", receipt.describe()));
        }
        text.push_str("| stage | seconds |\n| --- | ---: |\n");
        for stage in &self.stages {
            text.push_str(&format!("| {} | {:.2} |\n", stage.name.replace('|', "\\|"), stage.seconds));
        }
        text.push_str(&format!("| total | {:.2} |\n", self.seconds));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::release;

    fn report(outcome: Outcome) -> Report {
        Report {
            command: "deploy".to_owned(),
            environment: "prod".to_owned(),
            url: "https://shop.example".to_owned(),
            by: "ada@laptop".to_owned(),
            started_at: "2026-01-31T17:45:02Z".to_owned(),
            release: release(9),
            from_release: Some(release(2)),
            slot: Some(Slot::Green),
            serves: Some(release(9)),
            outcome,
            undone: Vec::new(),
            warnings: Vec::new(),
            stages: vec![
                StageTime { name: "Build the images".to_owned(), seconds: 1.5 },
                StageTime { name: "Hook before boot: a | b".to_owned(), seconds: 0.25 },
            ],
            decisions: Vec::new(),
            before: None,
            seconds: 2.0,
            receipt: Some(Receipt { requests: 40, slowest_ms: 12, ..Receipt::default() }),
            public: Some(PublicSite {
                url: "https://shop.example/health".to_owned(),
                problem: None,
                certificate_days: Some(63),
            }),
            commands: 17,
            shipped_bytes: 1234,
            run_url: None,
        }
    }

    fn failed(exit_code: Kind) -> Report {
        let outcome = Outcome::Failed { exit_code: exit_code as u8, error: "stage 2 of 9: ```no```".to_owned() };
        let undone = vec!["Remove the failed version from slot green".to_owned()];
        let warnings = vec!["the accessory db has no `restart`".to_owned()];
        Report { undone, warnings, slot: Some(Slot::Blue), serves: Some(release(2)), ..report(outcome) }
    }

    #[test]
    fn a_receipt_says_what_it_does_not_count() {
        let receipt = Receipt { requests: 40, slowest_ms: 12, ..Receipt::default() };
        assert_eq!(receipt.describe(), "40 requests through nginx, 0 failed, slowest 12 ms");
        let partial = Receipt { from_verification: true, not_asked: vec!["site".to_owned()], ..receipt };
        assert_eq!(
            partial.describe(),
            "40 requests through nginx since the switch, as no release served before it, 0 failed, slowest 12 ms; not asked, as not serving at \
             the start or without HTTP: site"
        );
    }

    #[test]
    fn what_was_interrupted_has_no_cause_to_be_mended() {
        let next = |kind: Kind| failed(kind).next().unwrap();
        assert_eq!(next(Kind::Interrupted), "cargo xtask deploy --env prod, once more");
        assert!(next(Kind::Unhealthy).starts_with("fix the cause"));
    }

    #[test]
    fn a_line_of_the_record_is_read_back_as_it_was() {
        for report in [report(Outcome::Succeeded), failed(Kind::Unhealthy)] {
            let line = serde_json::to_string(&report).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
        }
    }

    #[test]
    fn a_report_reads_like_this() {
        insta::assert_snapshot!("success", report(Outcome::Succeeded).describe());
        insta::assert_snapshot!("failure", failed(Kind::Unhealthy).describe());
        insta::assert_snapshot!("job_summary", failed(Kind::Unhealthy).summary());
    }

    #[test]
    fn a_failure_names_the_command_that_comes_next() {
        let next = |command: &str, kind| Report { command: command.to_owned(), ..failed(kind) }.next().unwrap();
        assert!(next("deploy", Kind::Build).ends_with("cargo xtask deploy --env prod"));
        assert!(next("deploy", Kind::AfterSwitch).starts_with("cargo xtask status --env prod"));
        assert!(next("rollback", Kind::Boot).contains("cargo xtask rollback --env prod; another release"));
        assert_eq!(report(Outcome::Succeeded).next(), None);
    }

    #[test]
    fn an_error_without_an_end_is_cut() {
        let error = anyhow::anyhow!("x".repeat(100_000));
        let Outcome::Failed { exit_code, error } = Outcome::of(&Err(error), str::to_owned) else {
            panic!("no failure")
        };
        assert_eq!(exit_code, Kind::Unexpected as u8);
        assert!(error.len() < 17_000 && error.ends_with("(cut)"), "{} letters", error.len());
    }
}
