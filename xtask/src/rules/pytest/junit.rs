//! Reading the JUnit XML that pytest writes: what passed, what failed and how it is called.
//!
//! The file is made by a machine and has few forms, so this reads tags and attributes and nothing else of XML. Test
//! cases are counted one by one: the totals that pytest writes count a test that fails twice as one.

use anyhow::{Result, bail};
use serde::Serialize;

/// The outcome of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Results {
    pub passed: u32,
    pub failed: u32,
    pub errors: u32,
    pub skipped: u32,
    pub seconds: f64,
    /// Failed tests and errors as pytest takes them on its command line.
    pub failures: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    Skipped,
    Error,
    Failed,
}

/// # Errors
/// Where the text is not such a file, or ends too early.
pub fn parse(text: &str) -> Result<Results> {
    let mut results = Results::default();
    let mut case: Option<(String, Verdict)> = None;
    let mut open: Vec<&str> = Vec::new();
    let mut suites = 0;
    let mut rest = text;
    while let Some(tag) = next_tag(&mut rest)? {
        match (tag.name, &mut case) {
            ("testsuite", _) if !tag.closes => {
                suites += 1;
                results.seconds += tag.attribute("time").and_then(|time| time.parse::<f64>().ok()).unwrap_or(0.0);
            }
            ("testcase", _) if !tag.closes => case = Some((tag.test(), Verdict::Passed)),
            ("failure", Some((_, verdict))) => *verdict = (*verdict).max(Verdict::Failed),
            ("error", Some((_, verdict))) => *verdict = (*verdict).max(Verdict::Error),
            ("skipped", Some((_, verdict))) => *verdict = (*verdict).max(Verdict::Skipped),
            _ => {}
        }
        if !tag.closes {
            open.push(tag.name);
        }
        if (tag.closes || tag.empty) && open.pop() != Some(tag.name) {
            bail!("not well-formed: </{}> closes nothing", tag.name);
        }
        if tag.name == "testcase" && (tag.closes || tag.empty) {
            results.count(case.take());
        }
    }
    match open.last() {
        Some(name) => bail!("cut off inside of <{name}>"),
        None if suites == 0 => bail!("there is no <testsuite> in it"),
        None => Ok(results),
    }
}

impl Results {
    fn count(&mut self, case: Option<(String, Verdict)>) {
        let Some((name, verdict)) = case else { return };
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Error => self.errors += 1,
            Verdict::Failed => self.failed += 1,
        }
        // A test may be called anything; its name is printed, where a line end or an escape sequence would be obeyed.
        let shown =
            |letter: char| if letter.is_control() { letter.escape_default().collect() } else { letter.to_string() };
        let name: String = name.chars().map(shown).collect();
        if verdict >= Verdict::Error && !self.failures.contains(&name) {
            self.failures.push(name);
        }
    }
}

struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    /// `</name>`
    closes: bool,
    /// `<name/>`
    empty: bool,
}

/// The next tag; what stands before it is text. `None` at the end.
fn next_tag<'a>(rest: &mut &'a str) -> Result<Option<Tag<'a>>> {
    loop {
        let Some((_, after)) = rest.split_once('<') else { return Ok(None) };
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")].into_iter().find_map(|(begin, end)| {
            after.strip_prefix(begin).map(|after| after.split_once(end).map(|(_, after)| after))
        });
        match skipped {
            Some(Some(after)) => *rest = after,
            Some(None) => bail!("cut off inside of a comment or a declaration"),
            None => return tag(after, rest).map(Some),
        }
    }
}

/// The tag that begins in `text` behind its `<`. A `>` inside of quotes does not end it.
fn tag<'a>(text: &'a str, rest: &mut &'a str) -> Result<Tag<'a>> {
    let (closes, mut text) = text.strip_prefix('/').map_or((false, text), |text| (true, text));
    let name = word(&mut text);
    if name.is_empty() {
        bail!("not well-formed: a `<` without a name");
    }
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start();
        if let Some((empty, after)) = text
            .strip_prefix("/>")
            .map(|after| (true, after))
            .or_else(|| text.strip_prefix('>').map(|after| (false, after)))
        {
            *rest = after;
            return Ok(Tag { name, attributes, closes, empty });
        }
        let attribute = word(&mut text);
        let quoted = text.trim_start().strip_prefix('=').map(str::trim_start);
        let quote = quoted.and_then(|quoted| quoted.chars().next()).filter(|quote| matches!(quote, '"' | '\''));
        let (Some(quoted), Some(quote), false) = (quoted, quote, attribute.is_empty()) else {
            bail!("not well-formed, or cut off, inside of <{name}>");
        };
        let Some((value, after)) = quoted[1..].split_once(quote) else { bail!("cut off inside of <{name}>") };
        attributes.push((attribute, value));
        text = after;
    }
}

/// Takes a name from the front.
fn word<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|letter: char| letter.is_whitespace() || "/>=<\"'".contains(letter)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    *text = rest;
    word
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(given, _)| *given == name).map(|(_, value)| decode(value))
    }

    /// `tests/test_a.py::TestClass::test_one`, where the file is told; else `tests.test_a.TestClass::test_one`.
    fn test(&self) -> String {
        let part = |name| self.attribute(name).filter(|value| !value.is_empty());
        let name = part("name").unwrap_or_else(|| "a test without a name".to_owned());
        match (part("file"), part("classname")) {
            (Some(file), Some(class)) => {
                let module = file.strip_suffix(".py").unwrap_or(&file).replace('/', ".");
                let class = class.strip_prefix(&module).unwrap_or_default().replace('.', "::");
                format!("{file}{class}::{name}")
            }
            // A file that could not be read: its name stands where that of a test does.
            (Some(file), None) => file,
            (None, Some(class)) => format!("{class}::{name}"),
            (None, None) => name,
        }
    }
}

/// Entities and character references; what is none of them stays as it is.
fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        // The longest is `&#x10ffff;`, maybe with zeros before. Looking further at each `&` would take long.
        let end = after.bytes().take(20).position(|byte| byte == b';');
        let reference = end.and_then(|end| Some((character(&after[..end])?, &after[end + 1..])));
        match reference {
            Some((letter, after)) => {
                decoded.push(letter);
                rest = after;
            }
            None => {
                decoded.push('&');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As pytest writes it: a class, forged tags in a message and in the output, a test that fails and whose teardown
    /// fails too, an expected failure, a file that cannot be imported.
    const RUN: &str = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="2" failures="2" skipped="2" tests="7" time="1.250" timestamp="2026-01-31T17:45:02+00:00" hostname="vm"><testcase classname="tests.a.test_a.TestX.TestY" name="test_p[a&lt;b &quot;&amp;' &#233;&#x41;]" file="tests/a/test_a.py" line="6" time="0.001"><failure message="assert 'a>b' == '&lt;/testcase>'&#10;">v = '&lt;failure&gt;'
&gt; assert 0</failure><system-out>&lt;testcase name="forged"&gt; <![CDATA[</testcase><testcase name="forged">]]></system-out></testcase><testcase classname="tests.a.test_a" name="test_ok" file="tests/a/test_a.py" line="8" time="0.000" /><testcase classname="tests.a.test_a" name="test_both" file="tests/a/test_a.py" line="10" time="0.000"><failure message="assert 0">x</failure></testcase><testcase classname="tests.a.test_a" name="test_both" file="tests/a/test_a.py" line="10" time="0.000"><error message="failed on teardown">x</error></testcase><!-- <testcase> --><testcase classname="tests.a.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no">x</skipped></testcase><testcase classname="tests.a.test_a" name="test_xf" time="0.000"><skipped type="pytest.xfail" message="" /></testcase><testcase classname="" name="tests.b.test_b" file="tests/b/test_b.py" time="0.000"><error message="collection failure">ImportError</error></testcase></testsuite></testsuites>"#;

    #[test]
    fn each_test_is_counted_and_failures_are_called_as_pytest_calls_them() {
        let results = parse(RUN).unwrap();
        let Results { passed, failed, errors, skipped, seconds, failures } = results;
        assert_eq!((passed, failed, errors, skipped, seconds), (1, 2, 2, 2, 1.25));
        assert_eq!(
            failures,
            [
                "tests/a/test_a.py::TestX::TestY::test_p[a<b \"&' éA]",
                "tests/a/test_a.py::test_both",
                "tests/b/test_b.py",
            ]
        );
    }

    #[test]
    fn a_test_without_its_file_still_has_a_name() {
        let text = "<testsuite><testcase classname='a.b' name='t'><error/></testcase><testcase name='u'><failure/></testcase></testsuite>";
        assert_eq!(parse(text).unwrap().failures, ["a.b::t", "u"]);
    }

    #[test]
    fn a_name_cannot_end_the_line_it_is_printed_in() {
        let text = "<testsuite><testcase name='t&#10;::stop-commands::x&#27;[2J'><failure/></testcase></testsuite>";
        assert_eq!(parse(text).unwrap().failures, [r"t\n::stop-commands::x\u{1b}[2J"]);
    }

    #[test]
    fn no_tests_are_no_failure_of_the_reader() {
        let text = r#"<testsuites><testsuite name="pytest" tests="0" time="0.01"/></testsuites>"#;
        assert_eq!(parse(text).unwrap(), Results { seconds: 0.01, ..Results::default() });
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        for end in (0..RUN.len()).filter(|end| RUN.is_char_boundary(*end)) {
            assert!(parse(&RUN[..end]).is_err(), "cut off at {end}: {:?}", &RUN[end.saturating_sub(40)..end]);
        }
    }

    #[test]
    fn another_file_is_refused() {
        for text in [
            "",
            "all is well",
            "<html></html>",
            "<testsuite>",
            "</testsuite>",
            "< >",
            "<testsuite a=1/>",
            "<testsuite><testcase></testsuite>",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_makes_the_reader_panic(text in "([<>/&;=\"'! é]|testcase|testsuite|failure|<!--|<!\\[CDATA\\[|&#|\\PC){0,40}") {
            let _any = parse(&text);
        }

        #[test]
        fn a_name_is_read_back_as_it_was(name in "\\PC{1,30}") {
            let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
            let text = format!("<testsuite><testcase classname=\"m\" name=\"{escaped}\"><error/></testcase></testsuite>");
            prop_assert_eq!(parse(&text).unwrap().failures, [format!("m::{name}")]);
        }
    }
}
