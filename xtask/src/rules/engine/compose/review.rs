//! What a deploy would make of a compose project, service by service: for a person who has not deployed yet.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::keys::{self, Treatment};
use super::project::{Project, Service};
use super::refusals::{self, Refusal};
use super::{RenderInput, Roles};

/// What a service is to a deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// In two slots.
    Web,
    /// Replaced after the switch.
    Worker,
    /// Started where it does not run, and never touched.
    Accessory,
    /// Runs once, before accessories that wait for it.
    Once,
    /// Its profile is off, or it stands in `off`.
    Off,
}

/// A key that a deploy changes.
#[derive(Debug, PartialEq, Serialize)]
pub struct Adapted {
    pub key: String,
    pub how: &'static str,
}

#[derive(Debug, Serialize)]
pub struct ReviewedService {
    pub name: String,
    pub role: Role,
    /// The image that it is started from; nothing where it is built.
    pub image: Option<String>,
    pub kept: Vec<String>,
    pub adapted: Vec<Adapted>,
    pub refused: Vec<String>,
}

/// All that a deploy would make of a project, and all that it refuses.
#[derive(Debug, Default, Serialize)]
pub struct Review {
    pub services: Vec<ReviewedService>,
    /// What is refused and of no one service.
    pub refused: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Review {
    /// How many things must change before a deploy.
    pub fn refusals(&self) -> usize {
        self.refused.len() + self.services.iter().map(|service| service.refused.len()).sum::<usize>()
    }
}

/// Reviews what compose's `config` printed.
///
/// # Errors
/// Where it is no compose project.
pub fn review(config: &str, rendering: &RenderInput) -> Result<Review> {
    let mut project = Project::read(config)?;
    let off: Vec<ReviewedService> = project
        .services
        .iter()
        .filter(|(name, service)| rendering.is_off(name, service))
        .map(|(name, service)| reviewed(name, service, Role::Off, Vec::new()))
        .collect();
    project.leave_out(|name, service| rendering.is_off(name, service));
    let roles = match Roles::of(&project, rendering) {
        Ok(roles) => roles,
        Err(error) => return Ok(Review { refused: vec![format!("{error:#}")], services: off, ..Review::default() }),
    };
    let mut refused = refusals::all(&project, &roles, rendering);
    let mut services: Vec<ReviewedService> = project
        .services
        .iter()
        .map(|(name, service)| {
            let own = |refusal: &Refusal| refusal.service.as_deref() == Some(name);
            let told = refused.extract_if(.., |refusal| own(refusal)).map(|refusal| refusal.text).collect();
            reviewed(name, service, role(name, rendering, &roles.one_shots), told)
        })
        .collect();
    services.extend(off);
    services.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
    let mut refused: Vec<String> = refused.into_iter().map(|refusal| refusal.text).collect();
    let mut notes = refusals::unknown_keys(&project);
    let of_ports = ports(&roles, rendering);
    let asks = services.iter().filter(|one| matches!(one.role, Role::Web | Role::Worker));
    let asks = asks.filter(|one| rendering.processors.is_empty() && one.kept.iter().any(|key| key == "platform"));
    let asks: Vec<String> = asks
        .map(|one| format!("whether the host runs the `platform` of `{}` is seen at the deploy", one.name))
        .collect();
    if refused.is_empty() && services.iter().all(|service| service.refused.is_empty()) {
        match super::render(config, rendering) {
            Ok(rendered) => notes = rendered.notes.into_iter().chain(of_ports).chain(asks).collect(),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    Ok(Review { services, refused, notes })
}

/// What a person should know of the ports that accessories publish.
fn ports(roles: &Roles, rendering: &RenderInput) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, service) in roles.accessories() {
        for port in service.published() {
            let Some(outside) = port.outside else { continue };
            if port.claims_loopback && !rendering.has_fixed_names() {
                notes.push(format!(
                    "service `{name}` publishes port {outside} of its host, and nothing else there can have that port meanwhile, such as the project as \
                     it runs for development or another environment. Containers reach each other without it; or take it from a variable that each \
                     `.env` sets"
                ));
            } else if port.claims_loopback && !port.loopback {
                notes.push(format!(
                    "service `{name}` publishes port {outside} to everybody who can reach the host: a firewall like ufw does not stop that, because \
                     docker's rules come before its own. Where only the host is to get there: `127.0.0.1:{outside}:{}`",
                    port.inside
                ));
            }
        }
    }
    notes
}

fn role(name: &str, rendering: &RenderInput, one_shots: &BTreeSet<String>) -> Role {
    match () {
        () if rendering.is_web(name) => Role::Web,
        () if rendering.workers.iter().any(|worker| worker == name) => Role::Worker,
        () if one_shots.contains(name) => Role::Once,
        () => Role::Accessory,
    }
}

fn reviewed(name: &str, service: &Service, role: Role, refused: Vec<String>) -> ReviewedService {
    let mut kept = Vec::new();
    let mut adapted = Vec::new();
    for (key, _) in service.whole().into_iter().filter(|(_, value)| !is_nothing(value)) {
        match keys::KEYS.iter().find(|known| known.name == key).map(|known| treatment(known, role)) {
            Some(Treatment::Adapted(how)) if is_changed(&key, service, role) => adapted.push(Adapted { key, how }),
            // Where it is refused, that is told with what to change.
            Some(Treatment::Kept | Treatment::Adapted(_) | Treatment::Refused(_)) | None => kept.push(key),
        }
    }
    let image = service.image.clone().filter(|_| service.build.is_none());
    ReviewedService { name: name.to_owned(), role, image, kept, adapted, refused }
}

/// Some keys are adapted only where the service has no other one, or is built.
fn is_changed(key: &str, service: &Service, role: Role) -> bool {
    match key {
        "image" | "pull_policy" => service.build.is_some() || matches!(role, Role::Web | Role::Worker),
        "restart" => !service.has_restart(),
        _ => true,
    }
}

fn treatment(key: &keys::Key, role: Role) -> Treatment {
    match role {
        Role::Web => key.web,
        Role::Worker => key.worker,
        Role::Accessory | Role::Once => key.accessory,
        Role::Off => Treatment::Kept,
    }
}

/// Compose prints some keys that the file has not.
fn is_nothing(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(values) => values.is_empty(),
        serde_json::Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

impl Review {
    /// For a person.
    pub fn describe(&self) -> String {
        let width = self.services.iter().map(|service| service.name.chars().count()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for service in &self.services {
            let ReviewedService { name, role, image, kept, adapted, refused } = service;
            let role = match role {
                Role::Web => "web",
                Role::Worker => "worker",
                Role::Accessory => "accessory",
                Role::Once => "runs once",
                Role::Off => "off: its profile is not on, or deploy.toml has it in `off`",
            };
            let from = image.as_ref().map_or("built here".to_owned(), Clone::clone);
            lines.push(format!("{name:<width$}  {role}, {from}"));
            let inner = format!("{:<width$}    ", "");
            if service.role == Role::Off {
                continue;
            }
            if !kept.is_empty() {
                lines.push(format!("{inner}kept     {}", kept.join(", ")));
            }
            lines.extend(adapted.iter().map(|adapted| format!("{inner}adapted  {}: {}", adapted.key, adapted.how)));
            lines.extend(refused.iter().map(|refused| format!("{inner}REFUSED  {refused}")));
        }
        lines.extend(self.refused.iter().map(|refused| format!("REFUSED  {refused}")));
        lines.extend(self.notes.iter().map(|note| format!("note     {note}")));
        lines.push(match self.refusals() {
            0 => "nothing is refused".to_owned(),
            1 => "1 thing must change before a deploy".to_owned(),
            count => format!("{count} things must change before a deploy"),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
