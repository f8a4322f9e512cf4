//! Constants that the scripts for a host share: labels, names of files, an exit code. Each is defined once, in
//! `scripts/shared_constants.sh`, with which the scripts begin that need one.

/// As they arrive on the host.
pub const TEXT: &str = include_str!("../scripts/shared_constants.sh");

/// Labels of containers, by which a host is read back.
pub const LABEL_PROJECT: &str = constant("label_project");
pub const LABEL_SLOT: &str = constant("label_slot");
/// The environment's folder: with the project's name its identity on the host.
pub const LABEL_FOLDER: &str = constant("label_folder");
/// Of an accessory: tells whether the compose file says something else of it by now.
pub const LABEL_DEFINITION: &str = constant("label_definition");
pub const LABEL_RELEASE: &str = constant("label_release");

/// Files in an environment's folder.
pub const LOCK_FILE: &str = constant("lock_file");
pub const RECORD_FILE: &str = constant("record_file");
/// Of the instant mode: where it is, the green slot is live.
pub const FLAG_FILE: &str = constant("flag_file");
pub const LIVE_UPSTREAM_FILE: &str = constant("live_upstream_file");

/// Of the instant mode: what leads some requests to a slot that is not live. A file there is named after the slot and a secret.
pub const ROUTES_FOLDER: &str = constant("routes_folder");

/// Of the instant mode: what has requests counted. Ten minutes follow.
pub const COUNT_FILE: &str = constant("count_file");
/// Of the instant mode: what closes the site.
pub const MAINTENANCE_FOLDER: &str = constant("maintenance_folder");

/// Files that nginx serves itself.
pub const STATIC_FOLDER: &str = constant("static_folder");

/// Files that are kept with a release.
pub const MANIFEST_FILE: &str = constant("manifest_file");
pub const BASE_FILE: &str = constant("base_file");
pub const BUILD_FILE: &str = constant("build_file");
/// What of it is not in its commit, beside the `.env`.
pub const SECRET_FILES: &str = constant("secret_files");

/// What `passwd` says of a user that `setup` has made.
pub const USER_MARK: &str = constant("user_mark");

/// What a line begins with that is a warning of a script that shows what programs print.
pub const WARNING_MARK: &str = constant("warning_mark");

/// What a script ends with where files of a release are not what they were.
pub const FILES_NOT_AS_SHIPPED: i32 = number(constant("files_not_as_shipped"));

/// What a script ends with where compose refuses the files.
pub const COMPOSE_REFUSES: i32 = number(constant("compose_refuses"));

/// The value of `name=value`, at compile time: a name that is not there does not compile.
const fn constant(name: &str) -> &'static str {
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
    panic!("scripts/shared_constants.sh has no such constant")
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
    fn constants_are_read_word_by_word() {
        assert_eq!((LABEL_PROJECT, BUILD_FILE, FILES_NOT_AS_SHIPPED), ("deploy.project", "compose.build.json", 75));
    }
}
