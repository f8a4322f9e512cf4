//! Which compose files are those of a deploy.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::rules::engine::compose::FILE_NAMES;
use crate::rules::failure::Kind;

/// Files in one folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Relative to the repository's root; empty for the root itself.
    pub folder: String,
    /// In that folder.
    pub names: Vec<String>,
    /// What compose adds to it by itself in development.
    pub override_file: Option<String>,
}

/// What stands in the name of a file that is for servers.
const FOR_SERVERS: [&str; 3] = ["prod", "production", "deploy"];
/// Folders whose compose files are for something else.
const ELSEWHERE: [&str; 9] =
    ["test", "tests", "example", "examples", "docs", "dev", ".devcontainer", "node_modules", "vendor"];

/// # Errors
/// [`Kind::Usage`] where there is no compose file, or none that is more likely than another.
pub fn choose(files: &[String]) -> Result<Choice> {
    let split = |path: &String| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        (folder.to_owned(), name.to_owned())
    };
    let is_elsewhere = |folder: &str| folder.split('/').any(|part| ELSEWHERE.contains(&part));
    let is_usual = |name: &String| FILE_NAMES.contains(&name.as_str());
    let likely = files.iter().map(split).filter(|(folder, name)| {
        (is_usual(name) || server_variant(name).is_some()) && !is_elsewhere(folder) && folder.matches('/').count() <= 2
    });
    let likely: Vec<(String, String)> = likely.collect();
    let depth = |folder: &str| if folder.is_empty() { 0 } else { folder.matches('/').count() + 1 };
    let least = likely.iter().map(|(folder, _)| depth(folder)).min();
    let nearest: Vec<&(String, String)> = likely.iter().filter(|(folder, _)| Some(depth(folder)) == least).collect();
    let has_usual = nearest.iter().any(|(_, name)| is_usual(name));
    let folders =
        nearest.into_iter().filter(|(_, name)| is_usual(name) || !has_usual).map(|(folder, _)| folder.clone());
    let folders: Vec<String> = folders.collect::<BTreeSet<_>>().into_iter().collect();
    let folder = match folders.as_slice() {
        [folder] => folder.clone(),
        [] => {
            return Err(Kind::Usage.error(
                "there is no compose file here: `docker-compose.yml`, `compose.yaml` or another of compose's own names; say where it is: \
                 --compose FILE",
            ));
        }
        several => {
            let several: Vec<String> = several.iter().map(|folder| format!("{folder}/")).collect();
            let several = several.join(", ");
            return Err(Kind::Usage.error(format!(
                "several folders have compose files ({several}); say which is deployed: --compose FILE"
            )));
        }
    };
    let inside: Vec<String> = files.iter().map(split).filter(|(of, _)| *of == folder).map(|(_, name)| name).collect();
    let usual = FILE_NAMES.into_iter().find(|usual| inside.iter().any(|name| name == usual)).map(str::to_owned);
    let stem = usual.as_deref().and_then(|name| name.rsplit_once('.')).map(|(stem, _)| stem.to_owned());
    let variant =
        inside.iter().find(|name| server_variant(name).is_some_and(|of| stem.as_deref().is_none_or(|stem| stem == of)));
    let override_file =
        stem.as_ref().and_then(|stem| inside.iter().find(|name| name.starts_with(&format!("{stem}.override."))));
    let names = usual.into_iter().chain(variant.cloned()).collect();
    Ok(Choice { names, override_file: override_file.cloned(), folder })
}

/// `docker-compose` of `docker-compose.prod.yml`.
fn server_variant(name: &str) -> Option<&'static str> {
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"))?;
    let variant = |of: &str| stem.strip_prefix(of).and_then(|rest| rest.strip_prefix(['.', '-']));
    ["docker-compose", "compose"]
        .into_iter()
        .find(|of| variant(of).is_some_and(|variant| FOR_SERVERS.contains(&variant)))
}

/// Files that a person names: all of one folder.
///
/// # Errors
/// [`Kind::Usage`] where they are in several.
pub fn given(paths: &[String]) -> Result<Choice> {
    let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
    let first = paths.first().map(folder).unwrap_or_default();
    if paths.iter().any(|path| folder(path) != first) {
        return Err(Kind::Usage.error("--compose: the files are in several folders; have them in one"));
    }
    let names = paths.iter().map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect();
    Ok(Choice { folder: first, names, override_file: None })
}

/// The app's folder and its compose files below it. `None` for the files: compose finds the one that it is.
///
/// Only the folder of the app is shipped, so it has to hold all that the files refer to.
pub fn app(choice: &Choice, leads_out: bool) -> (String, Option<Vec<String>>) {
    let is_found = choice.names.len() == 1 && FILE_NAMES.contains(&choice.names[0].as_str());
    match choice.folder.as_str() {
        "" => (".".to_owned(), (!is_found).then(|| choice.names.clone())),
        folder if leads_out => {
            (".".to_owned(), Some(choice.names.iter().map(|name| format!("{folder}/{name}")).collect()))
        }
        folder => (folder.to_owned(), (!is_found).then(|| choice.names.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(files: &[&str]) -> Result<Choice> {
        choose(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_file_of_the_project_is_told_from_others() {
        for (files, folder, names, beside) in [
            (&["compose.yaml", "compose.override.yaml"][..], "", &["compose.yaml"][..], Some("compose.override.yaml")),
            (
                &["docker-compose.yml", "docker-compose.prod.yml", "docker-compose.test.yml"],
                "",
                &["docker-compose.yml", "docker-compose.prod.yml"],
                None,
            ),
            (&["backend/docker-compose.yml", "tests/docker-compose.yml"], "backend", &["docker-compose.yml"], None),
            (
                &["docker-compose.production.yml", "x/y/z/docker-compose.yml"],
                "",
                &["docker-compose.production.yml"],
                None,
            ),
            (&["a/b/compose.yml", "a/compose.yml"], "a", &["compose.yml"], None),
        ] {
            let choice = chosen(files);
            match choice {
                Ok(choice) => {
                    assert_eq!(choice.folder, folder, "{files:?}");
                    assert_eq!(choice.names, names, "{files:?}");
                    assert_eq!(choice.override_file.as_deref(), beside, "{files:?}");
                }
                Err(error) => panic!("{files:?}: {error:#}"),
            }
        }
    }

    #[test]
    fn where_several_are_as_likely_a_person_says() {
        let told = format!("{:#}", chosen(&["a/compose.yml", "b/compose.yml"]).unwrap_err());
        assert!(told.contains("a/, b/") && told.contains("--compose"), "{told}");
        assert!(chosen(&["README.md"]).is_err());
    }

    #[test]
    fn what_the_files_refer_to_is_in_the_app() {
        let choice = |folder: &str, name: &str| Choice {
            folder: folder.to_owned(),
            names: vec![name.to_owned()],
            override_file: None,
        };
        let some = |name: &str| Some(vec![name.to_owned()]);
        for (of, leads_out, expected) in [
            (choice("", "compose.yml"), false, (".", None)),
            (choice("ops", "compose.yml"), false, ("ops", None)),
            (choice("ops", "compose.yml"), true, (".", some("ops/compose.yml"))),
            (choice("", "stack.yml"), false, (".", some("stack.yml"))),
        ] {
            assert_eq!(app(&of, leads_out), (expected.0.to_owned(), expected.1), "{of:?}");
        }
    }
}
