//! The wildcard address: every address of a machine to whoever binds it, and nobody's to whoever
//! would connect. It is bound, and never told to others.

use std::net::IpAddr;

/// Whether an address of a configuration is the wildcard one, in any spelling that Java's
/// `InetAddress` takes: `0.0.0.0`, `0`, `000.0.0.0`, `::`, `[::]`, `0:0:0:0:0:0:0:0`,
/// `::ffff:0.0.0.0`, `::%eth0`.
pub fn is_wildcard(address: &str) -> bool {
    let address = address.trim();
    let inner = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    let numbers = inner.split('%').next().unwrap_or_default();
    if let Ok(address) = numbers.parse::<IpAddr>() {
        return address.to_canonical().is_unspecified();
    }
    // `inet_aton` takes fewer than four parts, and zeros in front.
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_zero = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte == b'0');
    parts.len() <= 4 && parts.iter().all(is_zero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_the_wildcard_address_is_known_and_nothing_else_is_one() {
        for address in [
            "0.0.0.0",
            " 0.0.0.0 ",
            "0",
            "0.0",
            "000.000.000.000",
            "::",
            "::0",
            "[::]",
            "0:0:0:0:0:0:0:0",
            "0000:0000:0000:0000:0000:0000:0000:0000",
            "::ffff:0.0.0.0",
            "::%eth0",
        ] {
            assert!(is_wildcard(address), "{address}");
        }
        for address in [
            "",
            ".",
            "127.0.0.1",
            "localhost",
            "::1",
            "10.0.0.0",
            "0.0.0.1",
            "0x",
            "0.example",
            "0.0.0.0.0",
            "o.o.o.o",
        ] {
            assert!(!is_wildcard(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in ".{0,30}") {
            let _ = is_wildcard(&text);
        }

        #[test]
        fn of_all_numeric_addresses_only_the_unspecified_ones_are(address: IpAddr) {
            let expected = address.to_canonical().is_unspecified();
            prop_assert_eq!(is_wildcard(&address.to_string()), expected);
        }
    }
}
