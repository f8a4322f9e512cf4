//! What a service is built from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::project::{Texts, nullable};

#[derive(Deserialize, Serialize)]
pub struct Build {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    args: Texts,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Build {
    /// Arguments that have a value and are called as a secret is.
    pub fn secret_arguments(&self) -> Vec<&str> {
        const WORDS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PRIVATE_KEY", "CREDENTIAL"];
        let has_value = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
        let named = |name: &str| WORDS.iter().any(|word| name.to_ascii_uppercase().contains(word));
        self.args
            .iter()
            .filter(|(name, value)| named(name) && has_value(value))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The stage that it is built up to.
    pub fn target(&self) -> Option<&str> {
        self.rest.get("target").and_then(Value::as_str)
    }

    /// What it is built of: context and file.
    pub fn source(&self) -> (Option<&str>, &str) {
        let text = |key: &str| self.rest.get(key).and_then(Value::as_str);
        (text("context"), text("dockerfile").unwrap_or("Dockerfile"))
    }
}
