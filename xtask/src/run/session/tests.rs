//! Which release a source is, by what is on the host.

use std::collections::BTreeSet;

use super::*;
use crate::rules::host::observed::StoredRelease;
use crate::rules::script::Script;
use crate::testing::fixtures::{config_of_this_machine, release, stored};

fn env(content: &str) -> Env {
    let content = crate::rules::secret::Secret::new(content);
    Env { content, files: Vec::new(), values: Vec::new(), names: BTreeSet::new(), profiles: String::new() }
}

/// On this machine, with these releases.
fn session(root: &std::path::Path, releases: Vec<StoredRelease>) -> Session {
    let config = config_of_this_machine(root);
    let (host, first) = Host::connect(&config, None, Script::nothing()).unwrap();
    host.wait(first).unwrap();
    Session { config, observed: Observed { releases, ..Observed::default() }, host, locked: true }
}

/// A release that was made of the same commit with this `.env`, and the settings of now.
fn made_with(content: &str, root: &std::path::Path) -> StoredRelease {
    let env_sum = package::sha256(Input::Secret(env(content).content)).unwrap();
    let settings = Some(Settings::of(&session(root, Vec::new()).config));
    StoredRelease { env_sum, settings, ..stored(release(1), Some(1)) }
}

#[test]
fn a_commit_that_is_not_on_the_host_has_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), Vec::new());
    assert_eq!(session.choose_release(&release(1), &env("A=1")).unwrap(), release(1));
}

#[test]
fn the_same_commit_with_another_env_file_is_another_release() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), vec![made_with("A=1", folder.path())]);
    assert_eq!(session.choose_release(&release(1), &env("A=2")).unwrap(), release(1).numbered(2));
}

#[test]
fn the_same_commit_with_another_file_is_another_release() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), vec![made_with("A=1", folder.path())]);
    let files = vec![("key".to_owned(), crate::rules::secret::Secret::new("content"))];
    let with_file = Env { files, ..env("A=1") };
    assert_eq!(session.choose_release(&release(1), &with_file).unwrap(), release(1).numbered(2));
}

#[test]
fn a_release_that_has_gone_since_the_first_look_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path(), vec![made_with("A=1", folder.path())]);
    // Its folder is not there at all.
    let told = session.choose_release(&release(1), &env("A=1")).unwrap_err();
    assert!(format!("{told:#}").contains("is not on this host, or not whole"), "{told:#}");
}

#[test]
fn a_release_without_settings_cannot_be_gone_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let without = StoredRelease { settings: None, ..stored(release(1), Some(1)) };
    let told = session(folder.path(), vec![without]).settings_of(&release(1)).unwrap_err();
    assert_eq!(Kind::of(&told), Some(Kind::Preflight));
    assert!(told.to_string().contains("deploy its commit instead"), "{told}");
}
