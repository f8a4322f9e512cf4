//! Times as text, always in UTC and to the second.

use std::time::{Duration, SystemTime};

/// The first second after the year 9999, which no text here can hold.
const TOO_LATE: u64 = 253_402_300_800;

/// A time by its seconds since 1970. `None`: it is before that, or after the year 9999.
pub fn from_seconds(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds < TOO_LATE)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Seconds since 1970; of a time before that, 0.
pub fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// As `2026-01-31T17:45:02Z` (RFC 3339).
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// As `20260131-174502`.
pub fn compact(time: SystemTime) -> String {
    let text = rfc3339(time).replace(['-', ':', 'Z'], "");
    text.replace('T', "-")
}

/// As `Sat, 31 Jan 2026 17:45:02 GMT`, which HTTP wants (RFC 9110, 5.6.7).
pub fn http(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = rfc3339(time);
    let month = text[5..7].parse::<usize>().map_or(0, |month| month - 1);
    // 1 January 1970 was a Thursday.
    let day = (seconds(time) / 86_400 % 7).unsigned_abs() as usize;
    format!("{}, {} {} {} {} GMT", DAYS[day], &text[8..10], MONTHS[month], &text[..4], &text[11..19])
}

/// Of a time as `20260131174502Z`.
pub fn from_digits(text: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let [month, day, hour, minute, second] = [4, 6, 8, 10, 12].map(|at| part(at, at + 2));
    let date = format!("{}-{}-{}", part(0, 4)?, month?, day?);
    if text.get(14..) != Some("Z") {
        return None;
    }
    humantime::parse_rfc3339(&format!("{date}T{}:{}:{}Z", hour?, minute?, second?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_the_same_in_each_way_to_write_it() {
        let time = from_digits("20260131174502Z").unwrap();
        assert_eq!(rfc3339(time), "2026-01-31T17:45:02Z");
        assert_eq!(compact(time), "20260131-174502");
        assert_eq!(http(time), "Sat, 31 Jan 2026 17:45:02 GMT");
        assert_eq!(http(SystemTime::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(from_seconds(seconds(time)), Some(time));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "20260131174502", "20261331174502Z", "2026013117450\u{e9}Z", "+0260131174502Z", "20260131174502Z "]
        {
            assert_eq!(from_digits(text), None, "{text}");
        }
        for seconds in [-1, i64::MIN, 253_402_300_800, i64::MAX] {
            assert_eq!(from_seconds(seconds), None);
        }
    }
}
