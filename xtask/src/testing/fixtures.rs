//! A configuration, a release, a server, as tests of the rules need them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::rules::config::{Config, SwitchMode, deploy_toml};
use crate::rules::health::Answer;
use crate::rules::host::observed::{Container, Foreign, Observed, StoredRelease};
use crate::rules::release::settings::Settings;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;

const TOML: &str = r#"
    [project]
    name = "shop"
    app = "app"
    web = "web"
    workers = ["mailer"]
    keep = 3
    [hooks]
    before_boot = [["migrate"]]
    before_switch = [["warm"]]
    after_switch = [["tell"]]
    [environments.prod]
    ssh = true
    folder = "/srv/shop"
    url = "https://shop.example"
    nginx = {}
"#;

pub fn config() -> Config {
    deploy_toml::load(TOML, Path::new("/repo/deploy.toml"), "prod", &BTreeMap::new()).unwrap()
}

const TOML_OF_THIS_MACHINE: &str = r#"
    [project]
    name = "shop"
    app = "app"
    web = "web"
    [environments.local]
    folder = "host"
    url = "http://127.0.0.1:8080"
    env_file = "env"
    nginx = { private = true, switch = "instant" }
"#;

/// An environment of this machine, whose host's folder is `host` in `root`.
pub fn config_of_this_machine(root: &Path) -> Config {
    deploy_toml::load(TOML_OF_THIS_MACHINE, &root.join("deploy.toml"), "local", &BTreeMap::new()).unwrap()
}

pub fn release(number: u32) -> ReleaseId {
    ReleaseId::parse(&format!("20260131-1745{number:02}-1a2b3c4")).unwrap()
}

pub fn container(slot: Slot, number: u32, status: &str) -> Container {
    Container {
        id: format!("{slot}-{number}"),
        name: format!("shop-{slot}"),
        slot,
        release: Some(release(number)),
        status: status.to_owned(),
        health: "healthy".to_owned(),
        restarts: 0,
        started_at: String::new(),
        ports: Vec::new(),
        binds: Vec::new(),
    }
}

pub fn foreign(slot: Slot, container: &str) -> Foreign {
    Foreign { slot, port: config().slots.port(slot), container: container.to_owned(), compose_project: None }
}

pub fn stored(id: ReleaseId, known_good_at: Option<u64>) -> StoredRelease {
    let settings = Some(Settings::of(&config()));
    let built = vec!["shop-web".to_owned()];
    let none = || Secret::new("");
    StoredRelease {
        id,
        env_sum: String::new(),
        files_sum: String::new(),
        known_good_at,
        built,
        pulled: Vec::new(),
        settings,
        env: none(),
        files: none(),
    }
}

/// What a healthy version says.
pub fn well() -> Answer {
    Answer::new(200, r#"{"status":"ok"}"#)
}

/// A server with `live` in its slot, and good releases `1..=count` of which the last is live.
pub fn server(live: Slot, count: u32) -> Observed {
    let stored = |number| stored(release(number), Some(u64::from(number)));
    Observed {
        running_slot: Some(live),
        configured_slot: Some(live),
        switching: Some(SwitchMode::Instant),
        site_file_found: true,
        nginx_running: true,
        compose: Some("docker compose".to_owned()),
        curl: true,
        disk_free: 1_000_000_000,
        answers: BTreeMap::from([(live, well())]),
        site: Some(well()),
        listening: [live].into(),
        containers: vec![container(live, count, "running"), container(live.other(), count - 1, "exited")],
        releases: (1..=count).map(stored).collect(),
        ..Observed::default()
    }
}
