//! Whether pytest came to its end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::remove_stale;
use crate::rules::failure::Kind;

/// Whether pytest is asked for something else than to run tests.
pub fn runs_nothing(extra: &[String]) -> bool {
    const ASKED: [&str; 10] = [
        "--help",
        "-h",
        "--version",
        "-V",
        "--collect-only",
        "--co",
        "--fixtures",
        "--markers",
        "--setup-plan",
        "--cache-show",
    ];
    extra.iter().any(|argument| ASKED.contains(&argument.split('=').next().unwrap_or_default()))
}

/// Whether pytest came to its end: a test, or what it imports, may end the process, and then what has not run is missing nowhere.
/// A plugin of ours writes down how many tests were chosen and how many have run.
pub struct Ending {
    file: PathBuf,
}

impl Ending {
    pub const PLUGIN: &str = "xtask_ending";
    pub const FOLDER: &str = "pytest-plugin";
    pub const FILE: &str = "pytest-ending";
    pub const VARIABLE: &str = "XTASK_PYTEST_ENDING";

    /// Puts the plugin where pytest finds it, and removes what an earlier run has written.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn prepare(state: &Path) -> Result<Ending> {
        let folder = state.join(Ending::FOLDER);
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let plugin = folder.join(format!("{}.py", Ending::PLUGIN));
        std::fs::write(&plugin, include_str!("ending.py")).with_context(|| format!("writing {}", plugin.display()))?;
        let file = state.join(Ending::FILE);
        remove_stale(&file)?;
        Ok(Ending { file })
    }

    /// # Errors
    /// [`Kind::Tests`] where pytest ended before its end, although it says it succeeded.
    pub fn check(&self, extra: &[String]) -> Result<()> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [chosen, run] if run < chosen => Err(Kind::Tests.error(format!(
                "pytest ended after {run} of {chosen} tests: something ended it (`pytest.exit`, a limit of failures); its last lines are \
                 above"
            ))),
            [_, _] => Ok(()),
            // Asked for its help or the like, it runs no test.
            _ if runs_nothing(extra) => Ok(()),
            _ => Err(Kind::Tests.error(
                "pytest ended before its end, with exit code 0: a test, or what it imports, has ended the process (`os._exit`); its last \
                 lines are above",
            )),
        }
    }
}
