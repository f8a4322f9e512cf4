//! `[health]`: what a healthy version is asked, and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a slot counts as healthy: how it is asked, and what it has to say.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    pub path: String,
    /// Seconds until a slot that does not become healthy is given up.
    pub timeout: u64,
    /// The name that is sent to the slot as `Host`; that of the site where not given.
    pub host: Option<String>,
    /// Headers that are sent beside the usual ones.
    pub headers: BTreeMap<String, String>,
    /// Statuses, one of which the answer must have.
    pub status: Vec<u16>,
    /// Fields of the JSON body and the values they must have.
    pub expect: BTreeMap<String, serde_json::Value>,
    /// What the body must contain.
    pub expect_text: Option<String>,
    /// Headers of the answer and the values they must have.
    pub expect_headers: BTreeMap<String, String>,
    /// Nothing is asked: a slot is healthy once its port takes connections and keeps them.
    pub connect: bool,
}

impl Default for Health {
    fn default() -> Health {
        let expect = BTreeMap::from([("status".to_owned(), serde_json::Value::from("ok"))]);
        Health {
            path: "/health".to_owned(),
            timeout: 60,
            host: None,
            headers: BTreeMap::new(),
            status: vec![200],
            expect,
            expect_text: None,
            expect_headers: BTreeMap::new(),
            connect: false,
        }
    }
}

impl Health {
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Whether the same is asked for, whatever counts as healthy.
    pub fn asks_like(&self, other: &Health) -> bool {
        let asked =
            |health: &Health| (health.connect, health.path.clone(), health.host.clone(), health.headers.clone());
        asked(self) == asked(other)
    }
}
