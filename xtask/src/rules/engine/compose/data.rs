//! Where relative mounts lead: code to the release's folder, data to a folder that outlives releases.
//!
//! A mount whose source is in the commit is code or configuration and belongs to a release. One whose source is not is data: it
//! lies in `<folder>/shared/<path>`, the same for every release. So does what `shared` in `deploy.toml` names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::RenderInput;
use super::project::{Project, Service};
use crate::rules::shared_constants;

/// A path of the app's folder that outlives releases, and who has it mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Relative to the app's folder.
    pub path: String,
    /// Where a container has it mounted from now, if one does elsewhere. Containers that differ are told apart on the host, where
    /// links can be resolved.
    pub found: Option<String>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Folder,
    /// Somebody has to put it there.
    File,
    /// It is in the commit, so it is not shared. Where data lies under that name, a container would not see it any more.
    Committed,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Folder => "folder",
            Kind::File => "file",
            Kind::Committed => "committed",
        })
    }
}

/// Files whose only use is that git keeps their folder.
const PLACEHOLDERS: [&str; 4] = [".gitkeep", ".keep", ".gitignore", ".empty"];

/// What a commit has below the app's folder.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What tells the content of each path.
    paths: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Not in the commit, or a folder of placeholders.
    Data,
    File,
    Folder,
}

impl Commit {
    pub fn new(paths: impl IntoIterator<Item = (String, String)>) -> Commit {
        Commit { paths: paths.into_iter().collect() }
    }

    fn content(&self, path: &str) -> Content {
        // The `.env` comes with the release, from elsewhere.
        if self.paths.contains_key(path) || path == ".env" {
            return Content::File;
        }
        let below = format!("{path}/");
        let mut inside = self.below(&below).map(|(known, _)| known);
        let is_placeholder = |known: &String| PLACEHOLDERS.contains(&known.rsplit('/').next().unwrap_or_default());
        if inside.all(is_placeholder) { Content::Data } else { Content::Folder }
    }

    fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a String)> {
        self.paths.range(prefix.to_owned()..).take_while(move |(known, _)| known.starts_with(prefix))
    }

    /// What tells the content of a file, or of all that is in a folder.
    pub fn fingerprint(&self, path: &str) -> String {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let own = self.paths.get(path).into_iter().cloned();
        own.chain(self.below(&prefix).map(|(known, sum)| format!("{known} {sum}"))).collect::<Vec<String>>().join("\n")
    }
}

/// A mount of a service as compose printed it: short (v1) or long (v2).
struct Bind<'a> {
    source: &'a str,
    target: &'a str,
    read_only: bool,
}

fn bind(volume: &Value) -> Option<Bind<'_>> {
    match volume {
        Value::String(text) => {
            let mut parts = text.split(':');
            let (source, target) = (parts.next()?, parts.next()?);
            let read_only = parts.next().is_some_and(|mode| mode.split(',').any(|word| word == "ro"));
            source.starts_with('/').then_some(Bind { source, target, read_only })
        }
        Value::Object(fields) if fields.get("type").and_then(Value::as_str) == Some("bind") => Some(Bind {
            source: fields.get("source")?.as_str()?,
            target: fields.get("target")?.as_str()?,
            read_only: fields.get("read_only").and_then(Value::as_bool).unwrap_or_default(),
        }),
        _ => None,
    }
}

fn set_source(volume: &mut Value, source: &str) {
    match volume {
        Value::String(text) => {
            if let Some((_, rest)) = text.split_once(':') {
                *text = format!("{source}:{rest}");
            }
        }
        other => other["source"] = json!(source),
    }
}

/// The path below the release's folder; empty for the folder itself.
pub fn inside<'a>(source: &'a str, release_folder: &str) -> Option<&'a str> {
    let rest = source.strip_prefix(release_folder)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/').map(|path| path.trim_end_matches('/')) }
}

/// Whether `path` is `whole` or lies in it.
fn lies_in(path: &str, whole: &str) -> bool {
    let whole = whole.trim_end_matches('/');
    whole.is_empty() || path == whole || path.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/'))
}

/// Lets each mount of data lead to the shared folder.
pub fn place(project: &mut Project, rendering: &RenderInput, notes: &mut Vec<String>) -> Vec<Shared> {
    let release_folder = rendering.release_folder();
    let mut places = BTreeSet::new();
    let mut written = BTreeSet::new();
    for (name, service) in &mut project.services {
        for (path, target) in place_service(service, rendering, &release_folder, name, &mut written) {
            let elsewhere = found(rendering, name, &target).filter(|found| *found != rendering.shared_place(&path));
            places.insert((path, elsewhere, Kind::Folder));
        }
        let committed =
            of_release(service, &release_folder).into_iter().filter(|(path, _)| !path.is_empty() && path != ".env");
        places.extend(committed.map(|(path, _)| (path, None, Kind::Committed)));
    }
    for (part, folder) in [(&mut project.secrets, "/run/secrets/"), (&mut project.configs, "/")] {
        places.extend(place_files(part, rendering, &release_folder, folder));
    }
    if !written.is_empty() {
        let paths: Vec<String> = written.into_iter().collect();
        notes.push(format!(
            "these folders are committed and mounted to be written to: {}. What is written there stays with its release. Where it \
             is data, name it in `shared` ([project] in deploy.toml); where it is not, mount it read-only (`:ro`)",
            paths.join(", ")
        ));
    }
    // Where one container has it from somewhere, others that have it from nowhere add nothing.
    let known: BTreeSet<String> =
        places.iter().filter(|(_, found, _)| found.is_some()).map(|(path, _, _)| path.clone()).collect();
    let told = places.into_iter().filter(|(path, found, _)| found.is_some() || !known.contains(path));
    told.map(|(path, found, kind)| Shared { path, found, kind }).collect()
}

/// Where a container of the service has `target` mounted from; also where it has a folder around it mounted.
fn found(rendering: &RenderInput, service: &str, target: &str) -> Option<String> {
    let around = |known: &&(&String, &String)| lies_in(target, known.0.as_str());
    let binds = rendering.found.iter().filter(|((of, _), _)| of == service).map(|((_, at), source)| (at, source));
    let binds: Vec<(&String, &String)> = binds.collect();
    let (at, source) = binds.iter().filter(around).max_by_key(|(at, _)| at.len())?;
    Some(format!("{source}{}", &target[at.len()..]))
}

/// The shared paths of a service, each with where it is mounted inside.
fn place_service(
    service: &mut Service,
    rendering: &RenderInput,
    release_folder: &str,
    name: &str,
    written: &mut BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut shared = Vec::new();
    let mut more = Vec::new();
    for volume in service.volumes.iter_mut().flatten() {
        let Some(bind) = bind(volume) else { continue };
        let Some(path) = inside(bind.source, release_folder).map(str::to_owned) else { continue };
        let target = bind.target.trim_end_matches('/').to_owned();
        let content = rendering.commit.content(&path);
        let named = rendering.shared.iter().any(|whole| lies_in(&path, whole.trim_end_matches('/')));
        if !path.is_empty() && (named || content == Content::Data) {
            shared.push((path.clone(), target));
            set_source(volume, &rendering.shared_place(&path));
            continue;
        }
        if !path.is_empty() && content == Content::Folder && !bind.read_only {
            written.insert(format!("{path} (service `{name}`)"));
        }
        // What is shared inside of a mounted folder is mounted over it.
        for inner in rendering.shared.iter().map(|inner| inner.trim_end_matches('/')) {
            if lies_in(inner, &path) {
                let below = inner[path.len()..].trim_start_matches('/');
                more.push((inner.to_owned(), format!("{target}/{below}")));
            }
        }
    }
    for (path, target) in more {
        if shared.iter().all(|(_, known)| *known != target) {
            let volume = json!(format!("{}:{target}:rw", rendering.shared_place(&path)));
            service.volumes.get_or_insert_default().push(volume);
            shared.push((path, target));
        }
    }
    shared
}

/// Files of `secrets` and `configs` that the commit does not have were put there by hand. In a container they are below `folder`.
fn place_files(
    part: &mut Option<Value>,
    rendering: &RenderInput,
    release_folder: &str,
    folder: &str,
) -> Vec<(String, Option<String>, Kind)> {
    let mut places = Vec::new();
    let entries = part.as_mut().and_then(Value::as_object_mut).into_iter().flatten();
    for (name, entry) in entries {
        let Some(Value::String(file)) = entry.get_mut("file") else { continue };
        let Some(path) = inside(file, release_folder).map(str::to_owned) else { continue };
        if !path.is_empty() && rendering.commit.content(&path) == Content::Data {
            *file = rendering.shared_place(&path);
            let target = format!("{folder}{name}");
            let found = rendering.found.iter().find(|((_, at), _)| *at == target).map(|(_, source)| source.clone());
            places.push((path.clone(), found.filter(|found| *found != rendering.shared_place(&path)), Kind::File));
        }
    }
    places
}

/// Mounts of what lies above the app's folder: it is in no release.
pub fn above_the_app(service: &Service, rendering: &RenderInput) -> Vec<String> {
    let (release_folder, releases) = (rendering.release_folder(), format!("{}/releases", rendering.folder));
    let binds = service.volumes.iter().flatten().filter_map(bind).map(|bind| bind.source);
    let above = binds.filter(|source| inside(source, &release_folder).is_none() && inside(source, &releases).is_some());
    above.map(|source| source[releases.len()..].trim_start_matches('/').to_owned()).collect()
}

/// Mounts through which a container could change, or read, what the tool keeps of releases: the environment's folder, what lies in
/// it beside releases and data, or, unless it is read-only, a folder that holds it. Monitoring reads whole hosts.
pub fn of_the_tool(service: &Service, rendering: &RenderInput) -> Vec<String> {
    let releases = format!("{}/releases", rendering.folder);
    let kept = ["meta", "live", shared_constants::LOCK_FILE, shared_constants::RECORD_FILE]
        .map(|part| format!("{}/{part}", rendering.folder));
    let binds = service.volumes.iter().flatten().filter_map(bind).map(|bind| (plain(bind.source), bind.read_only));
    let held = binds.filter(|(source, read_only)| {
        let whole = source == rendering.folder || *source == releases;
        let part = kept.iter().any(|kept| lies_in(source, kept));
        whole || part || (!read_only && lies_in(rendering.folder, source))
    });
    held.map(|(source, _)| source).collect()
}

/// An absolute path without `.` and `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Where a service has the release's own folders and files mounted.
pub fn of_release(service: &Service, release_folder: &str) -> Vec<(String, String)> {
    let binds = service.volumes.iter().flatten().filter_map(bind);
    binds.filter_map(|bind| Some((inside(bind.source, release_folder)?.to_owned(), bind.target.to_owned()))).collect()
}

/// Paths of the release that a service may write to, but for the release itself.
pub fn written_to(service: &Service, release_folder: &str) -> Vec<String> {
    let binds = service.volumes.iter().flatten().filter_map(bind).filter(|bind| !bind.read_only);
    let paths = binds.filter_map(|bind| inside(bind.source, release_folder));
    paths.filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Whether a path is a folder with something in it; the app's own folder is one.
pub fn is_folder(commit: &Commit, path: &str) -> bool {
    path.is_empty() || commit.content(path) == Content::Folder
}
