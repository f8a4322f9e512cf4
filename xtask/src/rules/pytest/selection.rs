//! Which tests run: the switches of `tests_config.yaml`, and what pytest is given because of them.
//!
//! The tests folder is given to pytest whole, without the groups that are off, rather than group by group: so a test
//! that no group names still runs, and a new folder is not forgotten in silence.

mod nearest;
mod switches;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::rules::failure::Kind;

use nearest::nearest;
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
pub struct TestGroups {
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
    switches: &TestGroups,
    overrides: &BTreeMap<String, Vec<String>>,
    only: Option<&str>,
    folder: &str,
    disk: &Disk,
) -> Result<Selection> {
    let folder = normal(folder).unwrap_or_else(|_| ".".to_owned());
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
        let paths = paths
            .map_err(|problem| Kind::Configuration.error(format!("deploy.toml: [test] groups: {name}: {problem}")))?;
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
    if folder == "." {
        return true;
    }
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Catalogue<'a> {
    switches: &'a TestGroups,
    overrides: BTreeMap<String, Vec<String>>,
    /// `.` where the tests folder is the app's folder itself.
    folder: String,
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
        if self.folder == "." { name.to_owned() } else { format!("{}/{name}", self.folder) }
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
        if !off.iter().any(|off| covers(off, &self.folder)) {
            selection.paths.insert(0, self.folder.clone());
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
            selection.paths.extend(left.into_iter().filter(|path| !covers(&self.folder, path)).cloned());
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
        let mut selection = Selection {
            paths,
            groups_run: vec![name.to_owned()],
            warnings: self.switches.warnings.clone(),
            ..Selection::default()
        };
        if let Some(Group { enabled: false, line, .. }) = switch {
            let file = &self.switches.file;
            selection
                .notes
                .push(format!("group `{name}` is off ({file}:{line}); it runs because it was asked for by name"));
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
            selection
                .warnings
                .push(format!("{file}:{line}: group `{name}` names nothing: there is no {path} in the app's folder"));
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
        Kind::Usage.error(format!(
            "there is no group `{name}`{}; there are: {}",
            meant.unwrap_or_default(),
            names.join(", ")
        ))
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

#[cfg(test)]
mod tests;
