//! Spans of time as people and compose write them.

use std::time::Duration;

/// `1m30s`, as Go reads it (`time.ParseDuration`). `None`: it is none.
pub fn parse(text: &str) -> Option<Duration> {
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
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_as_compose_prints_them() {
        for (text, milliseconds) in
            [("20s", 20_000), ("1m30s", 90_000), ("1.5s", 1500), ("0s", 0), ("1h0m0s", 3_600_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "20", "s", "1d", "-1s", "1.2.3s", "99999999999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
