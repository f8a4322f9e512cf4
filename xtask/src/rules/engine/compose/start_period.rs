//! How long a service may take to start, by its own health check in the compose file.

use std::time::Duration;

use super::project::Service;

/// `start_period` of the service's health check. `None`: it has none, or it is not on.
pub fn start_period(service: &Service) -> Option<Duration> {
    let body = service.passed_on();
    let check = body.get("healthcheck")?;
    if check.get("disable").and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    duration(check.get("start_period")?.as_str()?)
}

/// `1m30s`, as compose prints it (Go, `time.ParseDuration`).
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |at| end + at);
        let unit = match &rest[end..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|period| *period <= LONGEST)
}

/// As long as `[health] timeout` may be.
const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_compose_prints_them() {
        for (text, milliseconds) in
            [("20s", 20_000), ("1m30s", 90_000), ("1.5s", 1500), ("0s", 0), ("1h0m0s", 3_600_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["20", "s", "1d", "-1s", "9999h", "1.2.3s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
