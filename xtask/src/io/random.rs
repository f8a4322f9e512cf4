//! Words that nobody can guess.

use anyhow::{Context, Result};
use rustix::rand::{GetRandomFlags, getrandom};

/// 32 letters of 128 random bits, from the kernel.
///
/// # Errors
/// Where the kernel gives no random bytes.
pub fn token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty()).context("asking the kernel for random bytes")?;
    // The kernel fills up to 256 bytes or none, once it has begun to give any (getrandom(2)).
    anyhow::ensure!(filled == bytes.len(), "the kernel gave {filled} random bytes");
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike() {
        let tokens: std::collections::BTreeSet<String> = (0..1000).map(|_| token().unwrap()).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}
