//! What brings a release to the host, checks it there, and removes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Input, Script};
use crate::rules::config::Config;
use crate::rules::release::tree::Reuse;
use crate::rules::release::{ReleaseId, image};
use crate::rules::secret::Secret;
use crate::rules::shared_constants::{MANIFEST_FILE, SECRET_FILES};

use super::text::{MINUTES, SHORT, bundle, changing, plain, script};

/// Takes the archive of a release to be.
pub fn receive(config: &Config, release: &ReleaseId, archive: &Path, bytes: u64) -> Script {
    let arguments = [config.environment.folder.clone(), release.to_string(), bytes.to_string()];
    let limit = Duration::from_secs(config.limits.ship);
    let receive = script("copy the archive", changing!("receive.sh"), limit, arguments);
    Script { input: Input::File(archive.to_owned()), ..receive }
}

/// Unpacks a release beside the others; ends with [`crate::rules::shared_constants::FILES_NOT_AS_SHIPPED`] where what it was to take from an
/// earlier one is no longer there as it was.
pub fn ship(config: &Config, release: &ReleaseId, archive: Archive, parts: &Parts) -> Script {
    let arguments = [
        config.environment.folder.clone(),
        release.to_string(),
        archive.sha256.to_owned(),
        archive.strip.to_string(),
        archive.reuse.map(|reuse| reuse.release.to_string()).unwrap_or_default(),
    ];
    let same = archive.reuse.map(|reuse| {
        let paths: Vec<u8> = reuse.sums.keys().flat_map(|path| [&b"./"[..], path, b"\0"].concat()).collect();
        let sums = reuse.sums.iter().flat_map(|(path, sum)| listed(sum, path)).collect::<Vec<u8>>();
        let programs = reuse.programs.iter().flat_map(|path| [&b"./"[..], path, b"\0"].concat()).collect::<Vec<u8>>();
        [("same", paths), ("same-sums", sums), ("same-programs", programs)]
    });
    let mut files: Vec<(&str, &[u8])> = same.iter().flatten().map(|(name, text)| (*name, text.as_slice())).collect();
    let sums: Vec<u8> = parts.sums.iter().flat_map(|(path, sum)| listed(sum, path)).collect();
    let links: Vec<u8> = parts.links.iter().flat_map(|(path, to)| [path, &b"\0"[..], to, b"\0"].concat()).collect();
    files.extend([(MANIFEST_FILE, parts.manifest), ("sums", &sums), ("links", &links)]);
    files.extend([("settings.json", parts.settings.as_bytes()), ("env", parts.env.expose())]);
    let secret_files = secret_files(parts.files);
    files.extend((!secret_files.is_empty()).then_some((SECRET_FILES, secret_files.as_slice())));
    let limit = Duration::from_secs(config.limits.ship);
    let ship = script("unpack the release", changing!("secret_files.sh", "ship.sh"), limit, arguments);
    Script { input: Input::Secret(Secret::new(bundle(&files))), ..ship }
}

/// Makes a release of the files of another one, with this `.env` and these files that are not committed; ends with
/// [`crate::rules::shared_constants::FILES_NOT_AS_SHIPPED`] where those are no longer as they were.
pub fn copy_release(
    config: &Config,
    release: &ReleaseId,
    from: &ReleaseId,
    settings: &str,
    env: &Secret,
    files: &[(String, Secret)],
) -> Script {
    let secret_files = secret_files(files);
    let mut parts: Vec<(&str, &[u8])> = vec![("settings.json", settings.as_bytes()), ("env", env.expose())];
    parts.extend((!secret_files.is_empty()).then_some((SECRET_FILES, secret_files.as_slice())));
    let arguments = [config.environment.folder.clone(), release.to_string(), from.to_string()];
    let limit = Duration::from_secs(config.limits.ship);
    let copy = script(
        "copy the release",
        changing!("secret_files.sh", "changed_files.sh", "copy_release.sh"),
        limit,
        arguments,
    );
    Script { input: Input::Secret(Secret::new(bundle(&parts))), ..copy }
}

/// Gives a release the images of another one, where both would be built in the same way.
pub fn take_images(config: &Config, release: &ReleaseId, from: &ReleaseId) -> Script {
    let arguments = [config.environment.folder.clone(), release.to_string(), from.to_string()];
    script("take the images", changing!("take_images.sh"), MINUTES, arguments)
}

/// A file as `sha256sum -z` lists it.
fn listed(sum: &str, path: &[u8]) -> Vec<u8> {
    [sum.as_bytes(), b"  ", path, b"\0"].concat()
}

/// What is kept of a release where no container has it mounted.
pub struct Parts<'a> {
    pub manifest: &'a [u8],
    /// Of every file: its path and its sha256, sorted by path.
    pub sums: &'a BTreeMap<Vec<u8>, String>,
    /// Of every symbolic link: its path and where it leads.
    pub links: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    pub settings: &'a str,
    pub env: &'a Secret,
    /// What else of it is not in the commit, by its path.
    pub files: &'a [(String, Secret)],
}

/// The files of a release that are not in its commit, as they are kept with it.
pub fn secret_files(files: &[(String, Secret)]) -> Vec<u8> {
    let named: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.expose())).collect();
    bundle(&named)
}

/// Prints the manifest of a release, a NUL, and the sums of all its files, those among them that are not in its commit.
pub fn stored_commit(config: &Config, release: &ReleaseId) -> Script {
    let kept = format!("{}/meta/{release}", config.environment.folder);
    // A line per file: what comes in one line must not be long. A line end in a path is a NUL until it is read.
    let text = "set -o pipefail; head -c 67108864 -- \"$1\" && printf '\\0' && head -c 67108864 -- \"$2\" | tr '\\0\\n' '\\n\\0'";
    let arguments = [format!("{kept}/{MANIFEST_FILE}"), format!("{kept}/sums")];
    script("read what the release is made of", text, SHORT, arguments)
}

/// Prints the manifest of a release.
pub fn manifest(config: &Config, release: &ReleaseId) -> Script {
    let place = format!("{}/meta/{release}/{MANIFEST_FILE}", config.environment.folder);
    script("read the manifest of the release that serves", "exec head -c 67108864 -- \"$1\"", SHORT, [place])
}

/// Ends with [`crate::rules::shared_constants::FILES_NOT_AS_SHIPPED`], naming files, where a release's files are no longer what they were.
pub fn check_release(config: &Config, release: &ReleaseId) -> Script {
    let arguments = [config.environment.folder.clone(), release.to_string()];
    script("check the release's files", changing!("changed_files.sh", "check_release.sh"), MINUTES, arguments)
}

/// What the host must know of an archive to unpack it.
pub struct Archive<'a> {
    pub sha256: &'a str,
    /// Folders above the app's files inside it.
    pub strip: usize,
    /// What is not in it.
    pub reuse: Option<&'a Reuse>,
}

/// How much is free where the releases are.
pub fn space(config: &Config) -> Script {
    let releases = format!("{}/releases", config.environment.folder);
    script("look how much disk is free", plain!("space.sh"), SHORT, [releases])
}

/// Marks a release as known good.
pub fn mark_known_good(config: &Config, release: &ReleaseId) -> Script {
    let arguments = [config.environment.folder.clone(), release.to_string()];
    script("mark the release", changing!("mark_known_good.sh"), SHORT, arguments)
}

/// Removes releases and their images. `release`: the one that serves.
pub fn prune(config: &Config, release: &ReleaseId, releases: &[ReleaseId]) -> Script {
    // Any image of the project can remove what a container has written as another user.
    let image = image(&config.project.name, &config.project.web, release);
    let cache = config.project.build_cache.clone().unwrap_or_default();
    let arguments = [config.environment.folder.clone(), image, cache];
    let arguments = arguments.into_iter().chain(releases.iter().map(ToString::to_string));
    script("prune old releases", changing!("build_cache.sh", "prune.sh"), MINUTES, arguments)
}
