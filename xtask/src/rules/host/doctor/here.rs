//! What is known on the machine that deploys, before the server is asked.

use std::collections::BTreeSet;

use super::Finding;
use crate::rules::config::{Config, Reach};
use crate::rules::engine::compose::review::Review;

/// What was found on this machine.
pub struct Here<'a> {
    /// Programs that are needed, each with how to get it where it is not there.
    pub programs: Vec<(&'a str, Option<&'a str>)>,
    /// Which variables a deploy would ask for in vain.
    pub missing: Option<String>,
    /// The variables that the `.env` sets, or why it cannot be used.
    pub env: Result<BTreeSet<String>, String>,
    /// Those that the `.env` of the environment `local` sets.
    pub local: BTreeSet<String>,
    /// What a deploy would make of the compose files, or why nobody can say.
    pub review: Result<Review, String>,
}

pub fn here(config: &Config, here: Here) -> Vec<Finding> {
    let name = &config.environment.name;
    let mut findings = Vec::new();
    let missing: Vec<&(&str, Option<&str>)> = here.programs.iter().filter(|(_, remedy)| remedy.is_some()).collect();
    for (program, remedy) in &missing {
        let why = "a deploy from this machine needs it";
        findings.push(Finding::bad(
            "tools here",
            format!("{program} is not installed"),
            why,
            remedy.unwrap_or_default(),
        ));
    }
    if missing.is_empty() {
        let names: Vec<&str> = here.programs.iter().map(|(program, _)| *program).collect();
        findings.push(Finding::good("tools here", names.join(", ")));
    }
    match &config.environment.reach {
        Reach::Local => {}
        Reach::Missing(variables) => findings.push(Finding::bad(
            "secrets",
            format!("not set here: {}", variables.join(", ")),
            "they lead to the server, so nothing there was looked at",
            format!(
                "source .deploy/keys/{name}.variables, which `setup --admin` writes, or set them, as in `export {}=…`; in GitHub they are secrets of the environment {name}",
                variables[0]
            ),
        )),
        Reach::Ssh(target) => findings.push(match &target.known_hosts {
            Some(_) => Finding::good("host key", "pinned"),
            None => Finding::look(
                "host key",
                "the key that the server shows at the first connection is believed",
                format!(
                    "set {} to the server's line of known_hosts (`ssh-keyscan`, compared on the server)",
                    target.variable("SSH_KNOWN_HOSTS")
                ),
            ),
        }),
    }
    findings.extend(here.missing.map(|missing| Finding::problem("secrets", missing)));
    findings.push(env(here.env, &here.local));
    findings.push(match here.review {
        Err(why) => Finding::problem("compose files", why),
        Ok(review) if review.refusals() == 0 => {
            let mut finding =
                Finding::good("compose files", format!("{} services, nothing is refused", review.services.len()));
            if review.notes.iter().any(|note| note.starts_with("not everything is committed")) {
                finding = Finding::look(
                    "compose files",
                    "nothing is refused; not everything is committed",
                    "commit what a deploy is to have",
                );
            }
            finding
        }
        Ok(review) => Finding::bad(
            "compose files",
            format!("{} things would be refused", review.refusals()),
            "a deploy ends before anything is touched",
            format!("cargo xtask check --env {name}"),
        ),
    });
    findings
}

/// Whether the `.env` is one, and what it lacks of that of this machine.
fn env(env: Result<BTreeSet<String>, String>, local: &BTreeSet<String>) -> Finding {
    match env {
        Ok(names) => {
            let lacks: Vec<&str> = local.difference(&names).map(String::as_str).collect();
            match lacks.as_slice() {
                [] if names.is_empty() => Finding::good(".env", "the app has none"),
                [] => Finding::good(".env", format!("well formed, {} variables", names.len())),
                lacks => Finding::look(
                    ".env",
                    format!("well formed; the one of this machine also sets {}", lacks.join(", ")),
                    "set what the app needs there too",
                ),
            }
        }
        Err(why) => Finding::problem(".env", why),
    }
}
