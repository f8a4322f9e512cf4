//! How the tests went, whoever ran them.

pub mod junit;

use std::path::PathBuf;

use serde::Serialize;

use junit::Results;

/// Failures that are listed by name; the JUnit file has them all.
const LISTED: usize = 20;

/// How the tests went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub results: Results,
    /// Of pytest: the groups of `tests_config.yaml`.
    pub groups_run: Vec<String>,
    pub groups_skipped: Vec<String>,
    pub warnings: Vec<String>,
    /// Of pytest: the version of Python that ran it.
    pub python: Option<String>,
    /// The commands that were run in its place, all of which ended with 0 unless tests are listed as failed.
    pub commands: Vec<String>,
    /// The results as JUnit XML, where the runner has written them.
    pub junit: Option<PathBuf>,
}

impl Summary {
    pub fn success(&self) -> bool {
        self.results.failed == 0 && self.results.errors == 0
    }

    /// `12 passed, 1 skipped in 0.51 s; groups: auth, routes; off: integrations`, then what failed.
    pub fn describe(&self) -> String {
        let Results { passed, failed, errors, skipped, seconds, failures } = &self.results;
        let counts = [(failed, "failed"), (errors, "errors"), (passed, "passed"), (skipped, "skipped")];
        let counts = counts.iter().filter(|(count, _)| **count > 0).map(|(count, what)| format!("{count} {what}"));
        let counts = counts.collect::<Vec<String>>().join(", ");
        let counts = match (counts.is_empty(), self.commands.is_empty()) {
            (false, _) => counts,
            (true, true) => "no test ran".to_owned(),
            (true, false) => "ended well".to_owned(),
        };
        let mut text = format!("{counts} in {seconds:.2} s");
        let commands = self.commands.join(", ");
        for (what, names) in
            [("groups", self.groups_run.join(", ")), ("off", self.groups_skipped.join(", ")), ("commands", commands)]
        {
            if !names.is_empty() {
                text.push_str(&format!("; {what}: {names}"));
            }
        }
        for failure in failures.iter().take(LISTED) {
            text.push_str(&format!("\n  failed: {failure}"));
        }
        if failures.len() > LISTED {
            text.push_str(&format!("\n  and {} more", failures.len() - LISTED));
        }
        if let Some(junit) = self.junit.as_ref().filter(|_| !self.success()) {
            text.push_str(&format!("\n  results: {}", junit.display()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_summary_reads_as_a_sentence_and_lists_what_failed() {
        let mut summary = Summary {
            results: Results { passed: 12, skipped: 1, seconds: 0.5, ..Results::default() },
            groups_run: words(&["auth", "routes"]),
            groups_skipped: words(&["bot"]),
            junit: Some(PathBuf::from("junit.xml")),
            ..Summary::default()
        };
        assert_eq!(summary.describe(), "12 passed, 1 skipped in 0.50 s; groups: auth, routes; off: bot");
        summary.results.failed = 22;
        summary.results.failures = (1..=22).map(|number| format!("tests/t.py::t{number}")).collect();
        let text = summary.describe();
        assert!(
            text.starts_with("22 failed, 12 passed") && text.contains("\n  failed: tests/t.py::t20\n  and 2 more\n"),
            "{text}"
        );
        assert!(!summary.success() && text.ends_with("results: junit.xml"));
    }

    #[test]
    fn commands_that_tell_no_numbers_have_ended_well() {
        let results = Results { seconds: 2.0, ..Results::default() };
        let summary = Summary { results, commands: words(&["npm ci", "npm test"]), ..Summary::default() };
        assert_eq!(summary.describe(), "ended well in 2.00 s; commands: npm ci, npm test");
    }
}
