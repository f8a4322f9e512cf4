//! Ports that a service publishes.

use serde_json::Value;

/// A port of a container, and the machine's port that leads to it.
pub struct Published {
    pub outside: Option<u16>,
    pub inside: u16,
    /// Only this machine itself gets there.
    pub loopback: bool,
}

impl Published {
    /// `127.0.0.1:8000:8000/tcp`, or `{target: 8000, published: "8000"}`.
    pub fn read(port: &Value) -> Option<Published> {
        let number = |value: &Value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        let is_loopback = |address: &str| address.starts_with("127.") || address == "localhost";
        match port {
            Value::Object(fields) => Some(Published {
                outside: fields.get("published").and_then(number),
                inside: number(fields.get("target")?)?,
                loopback: fields.get("host_ip").and_then(Value::as_str).is_some_and(is_loopback),
            }),
            Value::String(text) => {
                let mut parts = text.split('/').next()?.rsplit(':');
                let inside = parts.next()?.parse().ok()?;
                let outside = parts.next().and_then(|port| port.parse().ok());
                Some(Published { outside, inside, loopback: parts.next().is_some_and(is_loopback) })
            }
            other => Some(Published { outside: None, inside: number(other)?, loopback: false }),
        }
    }
}
