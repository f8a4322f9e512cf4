//! `cargo xtask setup`.

use anyhow::Result;
use clap::Args;

use super::Invocation;
use crate::io::console;
use crate::rules::config::{NginxOwner, Reach, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::nginx::server_setup;

/// Print the script that prepares a server, to be read and then run there as root
#[derive(Debug, Args)]
#[command(
    after_help = "Example: cargo xtask setup --env prod --mode instant > setup.sh, read it, then: ssh root@server bash < setup.sh"
)]
pub struct Setup {
    /// The server's user that deploys; without it the one of the environment's SSH_USER variable
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How traffic is to be moved: `instant` (a flag file, no reload) or `reload` (upstream file and reload)
    #[arg(long, value_enum, default_value_t = SwitchMode::Instant)]
    mode: SwitchMode,
}

impl Setup {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no server to set up, or the user cannot be the one that deploys.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        let config = invocation.config;
        if config.environment.nginx.owner != NginxOwner::System {
            let text = format!(
                "environment {} has an nginx of the tool's own; there is nothing to set up",
                config.environment.name
            );
            return Err(Kind::Usage.error(text));
        }
        let user = match (&self.user, &config.environment.reach) {
            (Some(user), _) => user.clone(),
            (None, Reach::Ssh(target)) => target.user.clone(),
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
        console::result(&server_setup::script(config, &user, self.mode));
        Ok(())
    }
}
