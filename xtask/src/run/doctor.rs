//! Asks a server what `doctor` wants to know: two questions on one connection, and one to the site from outside.

use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::rules::config::Config;
use crate::rules::host::doctor::{self, Finding, facts};
use crate::rules::host::status;
use crate::rules::script;
use crate::rules::utc;
use crate::run::public;
use crate::run::session::{self, Session};

/// What the server is like, and how often it was asked.
///
/// # Errors
/// [`crate::rules::failure::Kind::Connection`] and [`crate::rules::failure::Kind::HostKey`]; where what it says cannot be read.
pub fn server(config: &Config) -> Result<(Vec<Finding>, u32)> {
    let mut session = Session::connect_read_only(config)?;
    let mut round_trips = 1;
    let live = session.observed.live_release().and_then(|release| session.settings_of(release).ok());
    if let Some(live) = live.as_ref().filter(|live| !session.observed.asked.asks_like(&live.health)) {
        session.observed = session::inspect(live, &session.host)?;
        round_trips += 1;
    }
    // What serves is judged by its own settings, what comes by those of today.
    let of_live = live.as_ref().unwrap_or(&session.config);
    let observed = &session.observed;
    let public = public::start(of_live, observed.live_release());
    let serves = observed.live_release();
    let known_good = observed.known_good_releases();
    let before = known_good.iter().map(|release| &release.id).find(|release| Some(*release) != serves);
    let asked_at = utc::seconds(SystemTime::now());
    let printed = session.host.text(&script::doctor(config, before))?;
    let asked = (asked_at, utc::seconds(SystemTime::now()));
    round_trips += 1;
    let facts = facts::parse(&printed).context("what the host said of itself breaks off")?;
    let site = session::site(of_live, observed);
    // Before the first deploy nothing can agree.
    let has_served = !known_good.is_empty() || !observed.containers.is_empty();
    let problems = match has_served {
        true => status::status(of_live, observed, site.clone()).problems,
        false => Vec::new(),
    };
    let public = public.map(public::Running::answer);
    let server = doctor::Server { observed, facts: &facts, asked, site, public: public.as_ref(), problems: &problems };
    Ok((doctor::server(&session.config, &server), round_trips))
}
