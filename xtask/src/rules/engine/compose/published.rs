//! Ports that a service publishes.

use serde_json::Value;

/// A port of a container, and the machine's port that leads to it.
pub struct Published {
    pub outside: Option<u16>,
    pub inside: u16,
    /// Only this machine itself gets there.
    pub loopback: bool,
    /// Who listens on the same port of the loopback address is in its way.
    pub claims_loopback: bool,
}

impl Published {
    /// `127.0.0.1:8000:8000/tcp`, or `{target: 8000, published: "8000"}`.
    pub fn read(port: &Value) -> Option<Published> {
        let number = |value: &Value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        let is_loopback = |address: &str| address.starts_with("127.") || address == "localhost";
        let is_any = |address: &str| ["", "0.0.0.0", "::", "[::]"].contains(&address);
        let claims = |address: &str, protocol: &str| protocol == "tcp" && (is_any(address) || is_loopback(address));
        match port {
            Value::Object(fields) => {
                let text = |key: &str, usual| fields.get(key).and_then(Value::as_str).unwrap_or(usual);
                let address = text("host_ip", "");
                Some(Published {
                    outside: fields.get("published").and_then(number),
                    inside: number(fields.get("target")?)?,
                    loopback: is_loopback(address),
                    claims_loopback: claims(address, text("protocol", "tcp")),
                })
            }
            Value::String(text) => {
                let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
                let mut parts = ports.rsplitn(3, ':');
                let inside = parts.next()?.parse().ok()?;
                let outside = parts.next().and_then(|port| port.parse().ok());
                let address = parts.next().unwrap_or_default();
                let (loopback, claims_loopback) = (is_loopback(address), claims(address, protocol));
                Some(Published { outside, inside, loopback, claims_loopback })
            }
            other => {
                let inside = number(other)?;
                Some(Published { outside: None, inside, loopback: false, claims_loopback: false })
            }
        }
    }
}
