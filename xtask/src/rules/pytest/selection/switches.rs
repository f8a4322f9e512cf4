//! Reading `tests_config.yaml`. Every refusal says where it stands, so the file is read by visitors of our own: the
//! YAML reader alone would take the last of two equal keys and knows no hints.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::nearest::nearest;
use super::{Group, TestGroups, normal};
use crate::rules::failure::Kind;

/// The key below which the groups stand.
const GROUPS_KEY: &str = "test_groups";
/// Each group is read once more for its line, so the time grows with the square.
const LARGEST: usize = 64 * 1024;
const MOST: usize = 500;
const EXAMPLE: &str =
    "a line `test_groups:`, and below it, two spaces in, a line such as `routes: true` for each group";

/// Reads the switches (`text`, from `file`).
///
/// # Errors
/// [`Kind::Configuration`] with line and column: broken YAML, no `test_groups`, a value that is not a boolean, a name
/// that is given twice or is not a path inside the tests folder.
pub fn parse(text: &str, file: &str) -> Result<TestGroups> {
    if text.len() > LARGEST {
        return Err(
            Kind::Configuration.error(format!("{file}:1:1: the file has more than 64 KiB; is it another file?"))
        );
    }
    let (mut groups, others) = match read(text, usize::MAX) {
        Ok(found) => found,
        Err(error) => return Err(located(&error, file)),
    };
    for (number, group) in groups.iter_mut().enumerate() {
        // The reader tells positions of failures only; so each value is made to fail once.
        let position = read(text, number).err().and_then(|error| error.location());
        group.line = position.map_or(0, |position| position.line());
    }
    let ignored = |key: &String| {
        format!("{file}: the key `{}` means nothing here; only {GROUPS_KEY} is read", key.escape_debug())
    };
    Ok(TestGroups { file: file.to_owned(), groups, warnings: others.iter().map(ignored).collect() })
}

/// The groups and the other keys. Fails at the value of the group with the number `stop`, if there is one.
fn read(text: &str, stop: usize) -> Result<(Vec<Group>, Vec<String>), yaml_serde::Error> {
    yaml_serde::Deserializer::from_str(text).deserialize_any(Document { stop })
}

fn located(error: &yaml_serde::Error, file: &str) -> anyhow::Error {
    let text = error.to_string();
    let Some((line, column)) = error.location().map(|at| (at.line(), at.column())) else {
        return Kind::Configuration.error(format!("{file}:1:1: {text}; hint: write {EXAMPLE}"));
    };
    // The position is said already.
    let text = text.replacen(&format!(" at line {line} column {column}"), "", 1);
    let hint = if text.contains("hint: ") { String::new() } else { format!("; hint: write {EXAMPLE}") };
    Kind::Configuration.error(format!("{file}:{line}:{column}: {text}{hint}"))
}

/// The whole file: a mapping with `test_groups`.
struct Document {
    stop: usize,
}

impl<'de> Visitor<'de> for Document {
    type Value = (Vec<Group>, Vec<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mapping with the key {GROUPS_KEY}")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Err(E::custom("the file is empty"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_none()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut groups = None;
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key_seed(Key { seen: &seen, read: |name| Ok(name.to_owned()) })? {
            match key == GROUPS_KEY {
                true => groups = Some(map.next_value_seed(Groups { stop: self.stop })?),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
            seen.insert(key);
        }
        seen.remove(GROUPS_KEY);
        let others: Vec<String> = seen.into_iter().collect();
        groups.map(|groups| (groups, others.clone())).ok_or_else(|| {
            let meant = nearest(GROUPS_KEY, others.iter().map(String::as_str));
            let meant = meant.map(|key| format!("; hint: is `{}` meant to be {GROUPS_KEY}?", key.escape_debug()));
            A::Error::custom(format!("it has no key {GROUPS_KEY}{}", meant.unwrap_or_default()))
        })
    }
}

/// A key that was not there before.
struct Key<'a> {
    seen: &'a BTreeSet<String>,
    read: fn(&str) -> Result<String, &'static str>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        let shown = name.escape_debug();
        match (self.read)(name) {
            Err(problem) => {
                Err(E::custom(format!("`{shown}`: {problem}; hint: name a folder inside the tests folder")))
            }
            Ok(name) if self.seen.contains(&name) => {
                Err(E::custom(format!("`{shown}` is there twice; hint: keep one of the two")))
            }
            Ok(name) => Ok(name),
        }
    }
}

/// The mapping below `test_groups`.
struct Groups {
    stop: usize,
}

impl<'de> DeserializeSeed<'de> for Groups {
    type Value = Vec<Group>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Group>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Groups {
    type Value = Vec<Group>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("group names, each with true or false")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Group>, E> {
        Err(E::custom("it names no group"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Group>, A::Error> {
        let mut groups = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key_seed(Key { seen: &seen, read: normal })? {
            let enabled = map.next_value_seed(Switch { name: &name, stop: groups.len() == self.stop })?;
            seen.insert(name.clone());
            groups.push(Group { name, enabled, line: 0 });
            if groups.len() > MOST {
                return Err(A::Error::custom(format!(
                    "there are more than {MOST} groups; hint: let one stand for several"
                )));
            }
        }
        if groups.is_empty() { Err(A::Error::custom("it names no group")) } else { Ok(groups) }
    }
}

/// The value of one group.
struct Switch<'a> {
    name: &'a str,
    stop: bool,
}

impl Switch<'_> {
    fn refuse<T, E: Error>(&self, value: impl fmt::Display) -> Result<T, E> {
        let name = self.name.escape_debug();
        Err(E::custom(format!(
            "{value} is neither true nor false; hint: write `{name}: true` or `{name}: false`, without quotes"
        )))
    }
}

impl<'de> DeserializeSeed<'de> for Switch<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Switch<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, enabled: bool) -> Result<bool, E> {
        if self.stop { Err(E::custom("here it stands")) } else { Ok(enabled) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.refuse(format!("the text {text:?}"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        self.refuse(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        self.refuse(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        self.refuse(number)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        self.refuse("no value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _items: A) -> Result<bool, A::Error> {
        self.refuse("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, _entries: A) -> Result<bool, A::Error> {
        self.refuse("a mapping")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error_of(text: &str) -> String {
        let error = parse(text, "tests_config.yaml").expect_err(text);
        assert_eq!(Kind::of(&error), Some(Kind::Configuration));
        format!("{error:#}")
    }

    #[test]
    fn switches_are_read_in_the_order_of_the_file_with_their_lines() {
        let text = "# why\r\ntest_groups:\r\n  routes: true\r\n\r\n  'auth': False\r\n  2024: true # a year\r\n";
        let groups = parse(text, "f").unwrap().groups;
        let group = |name: &str, enabled, line| Group { name: name.to_owned(), enabled, line };
        assert_eq!(groups, [group("routes", true, 3), group("auth", false, 5), group("2024", true, 6)]);
        assert_eq!(parse("{test_groups: {a: true, b: false}}", "f").unwrap().groups[1], group("b", false, 1));
    }

    #[test]
    fn what_is_not_a_boolean_is_refused_where_it_stands() {
        for value in ["yes", "on", "\"true\"", "1", "1.5", "", "~", "[true]", "{a: true}", "!x true", "maybe"] {
            let error = error_of(&format!("test_groups:\n  auth: true\n  unit: {value}\n"));
            assert!(error.starts_with("tests_config.yaml:3:"), "{value:?}: {error}");
            assert!(error.contains("hint: ") && error.contains("unit"), "{value:?}: {error}");
        }
        let error = error_of("test_groups:\n  unit: yes\n");
        assert!(error.starts_with("tests_config.yaml:2:9: test_groups.unit: the text \"yes\" is neither true nor false; hint: write `unit: true`"), "{error}");
        assert!(!error.contains("at line"), "the position is said once: {error}");
    }

    #[test]
    fn a_group_given_twice_is_refused_at_the_second() {
        let error = error_of("test_groups:\n  unit: true\n  auth: true\n  unit: false\n");
        assert!(error.starts_with("tests_config.yaml:4:3: ") && error.contains("`unit` is there twice"), "{error}");
        let error = error_of("test_groups:\n  unit: true\ntest_groups:\n  unit: false\n");
        assert!(error.starts_with("tests_config.yaml:3:1: "), "{error}");
        let error = error_of("test_groups:\n  unit/: true\n  ./unit: false\n");
        assert!(error.starts_with("tests_config.yaml:3:3: "), "{error}");
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line_and_a_hint() {
        let scenarios = [
            ("", 1, "hint: write a line `test_groups:`"),
            ("# nothing\n", 2, "hint: write a line `test_groups:`"),
            ("---\n", 2, "hint: write"),
            ("test_group:\n  unit: true\n", 1, "hint: is `test_group` meant to be test_groups?"),
            ("other: 1\n", 1, "it has no key test_groups"),
            ("test_groups:\n", 1, "it names no group"),
            ("test_groups: {}\n", 1, "it names no group"),
            ("test_groups:\n  - unit\n", 2, "hint: write"),
            ("- unit\n", 1, "hint: write"),
            ("test_groups:\n\tunit: true\n", 2, "hint: write"),
            ("test_groups:\n  unit: true\n auth: true\n", 3, "hint: write"),
            ("test_groups:\n  unit: {\n", 2, "hint: write"),
            ("test_groups:\n  unit: true\n  @auth: true\n", 3, "hint: write"),
            ("test_groups:\n  ../secrets: true\n", 2, "stay inside"),
            ("test_groups:\n  --pdb: true\n", 2, "begin with `-`"),
            ("test_groups:\n  '': true\n", 2, "must not be empty"),
            ("test_groups:\n  unit: true\n---\ntest_groups: {}\n", 1, "more than one document"),
        ];
        for (text, line, expected) in scenarios {
            let error = error_of(text);
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(error.starts_with(&format!("tests_config.yaml:{line}:")), "{text:?}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_makes_the_reader_panic(text in "(test_groups: ?\n?)?([ \ta-c:{}\\[\\],&*!|>'\"#~?%@`\n-]|true|<<|\\PC){0,40}") {
            if let Err(error) = parse(&text, "f") {
                prop_assert!(error.to_string().starts_with("f:"), "{}", error);
            }
        }
    }
}
