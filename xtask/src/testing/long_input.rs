//! Very long input. Beside `generated_input`, which has many short ones.

use crate::rules::config::{Health, Slots, env_file};
use crate::rules::health::{self, Answer};
use crate::rules::host::observed;
use crate::rules::nginx;
use crate::rules::release::ReleaseId;
use crate::rules::{pytest::selection, test_summary::junit};
use crate::testing::generated_input::{loaded, rendered, small_toml};

/// What could make a reader go through the rest again at each letter, deepen without end, or grow.
#[test]
fn what_is_very_long_is_read_or_refused_soon() {
    // A mebibyte in the long run.
    let length = if std::env::var_os("PROPTEST_CASES").is_some() { 1 << 20 } else { 1 << 16 };
    let begun = std::time::Instant::now();
    let anchors = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)).collect::<String>();
    let laughs = format!("a0: &a0 [lol]\n{anchors}test_groups: *a39\n");
    let pieces = [
        "&",
        "[",
        "{\"a\":",
        "<a>",
        "<a b='",
        "'",
        "\\\"",
        "$",
        "\n",
        "A='",
        "\t",
        "#",
        " #",
        "é",
        "A=1\n",
        "  a: true\n",
    ];
    let config = loaded(&small_toml(), "prod").unwrap();
    for text in pieces.map(|piece| piece.repeat(length / piece.len() + 1)).into_iter().chain([laughs]) {
        // The reader of YAML takes time with the square of open brackets. What compose prints has few, and the other file
        // is short.
        let some = |bytes: usize| text.get(..bytes).unwrap_or(&text[..text.len().min(bytes)]);
        assert!(
            loaded(&text, "prod").is_err() && loaded(&format!("[project]\nname = {}", some(60_000)), "prod").is_err()
        );
        assert!(selection::parse(some(8_000), "t.yaml").is_err() && rendered(some(8_000)).is_err());
        assert!(selection::parse(&format!("test_groups:\n{}", some(8_000)), "t.yaml").is_err());
        assert!(observed::parse(&text, &config).is_err() && ReleaseId::parse(&text).is_err());
        assert!(health::check(&Answer::new(200, text.clone()), &Health::default(), None).is_err());
        let named = format!("<testsuite><testcase name=\"{text}\"><error/></testcase></testsuite>");
        let _any = (junit::parse(&text), junit::parse(&named), env_file::read(some(1 << 19).as_bytes()));
        let _any = nginx::slot_in_upstream(&text, "x", Slots::default());
    }
    assert!(begun.elapsed().as_secs() < 30, "it took {:?}", begun.elapsed());
}
