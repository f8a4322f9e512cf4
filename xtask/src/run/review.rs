//! Has compose read the files of a tree before anything is shipped: here where there is a compose, else on the host.

use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::io::host::Host;
use crate::io::local::dotenv::Env;
use crate::io::local::package::{self, Package, Source};
use crate::io::process::{self, Command, Finished};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::release::ReleaseId;
use crate::rules::script::{self, Script};
use crate::rules::shared_constants::COMPOSE_REFUSES;

/// Where a compose of another version could read the files, or better than the one here.
pub struct There<'a> {
    pub host: &'a Host,
    /// How it is called there.
    pub compose: &'a str,
}

/// What compose made of the files, as if they lay in a release of this environment's folder.
pub struct Printed {
    pub folder: String,
    pub project: String,
}

/// The reading by this machine's compose, begun before the host has been asked: connecting takes as long.
pub struct Ahead {
    release: ReleaseId,
    reading: JoinHandle<Result<Option<Printed>>>,
}

impl Ahead {
    /// Begins to read what a release would have.
    pub fn begin(config: &Config, source: &Source, release: &ReleaseId, env: &Env) -> Ahead {
        let (config, source, env, of) = (config.clone(), source.clone(), env.clone(), release.clone());
        let reading = std::thread::spawn(move || {
            let commit = package::whole_commit(&config, &source)?;
            read(&config, &Tree { release: &of, commit: &commit, strip: package::strip(&config) }, &env)
        });
        Ahead { release: release.clone(), reading }
    }

    fn finish(self) -> Result<Option<Printed>> {
        self.reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A tree that compose reads.
struct Tree<'a> {
    release: &'a ReleaseId,
    commit: &'a str,
    /// Folders above the app's files.
    strip: usize,
}

impl<'a> Tree<'a> {
    fn of(package: &'a Package) -> Tree<'a> {
        Tree { release: &package.release, commit: &package.commit_of_all, strip: package.strip }
    }
}

/// By the compose of this machine, which may have begun ahead, or where there is none, or it cannot, by the host's.
///
/// # Errors
/// [`Kind::Configuration`] with what compose says of files that it refuses, and where there is none to ask; without a kind where the files
/// could not be brought before a compose, which says nothing of them.
pub fn compose_project(
    config: &Config,
    package: &Package,
    env: &Env,
    ahead: Option<Ahead>,
    there: Option<There>,
) -> Result<Printed> {
    let here = match ahead.filter(|ahead| ahead.release == package.release) {
        Some(ahead) => ahead.finish(),
        None => read_here(config, package, env),
    };
    match (here, there) {
        (Ok(Some(printed)), _) => Ok(printed),
        (_, Some(there)) => read_there(config, package, env, &there),
        (Err(error), None) => Err(error),
        (Ok(None), None) => Err(no_compose()),
    }
}

/// Nobody can say anything of the files.
pub fn no_compose() -> anyhow::Error {
    Kind::Configuration.error(
        "no compose is on this machine to read the compose files; install it, or give the variables that lead to the host",
    )
}

/// `None`: no compose is on this machine.
///
/// # Errors
/// As [`compose_project`].
pub fn read_here(config: &Config, package: &Package, env: &Env) -> Result<Option<Printed>> {
    read(config, &Tree::of(package), env)
}

fn read(config: &Config, tree: &Tree, env: &Env) -> Result<Option<Printed>> {
    let read = process::gently(&config.environment.reach, || {
        let script = script_for(config, tree, env, "")?;
        let command = Command::new(script.name, script.words())
            .reading(script.input.clone())
            .within(script.limit)
            .in_clean_environment();
        process::finish(&command)
    });
    printed(config, read?, "as this machine's compose reads them")
}

/// # Errors
/// As [`compose_project`].
pub fn read_there(config: &Config, package: &Package, env: &Env, there: &There) -> Result<Printed> {
    let finished = there.host.finish(&script_for(config, &Tree::of(package), env, there.compose)?)?;
    printed(config, finished, "as the host's compose reads them")?.context("compose printed nothing")
}

fn script_for(config: &Config, tree: &Tree, env: &Env, compose: &str) -> Result<Script> {
    let files = files(config, tree)?;
    Ok(script::read_compose(config, tree.release, compose, &files, &env.content, &env.files))
}

/// The files lay in a folder of their own for a moment; what is judged is where they will lie.
fn printed(config: &Config, finished: Finished, by_whom: &str) -> Result<Option<Printed>> {
    let refused = finished.code == Some(COMPOSE_REFUSES);
    let finished = finished.success().map_err(|error| match refused {
        true => Kind::Configuration.around(error, format!("the compose files, {by_whom}")),
        false => error,
    })?;
    let (text, folder) = (finished.text(), config.environment.folder.clone());
    let split = text.split_once('\n');
    Ok(split.map(|(lay_in, project)| Printed { project: project.replace(lay_in, &folder), folder }))
}

/// Bytes of what compose may have to read, before they are packed.
const MOST: u64 = 16 << 20;

/// What of the tree compose may have to read, as an archive.
fn files(config: &Config, tree: &Tree) -> Result<Vec<u8>> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/compose_files.sh"));
    let root = config.root.display().to_string();
    let (strip, most) = (tree.strip.to_string(), MOST.to_string());
    let words =
        ["bash", "-c", text, "files", &root, tree.commit, &config.project.app, &strip, &most].map(str::to_owned);
    Ok(process::finish(&Command::new("collect the compose files", words))?.success()?.stdout)
}
