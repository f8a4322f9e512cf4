//! Reading the JUnit XML that test runners write: what passed, what failed and how it is called.
//!
//! Test cases are counted one by one: the totals that runners write may count a test that fails twice as one.

use anyhow::{Context, Result, bail};
use roxmltree::{Document, Node};
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
    let document = Document::parse(text).context("not well-formed, or cut off")?;
    let mut results = Results::default();
    // Some runners write test cases without a suite around them (node's).
    let mut is_one = document.root_element().has_tag_name("testsuites");
    let mut alone = 0.0;
    for node in document.descendants() {
        match node.tag_name().name() {
            "testsuite" => {
                is_one = true;
                // The time of a suite has that of the suites in it.
                if !node.ancestors().skip(1).any(|above| above.has_tag_name("testsuite")) {
                    results.seconds += node.attribute("time").and_then(|time| time.parse::<f64>().ok()).unwrap_or(0.0);
                }
            }
            "testcase" => {
                if !node.ancestors().any(|above| above.has_tag_name("testsuite")) {
                    alone += node.attribute("time").and_then(|time| time.parse::<f64>().ok()).unwrap_or(0.0);
                }
                results.count(&name_of(node), verdict_of(node));
            }
            _ => {}
        }
    }
    if !is_one {
        bail!("there is no <testsuite> in it");
    }
    results.seconds += alone;
    Ok(results)
}

fn verdict_of(case: Node) -> Verdict {
    let verdicts = case.children().filter_map(|child| match child.tag_name().name() {
        "failure" => Some(Verdict::Failed),
        "error" => Some(Verdict::Error),
        "skipped" => Some(Verdict::Skipped),
        _ => None,
    });
    verdicts.max().unwrap_or(Verdict::Passed)
}

/// `tests/test_a.py::TestClass::test_one`, where the file is told; else `tests.test_a.TestClass::test_one`.
fn name_of(case: Node) -> String {
    let part = |name| case.attribute(name).filter(|value| !value.is_empty());
    let name = part("name").unwrap_or("a test without a name");
    match (part("file"), part("classname")) {
        (Some(file), Some(class)) => {
            let module = file.strip_suffix(".py").unwrap_or(file).replace('/', ".");
            let class = class.strip_prefix(&module).unwrap_or_default().replace('.', "::");
            format!("{file}{class}::{name}")
        }
        // A file that could not be read: its name stands where that of a test does.
        (Some(file), None) => file.to_owned(),
        (None, Some(class)) => format!("{class}::{name}"),
        (None, None) => name.to_owned(),
    }
}

impl Results {
    fn count(&mut self, name: &str, verdict: Verdict) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As pytest writes it: a class, forged tags in a message and in the output, a test that fails and whose teardown
    /// fails too, an expected failure, a file that cannot be imported.
    const RUN: &str = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="2" failures="2" skipped="2" tests="7" time="1.250" timestamp="2026-01-31T17:45:02+00:00" hostname="vm"><testcase classname="tests.a.test_a.TestX.TestY" name="test_p[a&lt;b &quot;&amp;' &#233;&#x41;]" file="tests/a/test_a.py" line="6" time="0.001"><failure message="assert 'a>b' == '&lt;/testcase>'&#10;">v = '&lt;failure&gt;'
&gt; assert 0</failure><system-out>&lt;testcase name="forged"&gt; <![CDATA[</testcase><testcase name="forged">]]></system-out></testcase><testcase classname="tests.a.test_a" name="test_ok" file="tests/a/test_a.py" line="8" time="0.000" /><testcase classname="tests.a.test_a" name="test_both" file="tests/a/test_a.py" line="10" time="0.000"><failure message="assert 0">x</failure></testcase><testcase classname="tests.a.test_a" name="test_both" file="tests/a/test_a.py" line="10" time="0.000"><error message="failed on teardown">x</error></testcase><!-- <testcase> --><testcase classname="tests.a.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no">x</skipped></testcase><testcase classname="tests.a.test_a" name="test_xf" time="0.000"><skipped type="pytest.xfail" message="" /></testcase><testcase classname="" name="tests.b.test_b" file="tests/b/test_b.py" time="0.000"><error message="collection failure">ImportError</error></testcase></testsuite></testsuites>"#;

    /// As `node --test` writes it.
    #[test]
    fn cases_without_a_suite_are_counted() {
        let case = |name: &str, inside: &str| {
            format!("<testcase name=\"{name}\" time=\"0.5\" classname=\"test\">{inside}</testcase>")
        };
        let failure = "<failure type=\"testCodeFailure\" message=\"2400 !== 2200\">x</failure>";
        let text = format!(
            "<?xml version=\"1.0\"?><testsuites>{}{}<!-- tests 2 --></testsuites>",
            case("one", ""),
            case("a price", failure)
        );
        let results = parse(&text).unwrap();
        assert_eq!((results.passed, results.failed, results.seconds), (1, 1, 1.0));
        assert_eq!(results.failures, ["test::a price"]);
        assert!(parse("<html><testcase/></html>").is_err());
    }

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
        let text = "<testsuite><testcase name='t&#10;::stop-commands::x&#x9b;2J'><failure/></testcase></testsuite>";
        assert_eq!(parse(text).unwrap().failures, [r"t\n::stop-commands::x\u{9b}2J"]);
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
