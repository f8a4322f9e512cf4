//! What compose files say by themselves, before any compose has read them: the files and variables that they need.

use std::collections::BTreeMap;

use yaml_serde::Value;

use crate::rules::engine::compose;

/// One compose file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComposeSource {
    /// `name` at its top.
    pub name: Option<String>,
    /// Other compose files, relative to it: `include` and `extends`.
    pub others: Vec<String>,
    /// Files with variables for containers, relative to it, without which compose refuses it.
    pub env_files: Vec<String>,
    /// Files of secrets and configs, relative to it.
    pub files: Vec<String>,
    /// Each variable that is used, with its default.
    pub variables: BTreeMap<String, Option<String>>,
}

/// `None`: the text is no compose file.
pub fn read(text: &str) -> Option<ComposeSource> {
    let document: Value = yaml_serde::from_str(text).ok()?;
    let mut source = ComposeSource { name: text_of(document.get("name")), ..ComposeSource::default() };
    for entry in several(document.get("include")) {
        source.others.extend(several(entry.get("path").or(Some(entry))).filter_map(|path| text_of(Some(path))));
    }
    for (_, service) in document.get("services").and_then(Value::as_mapping).into_iter().flatten() {
        source.others.extend(text_of(service.get("extends").and_then(|extends| extends.get("file"))));
    }
    for part in ["secrets", "configs"] {
        let entries = document.get(part).and_then(Value::as_mapping).into_iter().flatten();
        source.files.extend(entries.filter_map(|(_, entry)| text_of(entry.get("file"))));
    }
    env_files(&document, &mut source.env_files);
    source.variables = compose::variables(&document);
    let mut parts = [&mut source.others, &mut source.env_files, &mut source.files];
    parts.iter_mut().for_each(|paths| {
        // What a variable leads to is not known here.
        paths.retain(|path| !path.contains('$'));
        paths.sort();
        paths.dedup();
    });
    Some(source)
}

/// Wherever they stand: a service may take the key from a part of the file that several share.
fn env_files(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Mapping(fields) => fields.iter().for_each(|(key, value)| match key.as_str() {
            Some("env_file") => {
                let needed = several(Some(value));
                let needed = needed.filter(|entry| entry.get("required").and_then(Value::as_bool) != Some(false));
                found.extend(needed.filter_map(|entry| text_of(entry.get("path").or(Some(entry)))));
            }
            _ => env_files(value, found),
        }),
        Value::Sequence(values) => values.iter().for_each(|value| env_files(value, found)),
        Value::Tagged(tagged) => env_files(&tagged.value, found),
        _ => {}
    }
}

fn text_of(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

/// One value, or each of a list.
fn several(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, one) = match value {
        Some(Value::Sequence(values)) => (Some(values.iter()), None),
        other => (None, other),
    };
    list.into_iter().flatten().chain(one)
}

/// A path that stands in a file of `folder`, relative to the folder in which `folder` is. `None`: it is absolute, or leads out of there.
pub fn from_folder(folder: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_variables_are_found_in_each_of_their_forms() {
        let text = "name: shop\n\
            x-common: &common {env_file: common.env}\n\
            include: [parts/cache.yml, {path: [parts/db.yml], env_file: parts/db.env}]\n\
            services:\n\
            \x20 web:\n    env_file: [.env, {path: web.env}, {path: own.env, required: false}]\n    extends: {file: common.yml, service: base}\n    image: 'shop:${TAG:-latest}'\n    ports: ['${PORT:-80${X}}:80']\n\
            \x20 worker: {<<: *common, env_file: worker.env, environment: {KEY: '${KEY:?set it}', AT: $AT, NOT: $$NOT}}\n\
            secrets: {key: {file: ./key.pem}, other: {environment: OTHER}, built: {file: '${PLACE}/x'}}\n";
        let source = read(text).unwrap();
        assert_eq!(source.name.as_deref(), Some("shop"));
        assert_eq!(source.others, ["common.yml", "parts/cache.yml", "parts/db.yml"]);
        assert_eq!(source.env_files, [".env", "common.env", "parts/db.env", "web.env", "worker.env"]);
        assert_eq!(source.files, ["./key.pem"]);
        let variables: Vec<(&str, Option<&str>)> =
            source.variables.iter().map(|(name, default)| (name.as_str(), default.as_deref())).collect();
        assert_eq!(
            variables,
            [
                ("AT", None),
                ("KEY", None),
                ("PLACE", None),
                ("PORT", Some("80${X}")),
                ("TAG", Some("latest")),
                ("X", None)
            ]
        );
        assert_eq!(read("- a list"), Some(ComposeSource::default()));
        assert_eq!(read("a: b: c"), None);
    }

    #[test]
    fn a_path_is_followed_to_the_top_and_no_further() {
        for (folder, path, whole) in [
            (".", "./a/../b", Some("b")),
            ("ops/compose", "../.env", Some("ops/.env")),
            ("ops", "../../x", None),
            ("ops", "/etc/x", None),
        ] {
            assert_eq!(from_folder(folder, path).as_deref(), whole, "{folder} {path}");
        }
    }
}
