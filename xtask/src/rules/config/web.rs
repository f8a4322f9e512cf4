//! A web service: what runs in a slot and is reached through nginx. The first one stands in `[project]` and `[health]`; further ones,
//! `[web.NAME]`, move with it.

use serde::{Deserialize, Serialize};

use crate::rules::config::{Config, Health, Slots, StaticFiles};
use crate::rules::release::Slot;

/// A further web service. Its ports are the host's to say, and no matter of a release.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Web {
    pub service: String,
    /// Inside its container.
    pub port: u16,
    /// As configured; else, once the host has been looked at, as its nginx has them.
    #[serde(skip)]
    pub slots: Slots,
    /// The ports of its slots stand in `deploy.toml`.
    #[serde(skip)]
    pub fixed: bool,
    pub health: Health,
    /// What the site passes its requests to.
    #[serde(default)]
    pub upstream: String,
    /// Below which path, where the tool writes the site itself.
    #[serde(default)]
    pub path: String,
}

/// What the version that serves has on the site beside its first web service.
#[derive(Clone, Debug)]
pub struct ServingVersion {
    pub slot: Slot,
    pub webs: Vec<Web>,
    pub static_files: StaticFiles,
}

impl Config {
    /// The same configuration for each web service as if it were the only one, the first one first.
    pub fn of_each_web(&self) -> Vec<Config> {
        let alone = Config { more_webs: Vec::new(), ..self.clone() };
        let further = self.more_webs.iter().map(|web| {
            let mut config = alone.clone();
            config.project.web.clone_from(&web.service);
            config.project.web_port = web.port;
            config.slots = web.slots;
            config.fixed.slots = web.fixed;
            config.health = web.health.clone();
            config.environment.nginx.upstream.clone_from(&web.upstream);
            config
        });
        [alone.clone()].into_iter().chain(further).collect()
    }

    /// The names of all web services, the first one first.
    pub fn webs(&self) -> impl Iterator<Item = &str> {
        [self.project.web.as_str()].into_iter().chain(self.more_webs.iter().map(|web| web.service.as_str()))
    }
}
