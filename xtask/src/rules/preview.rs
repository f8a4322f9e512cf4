//! How to look at a version that is held.

use serde::Serialize;

use crate::rules::config::{Config, NginxOwner, Reach, SwitchMode};
use crate::rules::host::observed::Observed;
use crate::rules::nginx::{PREVIEW_COOKIE, PREVIEW_HEADER};
use crate::rules::plan::Held;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script::quote;
use crate::rules::secret::Secret;

/// The ways to a version that is held. Holds the secret in the open: it is for who has just asked for it, and never recorded.
#[derive(Debug, Serialize)]
pub struct Preview {
    pub release: ReleaseId,
    pub slot: Slot,
    /// What a request carries to be led to it; none where nginx leads nobody.
    pub header: Option<String>,
    pub cookie: Option<String>,
    pub url: String,
    /// A command that leads ports of this machine to those of its slot; none where they are this machine's.
    pub tunnel: Option<String>,
    /// Where it answers then.
    pub address: String,
    /// Why nginx leads nobody to it.
    pub without: Option<String>,
}

impl Preview {
    /// `observed`: from before the deploy.
    pub fn of(config: &Config, observed: &Observed, Held { slot, release }: &Held, secret: &Secret) -> Preview {
        let secret = String::from_utf8_lossy(secret.expose()).into_owned();
        let environment = &config.environment;
        let without = match environment.nginx.owner {
            NginxOwner::Private(SwitchMode::Instant) => None,
            _ if observed.switching == Some(SwitchMode::Reload) => {
                Some("in reload mode nginx leads nobody to a version that has no traffic".to_owned())
            }
            _ if observed.leads_previews => None,
            _ => Some(format!(
                "nginx of this server knows no previews yet: `cargo xtask setup --env {}` once more lets it",
                environment.name
            )),
        };
        let leads = without.is_none();
        let ports =
            [config.slots.port(*slot)].into_iter().chain(config.more_webs.iter().map(|web| web.slots.port(*slot)));
        let ports: Vec<u16> = ports.collect();
        let tunnel = match &environment.reach {
            Reach::Ssh(target) => {
                let led = ports.iter().map(|port| format!(" -L {port}:127.0.0.1:{port}")).collect::<String>();
                let port = if target.port == 22 { String::new() } else { format!(" -p {}", target.port) };
                Some(format!("ssh -N{led}{port} {}", quote(&format!("{}@{}", target.user, target.host))))
            }
            Reach::Local | Reach::Missing(_) => None,
        };
        Preview {
            release: release.clone(),
            slot: *slot,
            header: leads.then(|| format!("{PREVIEW_HEADER}: {secret}")),
            cookie: leads.then(|| format!("{PREVIEW_COOKIE}={secret}")),
            url: environment.url.to_string(),
            tunnel,
            address: format!("http://127.0.0.1:{}", ports[0]),
            without,
        }
    }

    /// For a person.
    pub fn describe(&self) -> String {
        let mut lines = vec![format!(
            "held     release {} in slot {}; no traffic until `promote`, and `abort` removes it",
            self.release, self.slot
        )];
        if let Some(header) = &self.header {
            lines.push(format!("look     curl -H {} {}/", quote(header), self.url));
        }
        if let Some(cookie) = &self.cookie {
            lines.push(format!("browser  give it the cookie {cookie} for that site: document.cookie = \"{cookie}; path=/\" in its console"));
        }
        lines.extend(self.without.iter().map(|why| format!("look     {why}")));
        lines.push(match &self.tunnel {
            Some(tunnel) => format!("tunnel   {tunnel}   then {}", self.address),
            None => format!("port     {}", self.address),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{config, release, server};

    #[test]
    fn the_ways_to_a_held_version_read_like_this() {
        let held = Held { slot: Slot::Green, release: release(9) };
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        let told = |observed: Observed| Preview::of(&config(), &observed, &held, &secret).describe();
        let leads = Observed { leads_previews: true, ..server(Slot::Blue, 2) };
        insta::assert_snapshot!("leads", told(leads));
        insta::assert_snapshot!("older_installation", told(server(Slot::Blue, 2)));
        let reload = Observed { switching: Some(SwitchMode::Reload), ..server(Slot::Blue, 2) };
        insta::assert_snapshot!("reload", told(reload));
    }
}
