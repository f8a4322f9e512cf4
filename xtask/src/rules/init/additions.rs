//! Lines that are added to files that are there: what stands in them stays as it is.

use toml::{Table, Value};

use super::manifest;

/// The text with those of `lines` that it has not, below a comment. `None`: it has them all.
pub fn ignored(text: &str, comment: &str, lines: &[&str]) -> Option<String> {
    let has = |line: &str| text.lines().any(|there| there.trim().trim_matches('/') == line.trim_matches('/'));
    let missing: Vec<&str> = lines.iter().copied().filter(|line| !has(line)).collect();
    (!missing.is_empty()).then(|| appended(text, &format!("# {comment}\n{}\n", missing.join("\n"))))
}

fn appended(text: &str, more: &str) -> String {
    match text.trim_end() {
        "" => more.to_owned(),
        there => format!("{there}\n\n{more}"),
    }
}

/// What became of a file.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// Its new text.
    Text(String),
    /// It has everything already.
    Nothing,
    /// It cannot be changed here; a person adds this.
    ByHand(String),
}

/// `.cargo/config.toml` with the alias.
pub fn with_alias(text: &str) -> Change {
    let line = format!("xtask = {:?}", manifest::ALIAS);
    let by_hand = || Change::ByHand(format!("below [alias]: {line}"));
    let Ok(table) = text.parse::<Table>() else { return by_hand() };
    if text.contains('\r') {
        return by_hand();
    }
    let alias = table.get("alias").and_then(|alias| alias.get("xtask"));
    match alias {
        Some(Value::String(known)) if known == manifest::ALIAS => return Change::Nothing,
        Some(_) => return by_hand(),
        None => {}
    }
    let new = match text.lines().position(|line| line.trim() == "[alias]") {
        Some(at) => {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.insert(at + 1, &line);
            format!("{}\n", lines.join("\n"))
        }
        None => appended(text, &format!("[alias]\n{line}\n")),
    };
    // Written differently, it may not be what it looks like.
    let mut expected = table;
    let aliases = expected.entry("alias").or_insert_with(|| Value::Table(Table::new()));
    if let Some(aliases) = aliases.as_table_mut() {
        aliases.insert("xtask".to_owned(), Value::String(manifest::ALIAS.to_owned()));
    }
    match new.parse::<Table>() {
        Ok(read) if read == expected => Change::Text(new),
        _ => by_hand(),
    }
}

/// Of each target its name and what it runs. The first one is what `make` alone does in a new file, so it only reads.
const TARGETS: [(&str, &str); 4] = [
    ("deploy-status", "status --env $(DEPLOY_ENV)"),
    ("deploy-check", "check --env $(DEPLOY_ENV)"),
    ("deploy", "deploy --env $(DEPLOY_ENV)"),
    ("rollback", "rollback --env $(DEPLOY_ENV)"),
];

/// A Makefile with those targets that it has not, and the names of those that it has.
pub fn with_targets(text: &str) -> (Change, Vec<&'static str>) {
    if text.contains("DEPLOY_ENV ?= local") {
        return (Change::Nothing, Vec::new());
    }
    let rules =
        || text.lines().filter(|line| !line.starts_with(['\t', '#', '.'])).filter_map(|line| line.split_once(':'));
    let is_rule = |rest: &str| !rest.starts_with(['=', ':']);
    let has = |name: &str| {
        rules().any(|(targets, rest)| is_rule(rest) && targets.split_whitespace().any(|target| target == name))
    };
    // Elsewhere, or by a pattern, there may be targets of these names.
    let includes =
        text.lines().any(|line| line.trim_start_matches('-').starts_with("include ") || line.starts_with("sinclude "));
    if includes
        || text.contains(".RECIPEPREFIX")
        || rules().any(|(targets, _)| targets.contains('%'))
        || text.contains('\r')
    {
        return (
            Change::ByHand(
                "targets that call `cargo xtask deploy`, `rollback`, `status`, as far as it has none".to_owned(),
            ),
            Vec::new(),
        );
    }
    let (there, missing): (Vec<_>, Vec<_>) = TARGETS.into_iter().partition(|(name, _)| has(name));
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let mut more = format!(
        "# Deploys, by the settings in deploy.toml: `make deploy` to this machine, `make deploy DEPLOY_ENV=prod` to the server.\n\
         DEPLOY_ENV ?= local\n\n.PHONY: {}\n",
        names.join(" ")
    );
    for (name, command) in &missing {
        more.push_str(&format!("{name}:\n\tcargo xtask {command}\n"));
    }
    let change = if missing.is_empty() { Change::Nothing } else { Change::Text(appended(text, &more)) };
    (change, there.into_iter().map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_there_are_not_added_again() {
        let once = ignored("target\n", "the tool", &["/xtask/target/", "/.deploy/"]).unwrap();
        assert_eq!(once, "target\n\n# the tool\n/xtask/target/\n/.deploy/\n");
        assert_eq!(ignored(&once, "the tool", &["/xtask/target/", "/.deploy/"]), None);
        assert_eq!(ignored(".deploy\n", "x", &["/.deploy/"]), None);
        assert_eq!(ignored("", "x", &["/a/"]).unwrap(), "# x\n/a/\n");
    }

    #[test]
    fn the_alias_joins_those_that_are_there() {
        for text in ["", "[build]\njobs = 2\n", "# ours\n[alias]\nb = \"build\" # short\n\n[net]\noffline = false\n"] {
            let Change::Text(new) = with_alias(text) else { panic!("{text}") };
            let read = new.parse::<Table>().unwrap();
            assert_eq!(read["alias"]["xtask"].as_str(), Some(manifest::ALIAS), "{new}");
            assert!(text.lines().all(|line| new.contains(line)), "{new}");
            assert_eq!(with_alias(&new), Change::Nothing);
        }
    }

    #[test]
    fn an_alias_of_another_tool_stays() {
        for text in [
            "[alias]\nxtask = \"run -p mine --\"\n",
            "alias = { b = \"build\" }\n",
            "[alias\n",
            "[alias] # ours\nb = \"build\"\n",
        ] {
            assert!(matches!(with_alias(text), Change::ByHand(_)), "{text}");
        }
    }

    #[test]
    fn targets_of_the_project_s_own_stay() {
        let (change, there) = with_targets("build test:\n\tdocker build .\ndeploy: build\n\tssh x ./deploy.sh\n");
        let Change::Text(new) = change else { panic!() };
        assert_eq!(there, ["deploy"]);
        assert!(new.contains("\ndeploy: build\n\tssh x ./deploy.sh\n") && !new.contains("\ndeploy:\n"), "{new}");
        assert!(new.contains("rollback:\n\tcargo xtask rollback --env $(DEPLOY_ENV)\n"), "{new}");
        assert_eq!(with_targets(&new), (Change::Nothing, Vec::new()));
        for by_hand in ["include mk/deploy.mk\n", "deploy-%:\n\tx\n", ".RECIPEPREFIX = >\n", "a:\r\n\tb\r\n"] {
            assert!(matches!(with_targets(by_hand).0, Change::ByHand(_)), "{by_hand}");
        }
        let Change::Text(new) = with_targets("deploy := x\n").0 else { panic!() };
        assert!(new.contains("\ndeploy:\n") && with_targets("").1.is_empty(), "{new}");
    }
}
