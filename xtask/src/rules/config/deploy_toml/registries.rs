//! `registries` of an environment: whom images are pulled from with a password.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::config::Registry;

use super::{Problem, secret_files};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRegistry {
    user: String,
    /// The environment variable that holds it.
    pub password: String,
}

/// # Errors
/// The first one that cannot be.
pub fn resolve(
    registries: BTreeMap<String, RawRegistry>,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Registry>, Problem> {
    let plain = |text: &str, more: &[u8]| {
        !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let registries = registries.into_iter().map(|(server, RawRegistry { user, password })| {
        let refused = |text: String| Err(Problem::at("registries", format!("registries: {text}")));
        if !plain(&server, b".-:") {
            return refused(format!("{server:?} is no name of a registry, as in ghcr.io"));
        }
        if user.is_empty() || user.contains(|letter: char| letter == ':' || letter.is_control()) {
            return refused(format!("user = {user:?} of {server}: a name without `:`"));
        }
        if !plain(&password, b"_") {
            return refused(format!("password of {server}: give the name of the environment variable that holds it"));
        }
        Ok(Registry { server, user, password: secret_files::of_variable(password, variables) })
    });
    registries.collect()
}
