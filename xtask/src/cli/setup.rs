//! `cargo xtask setup`.

mod removal;

use std::io::{BufRead, IsTerminal};

use anyhow::Result;
use clap::Args;

use super::Invocation;
use crate::io::console;
use crate::rules::config::{Config, NginxOwner, Reach, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::host::doctor::{Diagnosis, Mark};
use crate::rules::nginx::server_setup;
use crate::run::doctor;
use crate::run::setup::{self, Request};

/// Prepare a server over its administrator's ssh, or print the script that does so
#[derive(Debug, Args)]
#[command(
    after_help = "Example: cargo xtask setup --env prod --admin root@203.0.113.7, or to read it first: cargo xtask setup --env prod --user deploy > setup.sh"
)]
pub struct Setup {
    /// Who may do everything on the server, as ssh takes it: root, or one who may use sudo without a password. Without it, a script
    /// is printed, to be read and then run there as root
    #[arg(long, value_name = "[USER@]HOST")]
    admin: Option<String>,
    /// The port of the administrator's ssh, where it is not the usual one
    #[arg(long, value_name = "PORT", requires = "admin")]
    admin_port: Option<u16>,
    /// The server's user that deploys; without it the one of the environment's SSH_USER variable, or `deploy` where it is made
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How traffic is to be moved: `instant` (a flag file, no reload) or `reload` (upstream file and reload)
    #[arg(long, value_enum, default_value_t = SwitchMode::Instant)]
    mode: SwitchMode,
    /// Have certbot get a certificate for the site, and write to this address about it
    #[arg(long, value_name = "EMAIL", requires = "admin")]
    tls: Option<String>,
    /// Do what is planned without asking
    #[arg(long, requires = "admin")]
    yes: bool,
    /// Print the script; this is what is done without --admin too
    #[arg(long, conflicts_with = "admin")]
    print: bool,
    /// Take the environment away from the server: its site, what runs, its releases. Data stays
    #[arg(long, requires = "admin", conflicts_with_all = ["tls", "mode"])]
    remove: bool,
}

impl Setup {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no server to set up, or the user cannot be the one that deploys; [`Kind::Connection`],
    /// [`Kind::Preflight`] and what fails on the server; [`Kind::Drift`] where `doctor` finds something to mend afterwards.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let config = invocation.config;
        if config.environment.nginx.owner != NginxOwner::System {
            let text = format!(
                "environment {} has an nginx of the tool's own; there is nothing to set up",
                config.environment.name
            );
            return Err(Kind::Usage.error(text));
        }
        let user = self.user(config)?;
        let Some(admin) = &self.admin else {
            console::result(&server_setup::script(config, &user, self.mode));
            return Ok(());
        };
        if self.remove {
            return self.take_away(config, admin, &user);
        }
        let tls = self.tls.as_deref();
        if tls.is_some() && !config.environment.url.tls {
            return Err(Kind::Usage
                .error(format!("--tls: {} has no TLS; write https:// in deploy.toml first", config.environment.url)));
        }
        self.set_up(config, &Request { admin, port: self.admin_port, user: &user, mode: self.mode, tls })
    }

    fn user(&self, config: &Config) -> Result<String> {
        let user = match (&self.user, &config.environment.reach) {
            (Some(user), _) => user.clone(),
            (None, Reach::Ssh(target)) => target.user.clone(),
            (None, Reach::Local | Reach::Missing(_)) if self.admin.is_some() => "deploy".to_owned(),
            (None, Reach::Local | Reach::Missing(_)) => {
                return Err(Kind::Usage.error("say which user deploys: --user NAME"));
            }
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if user.is_empty() || user == "root" || user.starts_with('-') || !user.bytes().all(plain) {
            return Err(
                Kind::Usage.error(format!("{user:?} cannot be the deploying user: a plain user name, not root"))
            );
        }
        Ok(user)
    }

    fn set_up(&self, config: &Config, request: &Request) -> Result<()> {
        let prepared = setup::prepare(config, request)?;
        let github = setup::github_is_at_hand(config);
        let mut plan = prepared.plan.describe(request.admin, request.user);
        if github {
            plan.push_str(&format!(
                "\nwill do  give GitHub's environment {} the secrets that lead to the server (gh)",
                config.environment.name
            ));
        }
        console::result(&plan);
        self.confirm()?;
        setup::carry_out(config, request, &prepared)?;
        let reached = setup::reached(config, request, &prepared);
        let Reach::Ssh(target) = &reached.environment.reach else { return Ok(()) };
        let secrets = setup::secrets(target);
        let file = setup::write_variables(config, &secrets)?;
        let mut told = vec!["\nWhat leads to the server:".to_owned()];
        for (name, value) in &secrets {
            let shown = match name.ends_with("_SSH_KEY") {
                true => format!("(the key, in {})", file.display()),
                false => String::from_utf8_lossy(value.expose()).into_owned(),
            };
            told.push(format!("  {name:<22} {shown}"));
        }
        told.push(format!("For a deploy from here: . {}", file.display()));
        if github {
            setup::give_to_github(config, &secrets)?;
            told.push(format!(
                "GitHub's environment {} has them now; what is missing there is the `.env` of the app, if it has one",
                config.environment.name
            ));
        } else {
            told.push(format!("For GitHub: Settings, Environments, {}: a secret for each of these, and for the `.env` of the app, if it has one", config.environment.name));
        }
        console::result(&told.join("\n"));
        let begun = std::time::Instant::now();
        let (findings, round_trips) = doctor::server(&reached)?;
        let diagnosis = Diagnosis {
            environment: config.environment.name.clone(),
            findings,
            round_trips,
            seconds: begun.elapsed().as_secs_f64(),
        };
        console::result(&format!("\n{}", diagnosis.describe()));
        match diagnosis.count(Mark::Bad) {
            0 => Ok(()),
            count => Err(Kind::Drift.error(format!(
                "the server is set up, and {count} things are to mend, each listed above with \u{2717}"
            ))),
        }
    }

    fn confirm(&self) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(Kind::Usage.error(
                "nobody can be asked here whether that is meant; --yes says so. Nothing was changed on the server",
            ));
        }
        console::note("go on? [y/N]");
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Kind::Interrupted.error("nothing was changed on the server")),
        }
    }
}
