//! Releases and slots, and every name that follows from them.
//!
//! Nothing has to be handed from one step to the next: an image tag, a compose project, a folder follow from
//! (project, release, slot), so any step can be run again alone.

pub mod layers;
pub mod settings;
pub mod tree;

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// One of the two places a web service can run in. nginx routes to exactly one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    Blue,
    Green,
}

impl Slot {
    pub const BOTH: [Slot; 2] = [Slot::Blue, Slot::Green];

    pub fn other(self) -> Slot {
        match self {
            Slot::Blue => Slot::Green,
            Slot::Green => Slot::Blue,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Slot::Blue => "blue",
            Slot::Green => "green",
        }
    }

    pub fn from_name(name: &str) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| slot.name() == name)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An immutable packaged revision: `20260131-174502-1a2b3c4`, sortable by time, naming the git revision. What follows
/// the revision tells apart what shares it: `-dirty` (uncommitted changes), `-2` (the same code with another `.env`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

impl ReleaseId {
    /// # Errors
    /// When the text is not `YYYYMMDD-HHMMSS-<7 to 40 hex digits>`, optionally followed by `-dirty` and `-<number>`.
    pub fn parse(text: &str) -> Result<ReleaseId> {
        let mut parts = text.split('-');
        let digits = |part: Option<&str>, length: usize| {
            part.is_some_and(|p| p.len() == length && p.bytes().all(|b| b.is_ascii_digit()))
        };
        let dated = digits(parts.next(), 8) && digits(parts.next(), 6);
        let revision = parts
            .next()
            .is_some_and(|p| (7..=40).contains(&p.len()) && p.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let mut rest: Vec<&str> = parts.collect();
        if rest.first() == Some(&"dirty") {
            rest.remove(0);
        }
        let numbered = match rest[..] {
            [] => true,
            [number] => number.len() <= 4 && number.parse::<u16>().is_ok_and(|n| n >= 2),
            _ => false,
        };
        if !(dated && revision && numbered) {
            bail!("`{}` is not a release id; one looks like 20260131-174502-1a2b3c4", text.escape_debug());
        }
        Ok(ReleaseId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first release of its revision.
    pub fn first(&self) -> ReleaseId {
        let number = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        let first = self.0.rsplit_once('-').filter(|(before, last)| number(last) && before.matches('-').count() >= 2);
        first.map_or_else(|| self.clone(), |(before, _)| ReleaseId(before.to_owned()))
    }

    /// The same revision again, as the `number`th release of it.
    pub fn numbered(&self, number: u16) -> ReleaseId {
        ReleaseId(format!("{}-{number}", self.0))
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = anyhow::Error;
    fn try_from(text: String) -> Result<ReleaseId> {
        ReleaseId::parse(&text)
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> String {
        id.0
    }
}

/// Compose project of a slot: `gifty-green`.
pub fn slot_project(project: &str, slot: Slot) -> String {
    format!("{project}-{slot}")
}

/// Compose project of the workers: `gifty-workers`.
pub fn workers_project(project: &str) -> String {
    format!("{project}-workers")
}

/// The compose projects of an environment: the one of its accessories, one of each slot, that of its workers.
pub fn own_projects(project: &str) -> [String; 4] {
    let [blue, green] = [Slot::Blue, Slot::Green].map(|slot| slot_project(project, slot));
    [project.to_owned(), blue, green, workers_project(project)]
}

/// The compose file of a slot, with the release.
pub fn slot_file(slot: Slot) -> String {
    format!("compose.slot-{slot}.json")
}

/// The compose file of the workers on the network of a slot, with the release.
pub fn workers_file(slot: Slot) -> String {
    format!("compose.workers-{slot}.json")
}

/// The network on which a slot's container answers to the web service's own name: `gifty-green-live`.
pub fn live_network(project: &str, slot: Slot) -> String {
    format!("{project}-{slot}-live")
}

/// The same where a worker must not get out by it: `gifty-green-shut` leads to the slot and nowhere else.
pub fn shut_network(project: &str, slot: Slot) -> String {
    format!("{project}-{slot}-shut")
}

/// Name of the web service inside its slot: `api-green`, so that compose's automatic alias is not `api`.
pub fn slot_service(web: &str, slot: Slot) -> String {
    format!("{web}-{slot}")
}

/// Where the images of a service are: `gifty-api`.
pub fn repository(project: &str, service: &str) -> String {
    format!("{project}-{service}")
}

/// Image of a service built in a release: `gifty-api:20260131-174502-1a2b3c4`.
pub fn image(project: &str, service: &str, release: &ReleaseId) -> String {
    format!("{}:{release}", repository(project, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_id_is_a_time_and_a_revision() {
        for good in [
            "20260131-174502-1a2b3c4",
            "20260131-174502-1a2b3c4-dirty",
            "20260131-174502-1a2b3c4-2",
            "20260131-174502-1a2b3c4-dirty-12",
        ] {
            assert_eq!(ReleaseId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "latest",
            "20260131-174502",
            "20260131-174502-1A2B3C4",
            "20260131-174502-1a2b3c",
            "20260131-174502-1a2b3c4-",
            "20260131-174502-1a2b3c4-1",
            "20260131-174502-1a2b3c4-2-3",
            "20260131-174502-1a2b3c4;rm",
            "../20260131-174502-1a2b3c4",
            "20260131-174502-1a2b3c4\n",
        ] {
            assert!(ReleaseId::parse(bad).is_err(), "{bad:?} was taken for a release id");
        }
    }

    #[test]
    fn names_follow_from_project_slot_and_release() {
        let release = ReleaseId::parse("20260131-174502-1a2b3c4").unwrap();
        assert_eq!(slot_project("gifty", Slot::Green), "gifty-green");
        assert_eq!(slot_service("api", Slot::Blue), "api-blue");
        assert_eq!(image("gifty", "api", &release), "gifty-api:20260131-174502-1a2b3c4");
        assert_eq!(Slot::from_name("green"), Some(Slot::Green));
        assert_eq!(Slot::from_name("Green"), None);
        assert_eq!(Slot::Blue.other(), Slot::Green);
    }
}
