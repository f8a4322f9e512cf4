//! `cargo xtask check`.

use anyhow::{Context, Result};
use clap::Args;

use super::{Invocation, print};
use crate::io::console;
use crate::io::local::{dotenv, package};
use crate::rules::config::{Config, Reach};
use crate::rules::engine::compose::review::Review;
use crate::rules::failure::{self, Kind};
use crate::rules::host::observed::Observed;
use crate::run::review::{self, There};
use crate::run::session::Session;
use crate::run::steps;

/// What a deploy would make of the compose files, and all that it refuses; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask check --env prod")]
pub struct Check {}

impl Check {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where something is refused.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let review = review(invocation)?;
        print(invocation, &review, Review::describe)?;
        outcome(&review)
    }
}

/// # Errors
/// [`Kind::Configuration`] where something is refused.
pub fn outcome(review: &Review) -> Result<()> {
    match review.refusals() {
        0 => Ok(()),
        count => {
            Err(Kind::Configuration
                .error(format!("a deploy would be refused; what must change is listed above ({count})")))
        }
    }
}

/// Reads the tree as it lies here, with what is not committed. Compose reads it here, or on the host where none is here.
///
/// # Errors
/// Where the tree cannot be read, or no compose says anything of it.
pub fn review(invocation: &Invocation) -> Result<Review> {
    let Invocation { config, caller, .. } = invocation;
    let source = package::source(config)?;
    let mut notes = Vec::new();
    if !source.changed.is_empty() {
        notes.push(format!(
            "not everything is committed, and a deploy wants that ({} of the app's files)",
            source.changed.len()
        ));
    }
    let (env, unknown) = dotenv::as_far_as_known(config)?;
    notes.extend(unknown.notes);
    console::mask(env.values.iter().cloned());
    let folder = tempfile::tempdir().context("making a folder for the files")?;
    let release = source.release_id(caller.started_at)?;
    let package = package::package(config, &source, &release, caller, folder.path(), None)?;
    let package = package.with_secret_files(&env.files)?;
    let missing = dotenv::problems_of_compose_files(config, &env)?;
    notes.extend(dotenv::notes_of_compose_files(config, &env));
    let mut review = match read(config, &package, &env) {
        Ok((review, read_by)) => {
            notes.push(format!("read by the compose {read_by}"));
            review
        }
        Err(error) if Kind::of(&error) == Some(Kind::Configuration) => {
            Review { refused: vec![failure::chain(&error)], ..Review::default() }
        }
        Err(error) => return Err(error),
    };
    review.refused.extend(missing);
    review.refused.extend(unknown.missing);
    review.notes.splice(0..0, notes);
    mask(&mut review);
    Ok(review)
}

/// Where the host can be reached, its compose reads what this machine's cannot.
fn read(config: &Config, package: &package::Package, env: &dotenv::Env) -> Result<(Review, &'static str)> {
    let of_the_host = "of the host";
    match (review::read_here(config, package, env), &config.environment.reach) {
        (Ok(Some(read)), _) => {
            Ok((steps::reviewed(config, &Observed::default(), package, env, &read)?, "of this machine"))
        }
        (Ok(None), Reach::Missing(_)) => Err(review::no_compose()),
        (Ok(None), Reach::Local | Reach::Ssh(_)) => Ok((read_there(config, package, env)?, of_the_host)),
        (Err(error), Reach::Missing(_) | Reach::Local) => Err(error),
        // What was said here is what a person can mend.
        (Err(error), Reach::Ssh(_)) => match read_there(config, package, env) {
            Ok(review) => Ok((review, of_the_host)),
            Err(there) => {
                console::note(&format!("nor does the host read them: {}", failure::chain(&there)));
                Err(error)
            }
        },
    }
}

fn read_there(config: &Config, package: &package::Package, env: &dotenv::Env) -> Result<Review> {
    let Session { config, observed, host, .. } = &Session::connect_read_only(config)?;
    let compose = observed.compose.as_deref().context("the host has no compose")?;
    let read = review::read_there(config, package, env, &There { host, compose })?;
    steps::reviewed(config, observed, package, env, &read)
}

/// What compose printed may have values of the `.env` in it.
fn mask(review: &mut Review) {
    let hide = |text: &mut String| *text = console::masked(text);
    review.refused.iter_mut().chain(&mut review.notes).for_each(hide);
    for service in &mut review.services {
        service.refused.iter_mut().chain(&mut service.image).for_each(hide);
    }
}
