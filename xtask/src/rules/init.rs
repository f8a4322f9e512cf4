//! What `init` writes into a repository that has not been deployed with this tool.

pub mod additions;
pub mod compose_choice;
pub mod compose_sources;
pub mod deploy_toml;
pub mod env_template;
pub mod health_route;
pub mod manifest;
pub mod test_runner;
pub mod workflows;

use std::collections::BTreeMap;

use crate::rules::engine::compose::proposal::Proposal;

/// Where the tool lies in a repository.
pub const TOOL: &str = "xtask";

/// What is known of a repository.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The compose project's name.
    pub name: String,
    /// The app's folder, relative to the repository's root.
    pub app: String,
    /// Compose files, relative to `app`; empty where compose finds its one file by itself.
    pub compose: Vec<String>,
    /// A file beside them that compose adds by itself in development, and a deploy does not.
    pub override_file: Option<String>,
    pub proposal: Proposal,
    /// Committed folders without content that containers write to.
    pub shared: Vec<String>,
    /// The tests' commands; none: no runner was found.
    pub tests: test_runner::Tests,
    /// The file that stands for the `.env` on this machine, relative to the root. `None`: nothing refers to one.
    pub env_file: Option<String>,
    /// Files that the compose files refer to and git does not have, with the variable for each.
    pub files: BTreeMap<String, String>,
    /// Ports of this machine that are free.
    pub ports: deploy_toml::LocalPorts,
    /// Ports of the server's slots, where the usual ones are published by another service.
    pub slots: Option<(u16, u16)>,
    /// The address that users call, where it was given.
    pub url: Option<String>,
    pub has_submodules: bool,
    pub has_lfs: bool,
    /// The branch whose pushes are deployed.
    pub branch: String,
}
