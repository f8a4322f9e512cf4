//! How long a service may take to start, by its own health check in the compose file.

use std::time::Duration;

use super::project::Service;
use crate::rules::duration;

/// `start_period` of the service's health check. `None`: it has none, or it is not on.
pub fn start_period(service: &Service) -> Option<Duration> {
    let body = service.passed_on();
    let check = body.get("healthcheck")?;
    if check.get("disable").and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    duration::parse(check.get("start_period")?.as_str()?).filter(|period| *period <= LONGEST)
}

/// As long as `[health] timeout` may be.
const LONGEST: Duration = Duration::from_secs(3600);
