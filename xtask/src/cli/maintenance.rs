//! `cargo xtask maintenance`.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Invocation, print};
use crate::rules::config::SwitchMode;
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::maintenance::{self, Closed, Closing};
use crate::rules::script;
use crate::run::session::{self, Session};

/// Close the site for a while, and open it again: all get 503 with a page, and the app runs on
#[derive(Debug, Args)]
pub struct Maintenance {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    On(On),
    Off(Off),
}

/// Close the site from the next request on; deploys go on, and health checks answer as before
#[derive(Debug, Args)]
#[command(
    after_help = "Example: cargo xtask maintenance on --env prod --message 'Back at six.' --until 2h --allow 203.0.113.7"
)]
struct On {
    /// What the page says
    #[arg(long, value_name = "TEXT", conflicts_with = "page")]
    message: Option<String>,
    /// A page of your own; all that it needs is in it
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// An address or network for which the site stays open; several times for several
    #[arg(long, value_name = "CIDR")]
    allow: Vec<String>,
    /// When it will be open again, as in `2h` or `2026-01-31T18:00:00Z`; clients are told (Retry-After), and nothing opens it by itself
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Open the site again, for all
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask maintenance off --env prod")]
struct Off {}

/// How the site is left.
#[derive(Serialize)]
struct Left {
    url: String,
    maintenance: Option<Closed>,
}

impl Left {
    fn describe(&self) -> String {
        let state = self.maintenance.as_ref().map_or_else(|| "open".to_owned(), Closed::describe);
        format!("{}  {state}", self.url)
    }
}

/// Bytes of a page.
const LARGEST_PAGE: u64 = 4 * 1024 * 1024;

impl Maintenance {
    /// Takes no lock: the site can be closed while a deploy is at work, and that is when it may be needed.
    ///
    /// # Errors
    /// [`Kind::Usage`] for words that say nothing, [`Kind::Preflight`] where nginx cannot do it.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let config = invocation.config;
        let closing = match &self.action {
            Action::On(on) => Some(on.closing()?),
            Action::Off(_) => None,
        };
        let session = Session::connect_read_only(config)?;
        let act = match &closing {
            Some(closing) => {
                refuse(&session.observed, &config.environment.name)?;
                script::close_site(&session.config, closing)
            }
            None => script::open_site(&session.config),
        };
        session.host.text(&act)?;
        let now = session::inspect(&session.config, &session.host)?;
        if now.maintenance.is_some() != closing.is_some() {
            return Err(Kind::Unexpected.error("the host does not have it as it was told"));
        }
        print(
            invocation,
            &Left { url: config.environment.url.to_string(), maintenance: now.maintenance },
            Left::describe,
        )
    }
}

impl On {
    fn closing(&self) -> Result<Closing> {
        let wrong = |text: String| Kind::Usage.error(text);
        let page = match &self.page {
            Some(file) => {
                let size = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?.len();
                if size > LARGEST_PAGE {
                    return Err(wrong(format!("{} has {size} bytes; a page has at most 4 MiB", file.display())));
                }
                std::fs::read(file).with_context(|| format!("reading {}", file.display()))?
            }
            None => maintenance::page(self.message.as_deref()),
        };
        let lets_in = self.allow.iter().map(|network| maintenance::lets_in(network));
        let lets_in =
            lets_in.collect::<Result<Vec<_>, String>>().map_err(|text| wrong(format!("--allow {text}")))?.concat();
        let now = SystemTime::now();
        let until = self.until.as_deref().map(|text| {
            let at = humantime::parse_duration(text).ok().and_then(|span| now.checked_add(span));
            let at = at.or_else(|| humantime::parse_rfc3339_weak(text).ok());
            at.filter(|at| *at > now && humantime::format_rfc3339_seconds(*at).to_string().len() == 20)
        });
        if until == Some(None) {
            let text = self.until.as_deref().unwrap_or_default();
            return Err(wrong(format!(
                "--until {text:?}: a time that is still to come, as in `2h` or `2026-01-31T18:00:00Z`"
            )));
        }
        Ok(Closing { page, lets_in, until: until.flatten() })
    }
}

fn refuse(observed: &Observed, environment: &str) -> Result<()> {
    if observed.switching == Some(SwitchMode::Reload) {
        return Err(Kind::Preflight.error(
            "in reload mode nginx looks up nothing at a request, so the site cannot be closed this way; `setup --mode instant` sets it up so that it can",
        ));
    }
    if !observed.can_close {
        return Err(Kind::Preflight.error(format!(
            "nginx of this host knows no maintenance yet: `cargo xtask setup --env {environment}` once more lets it (for an nginx of the tool's own, \
             the next deploy)"
        )));
    }
    Ok(())
}
