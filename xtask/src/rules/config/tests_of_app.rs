//! Who runs the app's tests, and how.

use std::collections::BTreeMap;

/// Who runs the tests of a deploy, and of `cargo xtask test`.
#[derive(Clone, Debug)]
pub enum Tests {
    /// Nobody: `[test] off = true`.
    Off,
    Pytest(Pytest),
    Commands(TestCommands),
}

/// Commands in place of pytest: the tests have passed where all of them end with 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestCommands {
    /// The words of each; run in the app's folder, in this order.
    pub commands: Vec<Vec<String>>,
    /// The JUnit XML that they write, relative to the app's folder.
    pub junit: Option<String>,
    /// Variables that they get.
    pub env: BTreeMap<String, String>,
}

/// How pytest is run.
#[derive(Clone, Debug)]
pub struct Pytest {
    /// Python version that is expected; another one is a warning.
    pub python: String,
    /// Relative to `deploy.toml`.
    pub requirements: String,
    /// Relative to the app's folder.
    pub folder: String,
    /// The file that switches groups on and off, relative to `deploy.toml`.
    pub selection: String,
    /// Groups that are not `<folder>/<group>`: their paths, relative to the app's folder.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Variables that the tests get.
    pub env: BTreeMap<String, String>,
}

impl Default for Pytest {
    fn default() -> Pytest {
        Pytest {
            python: "3.11".to_owned(),
            requirements: "requirements.txt".to_owned(),
            folder: "tests".to_owned(),
            selection: "tests_config.yaml".to_owned(),
            groups: BTreeMap::new(),
            env: BTreeMap::new(),
        }
    }
}
