//! `[web.NAME]`: further web services of the project.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::config::{Project, Slots, Web};

use super::health_of_app::RawHealth;
use super::{Problem, checks};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWeb {
    port: u16,
    slots: Option<Slots>,
    #[serde(default)]
    health: RawHealth,
    upstream: Option<String>,
    path: Option<String>,
}

/// # Errors
/// The first setting that cannot be.
pub fn resolve(webs: BTreeMap<String, RawWeb>, project: &Project) -> Result<Vec<Web>, Problem> {
    let webs = webs.into_iter().enumerate().map(|(index, (service, raw))| {
        let refuse =
            |key: &str, text: String| Problem::at(&format!("web.{service}{key}"), format!("[web.{service}] {text}"));
        checks::service(&service).map_err(|text| refuse("", text))?;
        let named = [&project.workers, &project.accessories, &project.off]
            .into_iter()
            .any(|services| services.contains(&service));
        if service == project.web || named {
            return Err(refuse("", format!("`{service}` stands in [project] too; a service is one of them")));
        }
        let health = raw.health.resolve().map_err(|problem| refuse(".health", problem.text))?;
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let upstream =
            raw.upstream.unwrap_or_else(|| format!("{}_{service}", project.name).chars().map(plain).collect());
        checks::upstream(&upstream).map_err(|text| refuse(".upstream", text))?;
        let path = raw.path.unwrap_or_else(|| format!("/{service}/"));
        let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if !path.starts_with('/') || path == "/" || !path.bytes().all(sound) {
            return Err(refuse(
                ".path",
                format!("path = {path:?}: a path of the site, as in \"/shop/\"; the first web service is at the root"),
            ));
        }
        let index = u16::try_from(index).unwrap_or(u16::MAX / 4);
        let usual = Slots { blue: 8100 + 2 * index, green: 8101 + 2 * index };
        Ok(Web {
            slots: raw.slots.unwrap_or(usual),
            fixed: raw.slots.is_some(),
            port: raw.port,
            health,
            upstream,
            path,
            service,
        })
    });
    webs.collect()
}

/// # Errors
/// The first setting of which each web service must have one of its own, and two have the same.
pub fn apart(webs: &[Web], upstream: &str, given: &[u16]) -> Result<(), Problem> {
    let mut ports: Vec<u16> = given.to_vec();
    for (number, web) in webs.iter().enumerate() {
        let refuse = |key: &str, text: String| {
            Err(Problem::at(&format!("web.{}.{key}", web.service), format!("[web.{}] {text}", web.service)))
        };
        let before = &webs[..number];
        if web.upstream == upstream || before.iter().any(|other| other.upstream == web.upstream) {
            let text =
                format!("upstream = {:?} is that of another web service; give it a name of its own", web.upstream);
            return refuse("upstream", text);
        }
        if before.iter().any(|other| other.path == web.path) {
            return refuse("path", format!("path = {:?} is that of another web service", web.path));
        }
        let own = [web.slots.blue, web.slots.green];
        if web.fixed && (own.contains(&0) || own[0] == own[1] || own.iter().any(|port| ports.contains(port))) {
            let text = format!(
                "slots: {} and {} must be two ports that no other web service and not nginx's answer has",
                own[0], own[1]
            );
            return refuse("slots", text);
        }
        if web.fixed {
            ports.extend(own);
        }
    }
    Ok(())
}
