//! How long a certificate is valid: the one thing of it that a person has to act on.

use std::time::SystemTime;

use crate::rules::utc;

/// Kinds of value in DER (ITU-T X.690) that stand on the way to the date.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a certificate (X.509, RFC 5280, as DER) ends. `None`: it is none.
pub fn ends(certificate: &[u8]) -> Option<SystemTime> {
    let mut certificate = Values(inside(certificate)?);
    let mut fields = Values(certificate.next_of(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.next()?;
    }
    let [_serial, _algorithm, _issuer] = [fields.next()?, fields.next()?, fields.next()?];
    let mut validity = Values(fields.next_of(SEQUENCE)?);
    let _begins = validity.next()?;
    let (kind, text) = validity.next()?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match kind {
        // Two digits of a year: up to 49 they are of this century.
        UTC_TIME if text.get(..2)?.parse::<u8>().ok()? < 50 => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    utc::from_digits(&text)
}

fn inside(value: &[u8]) -> Option<&[u8]> {
    Values(value).next_of(SEQUENCE)
}

/// Values one after the other: of each its kind, its length, its content.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (kind, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        // From 128 on, the length has so many bytes of its own.
        let (length, rest) = match usize::from(*length) {
            short @ 0..128 => (short, rest),
            long => {
                let (bytes, rest) = rest.split_at_checked(long - 128)?;
                let length = bytes
                    .iter()
                    .try_fold(0_usize, |length, byte| length.checked_mul(256)?.checked_add(usize::from(*byte)))?;
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*kind, content))
    }

    fn next_of(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(kind, _)| *kind == wanted).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both by openssl, whose `x509 -enddate` says when they end.
    const UNTIL_2028: &[u8] = include_bytes!("certificate/until_2028.der");
    const UNTIL_2065: &[u8] = include_bytes!("certificate/until_2065.der");

    #[test]
    fn the_end_is_what_openssl_says_in_both_ways_to_write_it() {
        let shown = |certificate| ends(certificate).map(utc::rfc3339);
        assert_eq!(shown(UNTIL_2028).as_deref(), Some("2028-01-03T21:23:18Z"));
        assert_eq!(shown(UNTIL_2065).as_deref(), Some("2065-03-29T21:23:18Z"));
    }

    #[test]
    fn what_is_cut_off_or_something_else_has_no_end() {
        for length in 0..UNTIL_2028.len() {
            assert_eq!(ends(&UNTIL_2028[..length]), None, "the first {length} bytes");
        }
        assert_eq!(ends(b"-----BEGIN CERTIFICATE-----"), None);
        assert_eq!(ends(&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(at in 0..300_usize, byte in any::<u8>()) {
            let mut changed = UNTIL_2028.to_vec();
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            let _any = ends(&changed);
        }
    }
}
