//! The section `[test]`: pytest, unless other commands or nothing are named.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Problem, checks};
use crate::rules::config::{Pytest, TestCommands, Tests};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RawTests {
    off: bool,
    command: Option<toml::Value>,
    junit: Option<String>,
    env: BTreeMap<String, String>,
    python: Option<String>,
    requirements: Option<String>,
    folder: Option<String>,
    selection: Option<String>,
    groups: Option<BTreeMap<String, Vec<String>>>,
}

impl RawTests {
    /// # Errors
    /// Values that cannot be, and settings of pytest beside commands that are run in its place.
    pub fn resolve(self) -> Result<Tests, Problem> {
        let of_pytest = [
            ("python", self.python.is_some()),
            ("requirements", self.requirements.is_some()),
            ("folder", self.folder.is_some()),
            ("selection", self.selection.is_some()),
            ("groups", self.groups.is_some()),
        ];
        if self.off && self.command.is_some() {
            return Err(Problem::at("test.off", "[test] has `off` and `command`: leave one of them out"));
        }
        if self.off {
            return Ok(Tests::Off);
        }
        let Some(command) = &self.command else {
            if self.junit.is_some() {
                let text = "[test] junit: pytest's results are always written; this is for `command`";
                return Err(Problem::at("test.junit", text));
            }
            return self.pytest();
        };
        if let Some((key, _)) = of_pytest.iter().find(|(_, given)| *given) {
            let text = format!("[test] {key} is for pytest, and `command` is run in its place: leave one of them out");
            return Err(Problem::at(&format!("test.{key}"), text));
        }
        let commands = commands(command).ok_or_else(|| {
            Problem::at(
                "test.command",
                "[test] command: the words of a command, as in [\"npm\", \"test\"], or a list of such lists",
            )
        })?;
        if let Some(path) = &self.junit {
            checks::relative(path).map_err(|problem| Problem::at("test.junit", format!("[test] junit: {problem}")))?;
        }
        Ok(Tests::Commands(TestCommands { commands, junit: self.junit, env: self.env }))
    }

    fn pytest(self) -> Result<Tests, Problem> {
        let usual = Pytest::default();
        let tests = Pytest {
            python: self.python.unwrap_or(usual.python),
            requirements: self.requirements.unwrap_or(usual.requirements),
            folder: self.folder.unwrap_or(usual.folder),
            selection: self.selection.unwrap_or(usual.selection),
            groups: self.groups.unwrap_or_default(),
            env: self.env,
        };
        for (key, path) in
            [("requirements", &tests.requirements), ("folder", &tests.folder), ("selection", &tests.selection)]
        {
            checks::relative(path)
                .map_err(|problem| Problem::at(&format!("test.{key}"), format!("[test] {problem}")))?;
        }
        Ok(Tests::Pytest(tests))
    }
}

/// `["npm", "test"]`, or `[["npm", "ci"], ["npm", "test"]]`. `None`: neither, or a command without a word.
fn commands(value: &toml::Value) -> Option<Vec<Vec<String>>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let words = |list: &[toml::Value]| -> Option<Vec<String>> {
        let words: Vec<String> = list.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        let plain = words.first().is_some_and(|program| !program.is_empty());
        (plain && words.iter().all(|word| !word.contains('\0'))).then_some(words)
    };
    match list.iter().all(toml::Value::is_str) {
        true => Some(vec![words(list)?]),
        false => list.iter().map(|command| words(command.as_array()?)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tests, String> {
        let raw: RawTests = toml::from_str(text).map_err(|error| error.to_string())?;
        raw.resolve().map_err(|problem| problem.text)
    }

    #[test]
    fn one_command_or_several_take_the_place_of_pytest() {
        for (text, expected) in [
            ("command = [\"npm\", \"test\"]", vec![vec!["npm", "test"]]),
            ("command = [[\"npm\", \"ci\"], [\"npm\", \"test\"]]", vec![vec!["npm", "ci"], vec!["npm", "test"]]),
        ] {
            let Ok(Tests::Commands(tests)) = read(text) else { panic!("{text}: no commands") };
            assert_eq!(tests.commands, expected, "{text}");
        }
        let Ok(Tests::Pytest(pytest)) = read("") else { panic!("pytest is the default") };
        assert_eq!((pytest.folder.as_str(), pytest.python.as_str()), ("tests", "3.11"));
        assert!(matches!(read("off = true"), Ok(Tests::Off)));
    }

    #[test]
    fn what_is_no_command_or_contradicts_itself_is_told() {
        let shape = "the words of a command";
        for (text, told) in [
            ("command = \"npm test\"", shape),
            ("command = []", shape),
            ("command = [[]]", shape),
            ("command = [\"\"]", shape),
            ("command = [\"npm\", [\"test\"]]", shape),
            ("command = [1]", shape),
            ("command = [\"npm\"]\nfolder = \"spec\"", "folder is for pytest"),
            ("command = [\"npm\"]\noff = true", "leave one of them out"),
            ("command = [\"npm\"]\njunit = \"../x\"", "inside the repository"),
            ("junit = \"x.xml\"", "always written"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
        }
    }
}
