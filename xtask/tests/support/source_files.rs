//! The product's source files, and which of them names which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::support::rust_source::Source;
use crate::support::server::repository;

/// Files below a folder of the repository, by the end of their name.
pub fn files(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {suffix} in {folder}");
    found
}

/// The tool's own source files, by path below `xtask/src`.
pub fn sources() -> BTreeMap<String, Source> {
    let root = repository().join("xtask/src");
    let named = files("xtask/src", ".rs").into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, Source::read(&path))
    });
    named.collect()
}

/// Of each file of the product, without tests: the files it names, itself and through the modules that are its own.
pub fn named() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let file = |module: &[String]| format!("{}.rs", module.join("/"));
    let mut found = BTreeMap::new();
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(module) = waiting.pop() {
        let name = if module.is_empty() { "main.rs".to_owned() } else { file(&module) };
        let source = &sources[&name];
        let mut named = BTreeSet::new();
        for (public, child) in source.modules() {
            let child: Vec<String> = module.iter().cloned().chain([child]).collect();
            // One that is public is named by those who use it.
            named.extend((!public).then(|| file(&child)));
            waiting.push(child);
        }
        // The longest part of a path that is a module; the rest is what it has in it.
        let is_file =
            |path: &[String]| (1..=path.len()).rev().map(|end| file(&path[..end])).find(|f| sources.contains_key(f));
        named.extend(source.paths(&module).iter().filter_map(|path| is_file(path)));
        found.insert(name, named);
    }
    found
}
