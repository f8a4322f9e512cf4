//! The settings that travel with a release: what of `deploy.toml` says how its code is run and judged. A rollback uses those
//! of the release it goes back to; where it runs (environment, folder, connection) is today's to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::config::{Config, GivenImage, Health, Hooks, Project, StaticFiles, Web};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    project: Project,
    health: Health,
    hooks: Hooks,
    #[serde(default)]
    more_webs: Vec<Web>,
    #[serde(default)]
    static_files: StaticFiles,
    /// `None`: the release was made before images of registries had a name of the release.
    #[serde(default)]
    images: Option<BTreeMap<String, GivenImage>>,
}

impl Settings {
    pub fn of(config: &Config) -> Settings {
        let Config { project, health, hooks, more_webs, static_files, images, .. } = config.clone();
        Settings { project, health, hooks, more_webs, static_files, images: Some(images) }
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
            build_cache: config.project.build_cache.clone(),
            ..self.project.clone()
        };
        let Settings { health, hooks, more_webs, static_files, images, .. } = self.clone();
        let places = |web: Web| match config.more_webs.iter().find(|today| today.service == web.service) {
            Some(Web { slots, fixed, upstream, .. }) => {
                Web { slots: *slots, fixed: *fixed, upstream: upstream.clone(), ..web }
            }
            None => web,
        };
        let more_webs = more_webs.into_iter().map(places).collect();
        Config { project, health, hooks, more_webs, static_files, images: images.unwrap_or_default(), ..config.clone() }
    }

    /// Whether a web service answers the same health check in a version with these settings.
    pub fn is_asked_like(&self, web: &str, health: &Health) -> bool {
        let timeout = health.timeout;
        let further = self.more_webs.iter().find(|further| further.service == web);
        let own = further.map_or(&self.health, |further| &further.health);
        Health { timeout, ..own.clone() } == *health
    }

    /// Whether each image of the release has its name, also those that were pulled.
    pub fn names_all_images(&self) -> bool {
        self.images.is_some()
    }

    /// The first web service.
    pub fn web(&self) -> &str {
        &self.project.web
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
