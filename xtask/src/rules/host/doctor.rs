//! `doctor`: what is well with an environment, what a person should look at, and what is wrong, each with why it matters and what mends it.

pub mod facts;
mod here;
mod server;

use serde::Serialize;

pub use here::{Here, here};
pub use server::{Server, server};

/// How it is with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    Good,
    /// A deploy works, and a person should know.
    Look,
    /// A deploy, a rollback or a reboot would not go well.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub mark: Mark,
    /// One or two words.
    pub about: &'static str,
    pub text: String,
    /// Why it matters.
    pub why: Option<String>,
    /// What mends it: a command, or what to change where.
    pub remedy: Option<String>,
}

impl Finding {
    pub fn good(about: &'static str, text: impl Into<String>) -> Finding {
        Finding { mark: Mark::Good, about, text: text.into(), why: None, remedy: None }
    }

    pub fn look(about: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { mark: Mark::Look, about, text: text.into(), why: None, remedy: Some(remedy.into()) }
    }

    pub fn bad(
        about: &'static str,
        text: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { mark: Mark::Bad, about, text: text.into(), why: Some(why.into()), remedy: Some(remedy.into()) }
    }

    /// A problem that says itself why it is one, and what to do.
    pub fn problem(about: &'static str, text: impl Into<String>) -> Finding {
        Finding { mark: Mark::Bad, about, text: text.into(), why: None, remedy: None }
    }
}

/// All that was looked at.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    pub environment: String,
    pub findings: Vec<Finding>,
    /// Times that this machine waited for an answer of the host.
    pub round_trips: u32,
    pub seconds: f64,
}

impl Diagnosis {
    pub fn count(&self, mark: Mark) -> usize {
        self.findings.iter().filter(|finding| finding.mark == mark).count()
    }

    /// For a person.
    pub fn describe(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for finding in &self.findings {
            let mark = match finding.mark {
                Mark::Good => '✓',
                Mark::Look => '!',
                Mark::Bad => '✗',
            };
            let inner = format!("{:width$}    ", "");
            let text = finding.text.replace('\n', &format!("\n{inner}"));
            lines.push(format!("{mark} {:<width$}  {text}", finding.about));
            lines.extend(finding.why.iter().map(|why| format!("{inner}why: {why}")));
            lines.extend(finding.remedy.iter().map(|remedy| format!("{inner}do:  {remedy}")));
        }
        lines.push(match (self.count(Mark::Bad), self.count(Mark::Look)) {
            (0, 0) => format!("environment {}: all is well", self.environment),
            (0, look) => format!("environment {}: ready; {look} to look at", self.environment),
            (bad, look) => format!("environment {}: {bad} to mend, {look} to look at", self.environment),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
