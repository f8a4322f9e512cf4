//! What must not be shown.

pub mod mask;

use std::fmt;

/// Bytes that must not be shown: an env file, a private key. They leave only through standard input.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// For standard input, hashing and masking only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::script::Input;

    #[test]
    fn a_secret_never_shows() {
        let input = Input::Secret(Secret::new("hunter2"));
        assert!(!format!("{input:?}").contains("hunter2"));
    }
}
