//! `[static]`: paths of the site, and services that have their files.

use crate::rules::config::{ImageFolder, Project, StaticFiles, Web};

use super::Problem;

/// # Errors
/// The first one that cannot be.
pub fn check(files: &StaticFiles, project: &Project, more_webs: &[Web]) -> Result<(), Problem> {
    for (path, ImageFolder { service, .. }) in files {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let parts = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if !path.starts_with('/') || !parts || path.len() > 200 || !path.bytes().all(plain) {
            let text = format!("[static] {path:?}: a path of the site, as in \"/static\"");
            return Err(Problem::at("static", text));
        }
        let is_further = more_webs.iter().any(|web| web.service == *service);
        if *service != project.web && !is_further && !project.workers.contains(service) {
            let text = format!("[static] {path:?}: `{service}` is neither a web service nor a worker");
            return Err(Problem::at("static", text));
        }
    }
    let inside = |path: &String| files.keys().find(|other| path.starts_with(&format!("{other}/")));
    match files.keys().find_map(|path| Some((path, inside(path)?))) {
        Some((path, other)) => {
            Err(Problem::at("static", format!("[static] {path:?} lies in {other:?}; give one of them")))
        }
        None => Ok(()),
    }
}
