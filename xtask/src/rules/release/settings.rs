//! The settings that travel with a release: what of `deploy.toml` says how its code is run and judged. A rollback uses those
//! of the release it goes back to; where it runs (environment, folder, connection) is today's to say.

use serde::{Deserialize, Serialize};

use crate::rules::config::{Config, Health, Hooks, Project};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    project: Project,
    health: Health,
    hooks: Hooks,
}

impl Settings {
    pub fn of(config: &Config) -> Settings {
        Settings { project: config.project.clone(), health: config.health.clone(), hooks: config.hooks.clone() }
    }

    /// `None`: of another version of this tool.
    pub fn read(text: &str) -> Option<Settings> {
        serde_json::from_str(text).ok()
    }

    /// Today's configuration with these settings. How the environment is called and how many releases are kept is no
    /// matter of a release.
    pub fn applied(&self, config: &Config) -> Config {
        let project = Project {
            name: config.project.name.clone(),
            keep: config.project.keep,
            app: config.project.app.clone(),
            ..self.project.clone()
        };
        Config { project, health: self.health.clone(), hooks: self.hooks.clone(), ..config.clone() }
    }

    /// Whether a version with these settings answers the same health check.
    pub fn is_asked_like(&self, health: &Health) -> bool {
        self.health.path == health.path && self.health.expect == health.expect
    }

    pub fn workers(&self) -> &[String] {
        &self.project.workers
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Settings) -> bool {
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }
}
