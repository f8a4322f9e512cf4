//! What happens around the switch.

use std::time::Duration;

use serde::Deserialize;

/// What happens around the switch. Times are in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// How long the new version is watched before the old one is given up.
    pub bake: u64,
    /// How long requests and websockets of the old slot may take to finish.
    pub drain: u64,
    /// The old version runs on in its slot until the next deploy, so that a rollback only moves the traffic.
    pub standby: bool,
    pub pace: Pace,
    /// For how long its share of all clients is raised before it gets the traffic.
    pub ramp: u64,
    /// For how long `guard` watches.
    pub guard: String,
    /// Pages that a new version is asked for before it gets traffic.
    pub warm_up: Vec<String>,
}

/// How a deploy spreads its work, of which those who are served feel the start of a version most.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// One step after the other.
    #[default]
    Fast,
    /// The new version rests before it gets traffic, and the old one after that, so that neither the start nor the stop falls together
    /// with the switch.
    Gentle,
}

/// How long a gentle deploy rests on each side of the switch.
const REST_SECONDS: u64 = 5;

impl Traffic {
    /// Seconds for which a new version is watched before it gets traffic.
    pub fn rest(&self) -> u64 {
        match self.pace {
            Pace::Fast => 0,
            Pace::Gentle => REST_SECONDS,
        }
    }

    /// For how long `guard` watches, where nothing else is said.
    ///
    /// # Errors
    /// Where it is no span of time up to a day.
    pub fn guard(&self) -> Result<Duration, String> {
        let text = &self.guard;
        let span = humantime::parse_duration(text).ok().filter(|span| (1..=86_400).contains(&span.as_secs()));
        span.ok_or_else(|| format!("[traffic] guard = {text:?}: a span of time from 1s to 24h, as in \"30m\""))
    }

    /// Seconds for which it is watched after that.
    pub fn watched(&self) -> u64 {
        self.bake.max(self.rest())
    }
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            bake: 3,
            drain: 30,
            standby: false,
            pace: Pace::Fast,
            ramp: 0,
            guard: "30m".to_owned(),
            warm_up: Vec::new(),
        }
    }
}
