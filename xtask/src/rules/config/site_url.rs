//! The address of a site, as `deploy.toml` has it.

use std::fmt;

/// `https://example.org:8443/api`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteUrl {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Below which the application is served, where nginx takes it off; empty, or `/api`.
    pub path: String,
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl SiteUrl {
    /// `host[:port]`, the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// `None` where the text is not `http://host[:port][/path]` or `https://host[:port][/path]`.
    pub fn parse(text: &str) -> Option<SiteUrl> {
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = path.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        let valid = !host.is_empty() && port != 0 && host.bytes().all(plain) && path.bytes().all(in_path);
        valid.then(|| SiteUrl { tls, host: host.to_owned(), port, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_a_port_and_a_path() {
        let read = |text: &str| SiteUrl::parse(text).map(|url| (url.to_string(), url.path));
        assert_eq!(read("https://a.example/"), Some(("https://a.example".to_owned(), String::new())));
        assert_eq!(
            read("http://a.example:81/api/v1/"),
            Some(("http://a.example:81/api/v1".to_owned(), "/api/v1".to_owned()))
        );
        for wrong in
            ["a.example", "https://", "https:///api", "https://a.example/a b", "https://a.example/?x", "https://u@a"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
