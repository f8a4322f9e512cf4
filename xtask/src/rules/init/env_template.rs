//! `env.template`: the variables that an environment has to set.

use std::collections::{BTreeMap, BTreeSet};

/// Where it lies.
pub const PATH: &str = "env.template";

/// Where the app has an `.env` and nothing tells what is in it.
pub const EMPTY: &str = "# The variables of the app, which the compose file gives to its containers.\n";

/// The file, of what the compose files use, of what `example` has, and of the names that the `.env` of this machine sets. `None`: nothing is to
/// be set.
pub fn text(variables: &BTreeMap<String, Option<String>>, example: &str, names: &BTreeSet<String>) -> Option<String> {
    let set = |name: &str| {
        example
            .lines()
            .any(|line| line.trim_start_matches("export ").split('=').next().is_some_and(|key| key.trim() == name))
    };
    let missing: Vec<(&String, &Option<String>)> = variables.iter().filter(|(name, _)| !set(name)).collect();
    let own: Vec<&String> = names.iter().filter(|name| !set(name) && !variables.contains_key(*name)).collect();
    if missing.is_empty() && own.is_empty() && example.trim().is_empty() {
        return None;
    }
    let mut text = "# The variables of an environment. Fill in a copy of this file, and give its content to the deploy as PROD_ENV_FILE; a copy with\n\
                    # real values is never committed.\n"
        .to_owned();
    if !example.trim().is_empty() {
        text.push_str(&format!("\n{}\n", example.trim()));
    }
    if !own.is_empty() {
        text.push_str("\n# Of the `.env` of this machine, without its values.\n");
        own.iter().for_each(|name| text.push_str(&format!("{name}=\n")));
    }
    if !missing.is_empty() {
        text.push_str("\n# Of the compose files; a line that is commented out shows its default.\n");
    }
    for (name, default) in missing {
        match default.as_deref().filter(|default| !default.contains(['\n', '$'])) {
            Some(default) => text.push_str(&format!("# {name}={default}\n")),
            None if default.is_some() => text.push_str(&format!("# {name}=\n")),
            None => text.push_str(&format!("{name}=\n")),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_default_is_to_be_filled_in() {
        let variables = [("PASSWORD", None), ("PORT", Some("80")), ("TAG", Some("${OTHER}")), ("KEY", None)];
        let variables = variables.map(|(name, default)| (name.to_owned(), default.map(str::to_owned)));
        let names = ["KEY", "PASSWORD", "MOTTO"].map(str::to_owned).into();
        let text = text(&variables.into(), "KEY=change-me\n# a comment\n", &names).unwrap();
        for line in ["KEY=change-me", "PASSWORD=", "# PORT=80", "# TAG=", "MOTTO="] {
            assert!(text.lines().any(|there| there == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("KEY=").count(), 1, "{text}");
    }

    #[test]
    fn where_nothing_is_to_be_set_there_is_no_file() {
        assert_eq!(text(&BTreeMap::new(), "  ", &BTreeSet::new()), None);
    }
}
