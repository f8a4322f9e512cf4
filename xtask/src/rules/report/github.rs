//! The words GitHub Actions understands in a log: groups, annotations, masks, and the job summary.
//!
//! Facts: docs.github.com, "Workflow commands for GitHub Actions". Data escapes `%`, CR and LF. What a child prints
//! between `stop-commands` and its token is text, never a command.

use std::path::PathBuf;

pub const END_GROUP: &str = "::endgroup::";

/// A run under GitHub Actions.
#[derive(Debug)]
pub struct Actions {
    /// Unguessable by what a child prints.
    token: String,
    /// Where the job summary is appended (`GITHUB_STEP_SUMMARY`).
    pub summary: Option<PathBuf>,
    /// The page of this run, for the record.
    pub run_url: Option<String>,
}

impl Actions {
    pub fn new(token: String, summary: Option<PathBuf>, run_url: Option<String>) -> Actions {
        Actions { token, summary, run_url }
    }

    pub fn stop_commands(&self) -> String {
        format!("::stop-commands::{}", self.token)
    }

    pub fn resume_commands(&self) -> String {
        format!("::{}::", self.token)
    }
}

pub fn group(name: &str) -> String {
    format!("::group::{}", escape(name))
}

pub fn mask(value: &str) -> String {
    format!("::add-mask::{}", escape(value))
}

/// `level`: `error`, `warning` or `notice`.
pub fn annotation(level: &str, text: &str) -> String {
    format!("::{level} title=deploy::{}", escape(text))
}

/// A text in whose lines the runner finds no command. It trims a line and looks for `::` at its beginning, and for the older
/// form `##[` anywhere (actions/runner, `ActionCommand.cs`).
pub fn as_text(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace("##[", "# #[");
        let begun = line.len() - line.trim_start().len();
        match line[begun..].strip_prefix("::") {
            Some(rest) => format!("{}: :{rest}", &line[..begun]),
            None => line,
        }
    };
    text.split('\n').map(line).collect::<Vec<String>>().join("\n")
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_no_command() {
        let said = "  ::stop-commands::x\n\t\u{a0}::warning::y\na ##[error]z\nfine::not a command";
        let text = as_text(said);
        assert!(text.lines().all(|line| !line.trim_start().starts_with("::") && !line.contains("##[")), "{text}");
        assert_eq!(text.lines().last(), Some("fine::not a command"));
    }

    #[test]
    fn a_message_stays_one_command_whatever_it_says() {
        let line = annotation("error", "50% failed\n::error::forged\r");
        assert_eq!(line, "::error title=deploy::50%25 failed%0A::error::forged%0D");
        assert_eq!(mask("a\nb"), "::add-mask::a%0Ab");
    }
}
