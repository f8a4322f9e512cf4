//! A site that is closed for a while: what its users see, and who is let in.

// What an address is, and nothing that connects.
use core::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use serde::Serialize;

/// How a site is closed.
#[derive(Clone, Debug)]
pub struct Closing {
    pub page: Vec<u8>,
    /// Addresses, or the first numbers of some.
    pub lets_in: Vec<String>,
    pub until: Option<SystemTime>,
}

/// A site that is closed, as the host has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// RFC 3339.
    pub since: String,
    /// As HTTP writes times.
    pub until: Option<String>,
    /// Addresses, or the first numbers of some.
    pub lets_in: Vec<String>,
}

impl Closed {
    pub fn describe(&self) -> String {
        let until = self.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        let lets_in = match self.lets_in.as_slice() {
            [] => String::new(),
            all => format!(", open for {}", all.join(", ")),
        };
        format!("closed since {}{until}{lets_in}; `maintenance off` opens the site", self.since)
    }
}

/// More numbers of IPv4 than a network of eight bits has are no team's.
const MOST: usize = 256;

/// The addresses of a network (`203.0.113.7`, `10.0.0.0/8`, `2001:db8::1`) as nginx is told of them: an address as nginx prints it, or the
/// first one to three numbers of one.
///
/// # Errors
/// Where it is none, or one that nginx cannot be told of without a reload.
pub fn lets_in(network: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{network:?} is neither an address nor a network as in 10.1.0.0/16");
    let (address, length) = match network.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
        None => (network, None),
    };
    match (address.parse::<IpAddr>().map_err(|_| wrong())?, length) {
        (IpAddr::V6(address), None | Some(128)) => Ok(vec![address.to_string()]),
        (IpAddr::V6(_), Some(_)) => {
            Err(format!("{network:?}: of IPv6 single addresses can be let in, and no networks"))
        }
        (IpAddr::V4(address), length) => {
            let length = length.unwrap_or(32);
            if !(8..=32).contains(&length) {
                return Err(format!("{network:?}: a network has from 8 to 32 bits"));
            }
            Ok(prefixes(address, length))
        }
    }
}

/// The network by the fewest numbers that have all of it and no more.
fn prefixes(address: Ipv4Addr, length: u32) -> Vec<String> {
    let parts = length.div_ceil(8);
    let count = 1_u32 << (8 * parts - length);
    let first = u32::from(address) >> (32 - length) << (32 - length);
    let step = 1_u32.checked_shl(32 - 8 * parts).unwrap_or(1);
    debug_assert!(count as usize <= MOST);
    let prefix = |number: u32| {
        let numbers = Ipv4Addr::from(first.wrapping_add(number * step)).octets();
        numbers[..parts as usize].iter().map(ToString::to_string).collect::<Vec<String>>().join(".")
    };
    (0..count).map(prefix).collect()
}

/// The page where a team gives none of its own.
pub fn page(message: Option<&str>) -> Vec<u8> {
    let message = message.unwrap_or("We are working on this site, and will be back soon.");
    let escaped = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Back soon</title>\n\
         <body style=\"font: 1.2em/1.5 system-ui, sans-serif; max-width: 32em; margin: 20vh auto; padding: 0 1em\">\n<p>{}</p>\n</body>\n</html>\n",
        escaped.replace('\n', "<br>\n")
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_told_by_its_first_numbers() {
        let told = |network: &str| lets_in(network).unwrap().join(" ");
        for (network, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("10.1.2.3/8", "10"),
            ("10.1.2.3/16", "10.1"),
            ("192.168.7.9/24", "192.168.7"),
            ("192.168.7.9/23", "192.168.6 192.168.7"),
            ("192.168.7.9/30", "192.168.7.8 192.168.7.9 192.168.7.10 192.168.7.11"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("2001:db8::1/128", "2001:db8::1"),
        ] {
            assert_eq!(told(network), expected);
        }
        assert_eq!(lets_in("10.0.0.0/9").unwrap().len(), 128);
        assert_eq!(lets_in("0.0.0.0/25").unwrap().len(), 128);
        for wrong in ["", "10.0.0", "10.0.0.0/7", "10.0.0.0/33", "10.0.0.0/x", "2001:db8::/64", "../on", "10.0.0.0/8/8"]
        {
            assert!(lets_in(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_is_text_and_nothing_else() {
        let page = String::from_utf8(page(Some("<b>5 & 6</b>\nsoon"))).unwrap();
        assert!(page.contains("<p>&lt;b&gt;5 &amp; 6&lt;/b&gt;<br>\nsoon</p>"), "{page}");
    }
}
