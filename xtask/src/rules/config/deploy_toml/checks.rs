//! What a value of `deploy.toml` may be.

use std::path::Path;

use crate::rules::canary::Canary;
use crate::rules::config::{Hooks, Project};
use crate::rules::release::own_projects;

use super::{Problem, RawConfig};

/// Compose project names: lower-case letters, digits, `-` and `_` (compose-spec, "Name top-level element").
///
/// # Errors
/// What is wrong with it, for a person.
pub fn name(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) || !name.as_bytes()[0].is_ascii_alphanumeric() || name.len() > 40 {
        return Err(format!("name = {name:?}: use up to 40 of a-z, 0-9, `-` and `_`, a letter or digit first"));
    }
    match own_projects("").iter().find(|suffix| !suffix.is_empty() && name.ends_with(*suffix)) {
        Some(suffix) => Err(format!(
            "name = {name:?}: names that end in `{suffix}` are those of another project's slots and workers"
        )),
        None => Ok(()),
    }
}

/// What `[project]` names.
///
/// # Errors
/// The first setting of `[project]` that cannot be.
pub fn project(project: &Project) -> Result<(), Problem> {
    name(&project.name).map_err(|problem| Problem::at("project.name", format!("[project] {problem}")))?;
    let workers = project.workers.iter().map(|worker| ("project.workers", worker));
    let accessories = project.accessories.iter().map(|service| ("project.accessories", service));
    let off = project.off.iter().map(|service| ("project.off", service));
    for (key, service) in workers.chain(accessories).chain(off).chain([("project.web", &project.web)]) {
        self::service(service).map_err(|text| Problem::at(key, format!("[project] {text}")))?;
    }
    let lists = [
        ("project.workers", &project.workers),
        ("project.accessories", &project.accessories),
        ("project.off", &project.off),
    ];
    for (key, services) in lists {
        if services.contains(&project.web) {
            let text = format!("[project] `{}` is the web service and stands in `{key}` too", project.web);
            return Err(Problem::at(key, text));
        }
    }
    if let Some(both) = project.accessories.iter().find(|service| project.workers.contains(service)) {
        let text = format!("[project] `{both}` is a worker and cannot be an accessory too");
        return Err(Problem::at("project.accessories", text));
    }
    let named = |service: &&String| project.workers.contains(service) || project.accessories.contains(service);
    if let Some(both) = project.off.iter().find(named) {
        let text = format!("[project] `{both}` is off and cannot be a worker or an accessory too");
        return Err(Problem::at("project.off", text));
    }
    let files = project.compose.iter().map(|file| ("project.compose", file));
    let shared = project.shared.iter().map(|path| ("project.shared", path));
    for (key, path) in files.chain(shared).chain([("project.app", &project.app)]) {
        relative(path).map_err(|problem| Problem::at(key, format!("[project] {problem}")))?;
    }
    if project.compose.is_empty() {
        return Err(Problem::at("project.compose", "[project] compose = []: name at least one compose file"));
    }
    if let Some(size) = project.build_cache.as_ref().filter(|size| !is_size(size)) {
        let text = format!("[project] build_cache = {size:?} is not a size: as in \"10GB\" or \"500MB\"");
        return Err(Problem::at("project.build_cache", text));
    }
    if project.keep < 2 {
        let text = format!("[project] keep = {}: at least 2, or there is nothing to roll back to", project.keep);
        return Err(Problem::at("project.keep", text));
    }
    Ok(())
}

/// As docker takes one.
fn is_size(text: &str) -> bool {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let number = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    number && ["MB", "GB", "TB"].contains(&unit)
}

/// The name of a service.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn service(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    match !name.is_empty() && name.len() <= 60 && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("{name:?} is not a compose service name: letters, digits, `-`, `_` and `.`")),
    }
}

/// What a site passes requests to.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn upstream(name: &str) -> Result<(), String> {
    match !name.is_empty() && name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        true => Ok(()),
        false => Err(format!("upstream = {name:?}: letters, digits and `_`, at most 60")),
    }
}

/// All words of a hook together; quoting makes up to four bytes of one.
pub const HOOK_BYTES: usize = 16 * 1024;

/// Shares that grow, and thresholds that say something.
fn canary(canary: &Canary) -> Result<(), Problem> {
    let steps = &canary.steps;
    let grow =
        !steps.is_empty() && steps.iter().all(|share| (1..=99).contains(share)) && steps.is_sorted_by(|a, b| a < b);
    let wrong =
        |field: &str, text: &str| Err(Problem::at(&format!("canary.{field}"), format!("[canary] {field}: {text}")));
    if !grow {
        return wrong("steps", "shares from 1 to 99 that grow, as in [1, 10, 50]");
    }
    if !(1..=86_400).contains(&canary.every) {
        return wrong("every", "from 1 second to a day");
    }
    if !(0.0..=100.0).contains(&canary.errors) {
        return wrong("errors", "hundredths of the requests, from 0 to 100");
    }
    if !(1.0..=1000.0).contains(&canary.latency) {
        return wrong("latency", "how many times as long, from 1 on");
    }
    let is_name =
        |name: &String| name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name(&canary.cookie) {
        return wrong("cookie", "the name of a cookie: letters, digits and `_`");
    }
    if canary.min_requests == 0 {
        return wrong("min_requests", "at least 1");
    }
    Ok(())
}

/// Numbers, paths and words of the other sections.
///
/// # Errors
/// The first value of another section that cannot be.
pub fn values(raw: &RawConfig) -> Result<(), Problem> {
    for (field, value) in [("bake", raw.traffic.bake), ("drain", raw.traffic.drain), ("ramp", raw.traffic.ramp)] {
        if value > 3600 {
            let text = format!("[traffic] {field} = {value}: at most 3600 seconds");
            return Err(Problem::at(&format!("traffic.{field}"), text));
        }
    }
    let is_path = |path: &String| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(path) = raw.traffic.warm_up.iter().find(|path| !is_path(path)) {
        let text = format!("[traffic] warm_up = [{path:?}]: paths that begin with `/`, printable ASCII without spaces");
        return Err(Problem::at("traffic.warm_up", text));
    }
    canary(&raw.canary)?;
    raw.traffic.guard().map_err(|text| Problem::at("traffic.guard", text))?;
    let limits = [
        ("ship", raw.limits.ship),
        ("build", raw.limits.build),
        ("accessories", raw.limits.accessories),
        ("test", raw.limits.test),
    ];
    for (field, value) in limits {
        if !(1..=86_400).contains(&value) {
            let text = format!("[limits] {field} = {value}: between 1 and 86400 seconds");
            return Err(Problem::at(&format!("limits.{field}"), text));
        }
    }
    hooks(&raw.hooks)
}

fn hooks(hooks: &Hooks) -> Result<(), Problem> {
    for (key, hooks) in [
        ("hooks.before_boot", &hooks.before_boot),
        ("hooks.before_switch", &hooks.before_switch),
        ("hooks.after_switch", &hooks.after_switch),
    ] {
        for words in hooks {
            if words.is_empty() || words.iter().any(|word| word.contains('\0')) {
                let text = "[hooks] a hook is a list of words, as in [\"python\", \"migrate.py\"]";
                return Err(Problem::at(key, text));
            }
            if words.iter().map(String::len).sum::<usize>() > HOOK_BYTES {
                return Err(Problem::at(key, "[hooks] the words of a hook have more than 16 KiB; put them in a file"));
            }
        }
    }
    if !(1..=86_400).contains(&hooks.timeout) {
        let text = format!("[hooks] timeout = {}: between 1 and 86400 seconds", hooks.timeout);
        return Err(Problem::at("hooks.timeout", text));
    }
    Ok(())
}

/// Longer ones no host can open.
const PATH_BYTES: usize = 1024;

/// A path inside the repository.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn relative(path: &str) -> Result<(), String> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    let short = path.len() <= PATH_BYTES;
    match !path.is_empty() && short && inside && !path.contains(['\0', '\n']) && !path.starts_with('-') {
        true => Ok(()),
        false => Err(format!("{path:?}: give a path inside the repository, without `..` or a `-` first")),
    }
}

/// An absolute path on a server, of characters that nginx, compose and a shell all take literally.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn absolute(field: &str, path: &str) -> Result<(), Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let dots = path.split('/').any(|part| part == "..");
    match path.starts_with('/') && (2..=PATH_BYTES).contains(&path.len()) && !dots && path.bytes().all(plain) {
        true => Ok(()),
        false => {
            let text = format!(
                "{field} = {path:?}: an absolute path of letters, digits, `-`, `_`, `.` and `/`, without `..`. Where the repository lies in a folder \
                 of another name, give a path elsewhere"
            );
            Err(Problem::at(field, text))
        }
    }
}
