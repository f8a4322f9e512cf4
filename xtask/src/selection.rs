//! Which tests run: the switches of `tests_config.yaml`, and what pytest is given because of them.
//!
//! The tests folder is given to pytest whole, without the groups that are off, rather than group by group: so a test
//! that no group names still runs, and a new folder is not forgotten in silence.

mod switches;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::failure::Kind;

pub use switches::parse;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub enabled: bool,
    /// Counted from 1.
    pub line: usize,
}

/// What `tests_config.yaml` says.
#[derive(Debug)]
pub struct Switches {
    /// The file, as it is called in messages.
    pub file: String,
    /// In the file's order.
    pub groups: Vec<Group>,
    pub warnings: Vec<String>,
}

/// What is on disk, asked with paths relative to the app's folder.
pub struct Disk<'a> {
    pub exists: &'a dyn Fn(&str) -> bool,
    /// The entries of the tests folder that hold tests, by name.
    pub entries: &'a [String],
}

/// What pytest is given. Paths are relative to the app's folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub paths: Vec<String>,
    /// Inside `paths`, but off.
    pub ignored: Vec<String>,
    pub groups_run: Vec<String>,
    pub groups_skipped: Vec<String>,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
}

/// Chooses what runs. `overrides` gives paths to groups that are not the folder of their name in `folder`; `only` is
/// the one group that was asked for by name, which runs whatever its switch says.
///
/// # Errors
/// [`Kind::Usage`] where `only` is not known; [`Kind::Configuration`] where nothing is left to run or an override is
/// not a path inside the app.
pub fn select(
    switches: &Switches,
    overrides: &BTreeMap<String, Vec<String>>,
    only: Option<&str>,
    folder: &str,
    disk: &Disk,
) -> Result<Selection> {
    let catalogue = Catalogue { switches, overrides: normal_overrides(overrides)?, folder, disk };
    match only {
        Some(name) => catalogue.one(name),
        None => catalogue.all(),
    }
}

fn normal_overrides(overrides: &BTreeMap<String, Vec<String>>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut normalised = BTreeMap::new();
    for (name, paths) in overrides {
        let paths: Result<Vec<String>, &str> = paths.iter().map(|path| normal(path)).collect();
        let paths = paths.map_err(|problem| Kind::Configuration.error(format!("deploy.toml: [test] groups: {name}: {problem}")))?;
        normalised.insert(name.clone(), paths);
    }
    Ok(normalised)
}

/// A path below a folder, each part once; never an option of pytest.
fn normal(path: &str) -> Result<String, &'static str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match () {
        () if path.starts_with('/') || parts.contains(&"..") => Err("a path must stay inside the app's folder"),
        () if path.starts_with('-') => Err("a path must not begin with `-`, pytest would read it as an option"),
        () if parts.is_empty() || path.contains(char::is_control) => Err("a path must not be empty"),
        () => Ok(parts.join("/")),
    }
}

/// Whether `path` is `folder` or stands inside it.
fn covers(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Catalogue<'a> {
    switches: &'a Switches,
    overrides: BTreeMap<String, Vec<String>>,
    folder: &'a str,
    disk: &'a Disk<'a>,
}

impl Catalogue<'_> {
    fn switch(&self, name: &str) -> Option<&Group> {
        self.switches.groups.iter().find(|group| group.name == name)
    }

    /// The paths a group stands for, there or not.
    fn paths(&self, name: &str) -> Vec<String> {
        self.overrides.get(name).cloned().unwrap_or_else(|| vec![self.entry(name)])
    }

    fn entry(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn present(&self, name: &str) -> Vec<String> {
        self.paths(name).into_iter().filter(|path| (self.disk.exists)(path)).collect()
    }

    /// Paths of the groups that are off, but for the group that is asked for.
    fn off(&self, asked: Option<&str>) -> Vec<String> {
        let off = self.switches.groups.iter().filter(|group| !group.enabled && asked != Some(group.name.as_str()));
        off.flat_map(|group| self.present(&group.name)).collect()
    }

    fn all(&self) -> Result<Selection> {
        let file = &self.switches.file;
        let off = self.off(None);
        let mut selection = Selection { warnings: self.switches.warnings.clone(), ..Selection::default() };
        for group in &self.switches.groups {
            self.warn_of_missing(group, &mut selection);
            self.place(group, &off, &mut selection);
        }
        let unnamed = self.unnamed(&off);
        if selection.groups_run.is_empty() && unnamed.is_empty() {
            return Err(Kind::Configuration.error(format!(
                "{file}: nothing is left to run: every group is off or names nothing; \
                 hint: set one to true, or run one with --group NAME"
            )));
        }
        if !unnamed.is_empty() {
            selection.notes.push(format!("in no group of {file}, so it runs as well: {}", unnamed.join(", ")));
        }
        for name in self.overrides.keys().filter(|name| self.switch(name).is_none()) {
            let warning = format!("{file} does not name the group `{name}` of deploy.toml: it is neither on nor off");
            selection.warnings.push(warning);
        }
        if !off.iter().any(|off| covers(off, self.folder)) {
            selection.paths.insert(0, self.folder.to_owned());
        }
        selection.ignore(off);
        Ok(selection)
    }

    /// Counts a group as run or skipped, and adds what of it stands outside the tests folder.
    fn place(&self, group: &Group, off: &[String], selection: &mut Selection) {
        let Group { name, enabled, line } = group;
        let present = self.present(name);
        let is_off = |path: &&String| off.iter().any(|off| covers(off, path));
        let left: Vec<&String> = present.iter().filter(|path| !is_off(path)).collect();
        if !left.is_empty() {
            selection.groups_run.push(name.clone());
            selection.paths.extend(left.into_iter().filter(|path| !covers(self.folder, path)).cloned());
            return;
        }
        if *enabled && present.is_empty() {
            return;
        }
        selection.groups_skipped.push(name.clone());
        if *enabled {
            let file = &self.switches.file;
            selection.warnings.push(format!(
                "{file}:{line}: group `{name}` is on, but all of it is part of a group that is off; it does not run"
            ));
        }
    }

    fn one(&self, name: &str) -> Result<Selection> {
        let switch = self.switch(name);
        if switch.is_none() && !self.names().contains(&name) {
            return Err(self.unknown(name));
        }
        let paths = self.present(name);
        if paths.is_empty() {
            let missing = self.paths(name).join(", ");
            return Err(Kind::Configuration.error(format!(
                "group `{name}` names nothing: there is no {missing} in the app's folder; hint: give its paths in deploy.toml, [test] groups"
            )));
        }
        let mut selection = Selection { paths, groups_run: vec![name.to_owned()], warnings: self.switches.warnings.clone(), ..Selection::default() };
        if let Some(Group { enabled: false, line, .. }) = switch {
            let file = &self.switches.file;
            selection.notes.push(format!("group `{name}` is off ({file}:{line}); it runs because it was asked for by name"));
        }
        if let Some(group) = switch {
            self.warn_of_missing(group, &mut selection);
        }
        let off = self.off(Some(name)).into_iter().filter(|off| !selection.paths.iter().any(|path| covers(off, path)));
        let off: Vec<String> = off.collect();
        selection.ignore(off);
        Ok(selection)
    }

    fn warn_of_missing(&self, group: &Group, selection: &mut Selection) {
        for path in self.paths(&group.name).iter().filter(|path| !(self.disk.exists)(path)) {
            let Group { name, line, .. } = group;
            let file = &self.switches.file;
            selection.warnings.push(format!("{file}:{line}: group `{name}` names nothing: there is no {path} in the app's folder"));
        }
    }

    /// Entries of the tests folder that no group stands for.
    fn unnamed(&self, off: &[String]) -> Vec<String> {
        let named: Vec<String> = self.switches.groups.iter().flat_map(|group| self.present(&group.name)).collect();
        let entries = self.disk.entries.iter().map(|entry| self.entry(entry));
        entries.filter(|entry| !named.iter().chain(off).any(|path| covers(path, entry))).collect()
    }

    /// Everything that `--group` may name.
    fn names(&self) -> Vec<&str> {
        let switches = self.switches.groups.iter().map(|group| group.name.as_str());
        let overrides = self.overrides.keys().map(String::as_str);
        let mut names: Vec<&str> = switches.collect();
        for name in overrides.chain(self.disk.entries.iter().map(String::as_str)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn unknown(&self, name: &str) -> anyhow::Error {
        let names = self.names();
        let meant = nearest(name, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let name = name.escape_debug();
        Kind::Usage.error(format!("there is no group `{name}`{}; there are: {}", meant.unwrap_or_default(), names.join(", ")))
    }
}

impl Selection {
    /// Leaves out what of `off` is part of what is given to pytest.
    fn ignore(&mut self, off: Vec<String>) {
        for path in off {
            if !self.ignored.contains(&path) && self.paths.iter().any(|given| covers(given, &path)) {
                self.ignored.push(path);
            }
        }
    }
}

/// The name that differs from `name` by few letters.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    names.map(|other| (distance(name, other), other)).filter(|(distance, _)| *distance <= limit).min().map(|(_, other)| other)
}

/// Letters to insert, remove or replace (Levenshtein), one row of the table at a time.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (column, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *against);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The app of the scenarios below: `tests/` with four folders and a file, and tests beside it.
    fn choose(text: &str, overrides: &[(&str, &[&str])], only: Option<&str>) -> Result<Selection> {
        let there = ["tests", "tests/auth", "tests/health", "tests/routes", "tests/routes/test_slow.py", "tests/unit", "tests/test_top.py", "contract"];
        let overrides = overrides.iter().map(|(name, paths)| (name.to_string(), paths.iter().map(|path| path.to_string()).collect()));
        let entries = ["auth", "health", "routes", "test_top.py", "unit"].map(str::to_owned);
        let disk = Disk { exists: &|path| there.contains(&path), entries: &entries };
        select(&parse(text, "t.yaml").unwrap(), &overrides.collect(), only, "tests", &disk)
    }

    #[test]
    fn everything_runs_but_the_groups_that_are_off() {
        let selection = choose("test_groups: {auth: true, health: true, routes: false}", &[], None).unwrap();
        assert_eq!((selection.paths, selection.ignored), (vec!["tests".to_owned()], vec!["tests/routes".to_owned()]));
        assert_eq!(selection.groups_run, ["auth", "health"]);
        assert_eq!(selection.groups_skipped, ["routes"]);
        assert_eq!(selection.notes, ["in no group of t.yaml, so it runs as well: tests/test_top.py, tests/unit"]);
        assert!(selection.warnings.is_empty());
    }

    #[test]
    fn a_group_that_names_nothing_is_a_warning_with_its_line() {
        let selection = choose("test_groups:\n  auth: true\n  notifications: true\n  bot: false\nthreads: 4\n", &[], None).unwrap();
        assert_eq!(selection.warnings, [
            "t.yaml: the key `threads` means nothing here; only test_groups is read",
            "t.yaml:3: group `notifications` names nothing: there is no tests/notifications in the app's folder",
            "t.yaml:4: group `bot` names nothing: there is no tests/bot in the app's folder",
        ]);
        assert_eq!((selection.groups_run, selection.groups_skipped), (vec!["auth".to_owned()], vec!["bot".to_owned()]));
    }

    #[test]
    fn a_group_may_stand_for_other_paths() {
        let overrides: &[(&str, &[&str])] = &[("contract", &["./contract/"]), ("slow", &["tests/routes/test_slow.py"])];
        let selection = choose("test_groups: {contract: true, routes: true, slow: false}", overrides, None).unwrap();
        assert_eq!(selection.paths, ["tests", "contract"]);
        assert_eq!(selection.ignored, ["tests/routes/test_slow.py"], "off, though the group around it is on");
        assert_eq!(selection.groups_run, ["contract", "routes"]);
        let selection = choose("test_groups: {contract: false}", overrides, None).unwrap();
        assert_eq!((selection.paths, selection.ignored), (vec!["tests".to_owned()], vec![]), "outside of the tests folder nothing runs unasked");
        assert!(selection.warnings[0].contains("does not name the group `slow` of deploy.toml"), "{:?}", selection.warnings);
    }

    #[test]
    fn a_group_inside_one_that_is_off_does_not_run_and_says_so() {
        let selection = choose("test_groups: {routes: false, slow: true, auth: true}", &[("slow", &["tests/routes/test_slow.py"])], None).unwrap();
        assert_eq!(selection.groups_skipped, ["routes", "slow"]);
        assert!(selection.warnings[0].contains("`slow` is on, but all of it is part of a group that is off"), "{:?}", selection.warnings);
    }

    #[test]
    fn one_group_runs_whatever_its_switch_says() {
        let text = "test_groups:\n  routes: true\n  auth: false\n  slow: false\n";
        let overrides: &[(&str, &[&str])] = &[("slow", &["tests/routes/test_slow.py"])];
        let routes = choose(text, overrides, Some("routes")).unwrap();
        assert_eq!((routes.paths, routes.ignored), (vec!["tests/routes".to_owned()], vec!["tests/routes/test_slow.py".to_owned()]));
        assert_eq!(routes.groups_run, ["routes"]);
        let auth = choose(text, overrides, Some("auth")).unwrap();
        assert_eq!((auth.paths, auth.ignored), (vec!["tests/auth".to_owned()], vec![]));
        assert_eq!(auth.notes, ["group `auth` is off (t.yaml:3); it runs because it was asked for by name"]);
        assert_eq!(choose(text, overrides, Some("unit")).unwrap().paths, ["tests/unit"], "a folder without a switch");
    }

    #[test]
    fn an_unknown_group_is_refused_with_the_known_ones() {
        let error = choose("test_groups: {routes: true, nothing: true}", &[], Some("route")).unwrap_err();
        assert_eq!(Kind::of(&error), Some(Kind::Usage));
        assert_eq!(error.to_string(), "there is no group `route`; did you mean `routes`?; there are: routes, nothing, auth, health, test_top.py, unit");
        let error = choose("test_groups: {routes: true, nothing: true}", &[], Some("nothing")).unwrap_err();
        assert!(error.to_string().contains("there is no tests/nothing"), "{error}");
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        let off = "test_groups: {auth: false, health: false, routes: false, unit: false, top: false}";
        let error = choose(off, &[("top", &["tests/test_top.py"])], None).unwrap_err();
        assert!(error.to_string().contains("nothing is left to run"), "{error}");
        let error = choose("test_groups: {everything: false, auth: true}", &[("everything", &["tests"])], None).unwrap_err();
        assert!(error.to_string().contains("nothing is left to run"), "{error}");
    }

    #[test]
    fn an_override_outside_the_app_or_like_an_option_is_refused() {
        for path in ["../other", "/etc", "--pdb", "", "."] {
            let error = choose("test_groups: {auth: true}", &[("smoke", &[path])], None).unwrap_err();
            assert!(error.to_string().starts_with("deploy.toml: [test] groups: smoke: a path must"), "{path:?}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_is_off_never_runs(switches in prop::collection::vec(any::<bool>(), 4)) {
            let names = ["auth", "health", "routes", "unit"];
            let lines: Vec<String> = names.iter().zip(&switches).map(|(name, on)| format!("  {name}: {on}\n")).collect();
            let selection = choose(&format!("test_groups:\n{}", lines.concat()), &[], None).unwrap();
            for (name, on) in names.iter().zip(&switches) {
                let path = format!("tests/{name}");
                prop_assert_eq!(selection.ignored.contains(&path), !on);
                prop_assert_eq!(selection.groups_run.iter().any(|run| run == name), *on);
                prop_assert_eq!(selection.groups_skipped.iter().any(|skipped| skipped == name), !on);
            }
        }
    }
}
