//! Asking the site as its users reach it, beside what else is done.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::io::{console, http};
use crate::rules::config::Config;
use crate::rules::public_site::PublicSite;
use crate::rules::release::ReleaseId;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How long its end is waited for: a name may take longer to be looked up than anything bounds.
const PATIENCE: Duration = Duration::from_secs(8);

/// A request that is under way.
pub struct Running {
    answers: mpsc::Receiver<PublicSite>,
    url: String,
}

/// Asks for the live release. `None`: the environment says that its users come another way.
pub fn start(config: &Config, release: Option<&ReleaseId>) -> Option<Running> {
    if !config.environment.public {
        return None;
    }
    let (sender, answers) = mpsc::channel();
    let (config, release) = (config.clone(), release.cloned());
    let url = format!("{}{}", config.environment.url, config.health.path);
    let running = Running { answers, url: url.clone() };
    std::thread::spawn(move || {
        let asked = http::ask(&config.environment.url, &config.health, LIMIT);
        // Where it took too long, nobody listens any more.
        let _nobody = sender.send(PublicSite::of(
            &url,
            asked,
            &config.health,
            release.as_ref(),
            SystemTime::now(),
            console::masked,
        ));
    });
    Some(running)
}

impl Running {
    /// What it came back with.
    pub fn answer(self) -> PublicSite {
        self.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| PublicSite::late(&self.url, PATIENCE))
    }

    /// The same. Warns where a person should look at it.
    pub fn finish(self) -> PublicSite {
        let site = self.answer();
        site.warning().iter().for_each(|warning| console::warning(warning));
        site
    }
}
