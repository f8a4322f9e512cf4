//! `cargo xtask init`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Flags, Invocation, USUAL_ENVIRONMENT, caller_name, check};
use crate::io::console;
use crate::io::local::compose_file;
use crate::io::local::repository::Repository;
use crate::rules::config::deploy_toml;
use crate::rules::engine::compose::review::Review;
use crate::rules::report::Caller;
use crate::run::init::{self, Proposed, Wishes};

/// Bring the tool into a repository, and write the deploy.toml, the workflows and the lines that it needs there
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask init ../shop --url https://shop.example, in a clone of the tool")]
pub struct Init {
    /// The repository, or a folder in it
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// A compose file, from the repository's root on, where several could be meant
    #[arg(long, value_name = "FILE")]
    compose: Vec<String>,
    /// The address at which users reach the site
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The compose project's name on the server
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Bring a newer tool into a repository that has one; its deploy.toml stays
    #[arg(long, conflicts_with_all = ["compose", "url", "name"])]
    update: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Init {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`crate::rules::failure::Kind::Usage`] where the repository cannot be prepared; [`crate::rules::failure::Kind::Configuration`] where
    /// compose refuses its files, or a deploy would be refused after all is written.
    pub fn run(&self, flags: &Flags, variables: &BTreeMap<String, String>) -> Result<()> {
        let repository = Repository::of(&self.path)?;
        if self.update {
            return self.update(&repository);
        }
        let wishes = Wishes { compose: self.compose.clone(), url: self.url.clone(), name: self.name.clone() };
        let proposed = init::propose(&repository, &wishes)?;
        if !self.dry_run {
            init::apply(&repository, &proposed)?;
        }
        if !flags.common.json {
            console::result(&proposed.describe());
        }
        let review = if self.dry_run { None } else { Some(self.review(&repository, variables)) };
        let review = review.transpose().context("all that is named above was written; what a deploy would make of it cannot be said yet. Change what follows, then: cargo xtask check")?;
        if flags.common.json {
            console::result(&serde_json::to_string_pretty(&Initialised {
                proposed: &proposed,
                check: review.as_ref(),
            })?);
        } else if let Some(review) = &review {
            console::result(&format!("\nWhat a deploy would make of it (`cargo xtask check`):\n{}", review.describe()));
            console::result(&next(&proposed, review.refusals()));
        }
        review.as_ref().map_or(Ok(()), check::outcome)
    }

    fn review(&self, repository: &Repository, variables: &BTreeMap<String, String>) -> Result<Review> {
        let file = repository.root.join("deploy.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = deploy_toml::known_or_first(&text, USUAL_ENVIRONMENT);
        let config = deploy_toml::load(&text, &file, &name, variables)?;
        let config = if deploy_toml::names_compose_files(&text) { config } else { compose_file::found(config) };
        let caller = Caller { name: caller_name(variables), started_at: SystemTime::now() };
        check::review(&Invocation { config: &config, caller: &caller, json: false })
    }

    fn update(&self, repository: &Repository) -> Result<()> {
        let update = init::update(repository)?;
        if update.write.is_empty() && update.remove.is_empty() {
            console::result("the tool in this repository is this one already");
            return Ok(());
        }
        if !self.dry_run {
            for (path, content) in &update.write {
                repository.replace(path, content)?;
            }
            update.remove.iter().try_for_each(|path| repository.remove(path))?;
        }
        let written = update.write.iter().map(|(path, _)| format!("writes   {path}"));
        let removed = update.remove.iter().map(|path| format!("removes  {path}"));
        let by_hand = update.by_hand.iter().map(|what| format!("look     {what}"));
        console::result(&written.chain(removed).chain(by_hand).collect::<Vec<String>>().join("\n"));
        Ok(())
    }
}

/// What was written, and what a deploy would make of it.
#[derive(Serialize)]
struct Initialised<'a> {
    #[serde(flatten)]
    proposed: &'a Proposed,
    /// Nothing where nothing was written.
    check: Option<&'a Review>,
}

/// The commands that come next.
fn next(proposed: &Proposed, refusals: usize) -> String {
    let mend =
        if refusals > 0 { "  change what is refused above, until `cargo xtask check` refuses nothing\n" } else { "" };
    // By their names: beside them may lie what nobody is to commit.
    let tool = if proposed.files_of_the_tool > 0 { vec!["xtask"] } else { Vec::new() };
    let written = proposed.writes.iter().chain(&proposed.adds_to).map(String::as_str);
    let paths: Vec<&str> = tool.into_iter().chain(written).collect();
    let commit = match paths.as_slice() {
        [] => String::new(),
        paths => format!("  git add {} && git commit -m \"deploy with cargo xtask\"\n", paths.join(" ")),
    };
    format!(
        "\nNext, in {}:\n{mend}{commit}  cargo xtask deploy                                   # to this machine\n\
         \x20 cargo xtask setup --env prod --admin root@SERVER     # prepares the server\n\
         \x20 cargo xtask deploy --env prod                        # to the server",
        proposed.root.display()
    )
}
