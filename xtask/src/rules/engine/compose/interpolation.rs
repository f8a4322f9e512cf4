//! Variables that a compose file uses and nobody sets. Compose takes a blank for them, and says so in passing.

use std::collections::{BTreeMap, BTreeSet};

use yaml_serde::Value;

use super::words;
use crate::rules::config::env_file::Assignment;

/// Names that compose has from elsewhere than the `.env`: of the shell that runs it, or of its own.
const ELSEWHERE: [&str; 5] = ["PATH", "HOME", "PWD", "USER", "COMPOSE_PROJECT_NAME"];

/// Each variable of a compose file that is not `defined` and has no default, with the line it stands in: `file:12: NAME`.
pub fn undefined(file: &str, text: &str, defined: &BTreeSet<String>) -> Vec<String> {
    // What is no YAML is compose's to refuse.
    let Ok(document) = yaml_serde::from_str::<Value>(text) else { return Vec::new() };
    let mut names = BTreeSet::new();
    strings(&document, &mut |value| {
        used(value, &|name| defined.contains(name) || ELSEWHERE.contains(&name), &mut names)
    });
    let places = names.into_iter().map(|name| {
        let uses = [format!("${{{name}"), format!("${name}")];
        let line = text.lines().position(|line| {
            let line = line.split(" #").next().unwrap_or_default();
            uses.iter().any(|used| line.contains(used)) && !line.trim_start().starts_with('#')
        });
        format!("{file}:{}: {name}", line.map_or(1, |line| line + 1))
    });
    places.collect()
}

/// Variables without which compose refuses the file: `${NAME:?why}` and `${NAME?why}`.
pub fn required(text: &str) -> BTreeSet<String> {
    let expressions = text.split("${").skip(1);
    let named = expressions.filter_map(|expression| {
        let name: String = expression.chars().take_while(|c| is_name(*c)).collect();
        let rest = &expression[name.len()..];
        (rest.trim_start_matches(':').starts_with('?') && !name.is_empty()).then_some(name)
    });
    named.collect()
}

/// Where a value of the `.env` does not arrive as it was written: a command of one line is taken apart into words after its variables were put in.
pub fn split_values(file: &str, text: &str, assignments: &[Assignment]) -> Vec<String> {
    let document = yaml_serde::from_str::<Value>(text).unwrap_or_default();
    let services = document.get("services").and_then(Value::as_mapping).into_iter().flatten();
    let lines = services.flat_map(|(service, body)| {
        let lines = ["command", "entrypoint"].into_iter().filter_map(move |key| Some((key, body.get(key)?.as_str()?)));
        lines.map(move |(key, line)| (service.as_str().unwrap_or_default(), key, line))
    });
    let mut told = Vec::new();
    for (service, key, line) in lines {
        let mut names = BTreeSet::new();
        each(line, &mut |name, _, _| {
            names.insert(name.to_owned());
        });
        let values = assignments.iter().filter(|one| names.contains(&one.name) && !is_meant_to_be_split(&one.name));
        for Assignment { name, .. } in values.filter(|one| !arrives_whole(line, one)) {
            told.push(format!(
                "{file}: the value of {name} does not arrive whole in the `{key}` of service `{service}`: a line is taken apart at blanks and quotes. \
                 Write it as a list: `{key}: [program, \"${{{name}}}\"]`"
            ));
        }
    }
    told
}

/// Whether the words of a line, with the value put in, have it as it was written.
fn arrives_whole(line: &str, Assignment { name, value }: &Assignment) -> bool {
    const MARK: &str = "\u{1}";
    let with = |put: &str| {
        let mut text = line.to_owned();
        while let Some(at) = text.find(&format!("${{{name}")) {
            let inside = at + 2;
            let end = inside + closing(&text[inside..]);
            text.replace_range(at..(end + 1).min(text.len()), MARK);
        }
        words::split(&text.replace(&format!("${name}"), MARK).replace(MARK, put))
    };
    let meant = with(MARK).map(|words| words.iter().map(|word| word.replace(MARK, value)).collect::<Vec<String>>());
    with(value) == meant
}

/// A variable that holds several words on purpose.
fn is_meant_to_be_split(name: &str) -> bool {
    ["OPT", "ARG", "FLAG", "PARAM", "CMD", "COMMAND", "EXTRA"].iter().any(|part| name.contains(part))
}

fn strings(value: &Value, take: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Sequence(values) => values.iter().for_each(|value| strings(value, take)),
        Value::Mapping(entries) => entries.iter().for_each(|(_, value)| strings(value, take)),
        Value::Tagged(tagged) => strings(&tagged.value, take),
        _ => {}
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Variables that are neither defined nor have a default: `:-` and `-` give one, `:?` and `?` an error of compose's own, `:+` and `+` a blank
/// that is meant.
fn used(text: &str, is_defined: &dyn Fn(&str) -> bool, names: &mut BTreeSet<String>) {
    each(text, &mut |name, operator, alternative| match operator {
        Some('-') if !is_defined(name) => used(alternative, is_defined, names),
        Some('+') if is_defined(name) => used(alternative, is_defined, names),
        None if !is_defined(name) => drop(names.insert(name.to_owned())),
        _ => {}
    });
}

/// All variables of a document that was a compose file, each with the default that stands there.
pub fn variables(document: &Value) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    strings(document, &mut |text| with_defaults(text, &mut found));
    found
}

fn with_defaults(text: &str, found: &mut BTreeMap<String, Option<String>>) {
    each(text, &mut |name, operator, alternative| {
        let default = found.entry(name.to_owned()).or_default();
        if operator == Some('-') && default.is_none() {
            *default = Some(alternative.to_owned());
        }
        if matches!(operator, Some('-' | '+')) {
            with_defaults(alternative, found);
        }
    });
}

/// Finds `$NAME` and `${NAME…}` (compose-spec, "Interpolation"): its name, the operator after it without a colon, and what follows that.
fn each(text: &str, take: &mut dyn FnMut(&str, Option<char>, &str)) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing(inside);
            let (expression, after) = (&inside[..end], inside.get(end + 1..).unwrap_or_default());
            let name: String = expression.chars().take_while(|c| is_name(*c)).collect();
            let operator = expression[name.len()..].trim_start_matches(':');
            let alternative = operator.get(1..).unwrap_or_default();
            if !name.is_empty() {
                take(&name, operator.chars().next(), alternative);
            }
            rest = after;
        } else {
            let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
            rest = &rest[name.len()..];
            if name.starts_with(|c: char| !c.is_ascii_digit()) {
                take(&name, None, "");
            }
        }
    }
}

/// Where the brace closes that is open before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        undefined("docker-compose.yml", text, &BTreeSet::from(["SET".to_owned()]))
    }

    #[test]
    fn what_nobody_sets_is_named_with_its_line() {
        let text = "services:\n  web: # $COMMENTED\n    image: \"shop:${TAG}\"\n    command: [echo, $WORD, $$not, \"${SET}\"]\n";
        assert_eq!(found(text), ["docker-compose.yml:3: TAG", "docker-compose.yml:4: WORD"]);
    }

    #[test]
    fn a_value_that_a_command_of_one_line_takes_apart_is_told() {
        let told = |command: &str, name: &str, value: &str| {
            let text = format!("services:\n  redis:\n    command: {command}\n");
            let one = Assignment { name: name.to_owned(), value: value.to_owned() };
            split_values("compose.yml", &text, &[one]).join("; ")
        };
        let line = "redis-server --requirepass ${PASS}";
        for value in ["two words", "it's", "a\\b", "\"x\""] {
            let told = told(line, "PASS", value);
            assert!(
                told.contains("PASS") && told.contains("service `redis`") && !told.contains(value),
                "{value}: {told}"
            );
        }
        assert_eq!(told(line, "PASS", "pl@in#1"), "");
        assert_eq!(told("[redis-server, --requirepass, \"${PASS}\"]", "PASS", "two words"), "");
        assert_eq!(told("'redis-server --requirepass \"${PASS:-x}\"'", "PASS", "two words"), "");
        assert_eq!(told("gunicorn $GUNICORN_ARGS", "GUNICORN_ARGS", "-w 4"), "");
        assert_ne!(told("x $PASS", "PASS", "two words"), "");
    }

    #[test]
    fn what_compose_itself_asks_for_is_found() {
        let text = "a: '${A:?why}'\nb: '${B?}'\nc: '${C:-x} ${D} ${:?}'\n";
        assert_eq!(required(text), BTreeSet::from(["A".to_owned(), "B".to_owned()]));
    }

    #[test]
    fn a_default_an_error_and_an_alternative_are_enough() {
        for value in ["${A:-x}", "${A-}", "${A:?set it}", "${A?}", "${A:+x}", "${A+${B}}", "${A:-${SET}}", "$5", "$"] {
            assert_eq!(found(&format!("a: '{value}'\n")), Vec::<String>::new(), "{value}");
        }
        assert_eq!(found("a: '${A:-${B}}'\n"), ["docker-compose.yml:1: B"]);
        assert_eq!(found("a: '${SET:+${B}}'\n"), ["docker-compose.yml:1: B"]);
    }
}
