//! The texts of the scripts, as they are sent: constants of this program. What several of them need comes first.

use std::time::Duration;

use super::{Input, Priority, Script};

/// These files of `scripts/`, one after the other.
macro_rules! plain {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))),+)
    };
}

/// A script that changes the host: the constants and the prelude, then its own text.
macro_rules! changing {
    ($($file:literal),+) => {
        $crate::rules::script::text::plain!("shared_constants.sh", "compose_plugin.sh", "prelude.sh", $($file),+)
    };
}

/// A script that only reads.
macro_rules! reading {
    ($($file:literal),+) => {
        $crate::rules::script::text::plain!("shared_constants.sh", "compose_plugin.sh", $($file),+)
    };
}

pub(crate) use {changing, plain, reading};

/// What a script may take that only reads or writes a little.
pub const SHORT: Duration = Duration::from_secs(60);
/// What a script may take that waits for docker.
pub const MINUTES: Duration = Duration::from_secs(60 * 10);

/// A script without input.
pub fn script<A: Into<String>>(
    name: &'static str,
    text: &'static str,
    limit: Duration,
    arguments: impl IntoIterator<Item = A>,
) -> Script {
    Script {
        name,
        text,
        arguments: arguments.into_iter().map(Into::into).collect(),
        input: Input::Nothing,
        limit,
        priority: Priority::Gentle,
    }
}

/// Several files as one stream: of each its name, its size, its bytes.
pub fn bundle<Content: AsRef<[u8]>>(files: &[(&str, Content)]) -> Vec<u8> {
    let part = |(name, content): &(&str, Content)| {
        let content = content.as_ref();
        [format!("{name} {}\n", content.len()).as_bytes(), content].concat()
    };
    files.iter().flat_map(part).collect()
}
