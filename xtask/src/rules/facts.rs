//! What the scripts for a host have to know as well: labels, names of files, an exit code. Each stands once, in
//! `scripts/facts.sh`, with which the scripts begin that need one.

/// As they arrive on the host.
pub const TEXT: &str = include_str!("../scripts/facts.sh");

/// Labels of containers, by which a host is read back.
pub const LABEL_PROJECT: &str = fact("label_project");
pub const LABEL_SLOT: &str = fact("label_slot");
/// The environment's folder: with the project's name its identity on the host.
pub const LABEL_FOLDER: &str = fact("label_folder");
/// Of an accessory: tells whether the compose file says something else of it by now.
pub const LABEL_DEFINITION: &str = fact("label_definition");
pub const LABEL_RELEASE: &str = fact("label_release");

/// Files in an environment's folder.
pub const LOCK_FILE: &str = fact("lock_file");
pub const RECORD_FILE: &str = fact("record_file");
/// Of the instant mode: where it is, the green slot is live.
pub const FLAG_FILE: &str = fact("flag_file");
pub const LIVE_UPSTREAM_FILE: &str = fact("live_upstream_file");

/// Files that are kept with a release.
pub const MANIFEST_FILE: &str = fact("manifest_file");
pub const BASE_FILE: &str = fact("base_file");
pub const BUILD_FILE: &str = fact("build_file");

/// What a script ends with where files of a release are not what they were.
pub const FILES_NOT_AS_SHIPPED: i32 = number(fact("files_not_as_shipped"));

/// The value of `name=value`, at compile time: a name that is not there does not compile.
const fn fact(name: &str) -> &'static str {
    let (text, name) = (TEXT.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at < text.len() {
        let end = end_of_word(text, at);
        if starts_with(text, at, name) && at + name.len() < end && text[at + name.len()] == b'=' {
            let (value, _) = TEXT.split_at(end);
            return value.split_at(at + name.len() + 1).1;
        }
        at = end + 1;
    }
    panic!("scripts/facts.sh has no such fact")
}

const fn end_of_word(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < text.len() && !text[at].is_ascii_whitespace() {
        at += 1;
    }
    at
}

const fn starts_with(text: &[u8], from: usize, word: &[u8]) -> bool {
    let mut at = 0;
    while at < word.len() && from + at < text.len() && text[from + at] == word[at] {
        at += 1;
    }
    at == word.len()
}

const fn number(text: &str) -> i32 {
    match i32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("not a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_word_by_word() {
        assert_eq!((LABEL_PROJECT, BUILD_FILE, FILES_NOT_AS_SHIPPED), ("deploy.project", "compose.build.json", 75));
    }
}
