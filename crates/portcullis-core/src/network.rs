//! Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network of addresses, such as `10.1.0.0/16` or `fd00:12::/64`; never all addresses of a family.
///
/// An IPv4 address and its IPv4-mapped form (RFC 4291 §2.5.5.2), which dual-stack listeners report, are one
/// address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(Range);

/// INVARIANT: no bit after the prefix is set, and an IPv6 network is not inside `::ffff:0:0/96`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Range {
    V4 { first: u32, mask: u32 },
    V6 { first: u128, mask: u128 },
}

/// Why a text is not a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkError {
    cidr: String,
    why: &'static str,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a network: {}", self.cidr, self.why)
    }
}

impl Error for NetworkError {}

impl From<IpAddr> for Network {
    /// This address alone.
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Range::V4 { first: address.to_bits(), mask: u32::MAX },
            IpAddr::V6(address) => Range::V6 { first: address.to_bits(), mask: u128::MAX },
        })
    }
}

impl Network {
    /// Reads CIDR notation.
    ///
    /// # Errors
    /// When it is not that, has bits set after the prefix, or is the whole address space.
    pub fn parse(cidr: &str) -> Result<Self, NetworkError> {
        let wrong = |why| NetworkError { cidr: cidr.to_owned(), why };
        let (address, prefix) =
            cidr.split_once('/').ok_or_else(|| wrong("the prefix length is missing"))?;
        let address: IpAddr = address.parse().map_err(|_| wrong("the address is not valid"))?;
        // Digits only and no leading zero: `u8::from_str` also takes `+8` and `08`.
        let plain = prefix.bytes().all(|b| b.is_ascii_digit())
            && (prefix.len() == 1 || !prefix.starts_with('0'));
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .parse::<u32>()
            .ok()
            .filter(|prefix| plain && *prefix <= width)
            .ok_or_else(|| wrong("the prefix length is not valid"))?;
        if prefix == 0 {
            return Err(wrong("it is everywhere"));
        }
        let network = match address {
            IpAddr::V4(address) => Self::v4(address, prefix),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                // A peer's mapped address is compared as the IPv4 address that it is.
                Some(address) if prefix > 96 => Self::v4(address, prefix - 96),
                Some(_) => return Err(wrong("it is every IPv4 address")),
                None => Self::v6(address, prefix),
            },
        };
        network.map(Self).ok_or_else(|| wrong("bits after the prefix are set"))
    }

    fn v4(address: Ipv4Addr, prefix: u32) -> Option<Range> {
        let (first, mask) = (address.to_bits(), u32::MAX.checked_shl(32_u32.checked_sub(prefix)?)?);
        (first & !mask == 0).then_some(Range::V4 { first, mask })
    }

    fn v6(address: Ipv6Addr, prefix: u32) -> Option<Range> {
        let (first, mask) =
            (address.to_bits(), u128::MAX.checked_shl(128_u32.checked_sub(prefix)?)?);
        (first & !mask == 0).then_some(Range::V6 { first, mask })
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (Range::V4 { first, mask }, IpAddr::V4(address)) => address.to_bits() & mask == first,
            (Range::V6 { first, mask }, IpAddr::V6(address)) => address.to_bits() & mask == first,
            _ => false,
        }
    }

    /// Whether all addresses of `other` are in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Range::V4 { first, mask }, Range::V4 { first: inner, mask: finer }) => {
                mask & finer == mask && inner & mask == first
            }
            (Range::V6 { first, mask }, Range::V6 { first: inner, mask: finer }) => {
                mask & finer == mask && inner & mask == first
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks() {
        for (cidr, address, inside) in [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.0.0.5/32", "10.0.0.5", true),
            ("10.0.0.5/32", "10.0.0.4", false),
            ("128.0.0.0/1", "127.255.255.255", false),
            ("::ffff:10.1.0.0/112", "10.1.2.3", true),
            ("fd00:12::/64", "fd00:12::1", true),
            ("fd00:12::/64", "fd00:12:0:1::1", false),
            ("::1/128", "::1", true),
            // Bytes that agree are not enough: the families differ.
            ("::/8", "0.0.0.1", false),
            ("10.1.0.0/16", "::ffff:10.1.2.3", true),
            ("::/8", "::ffff:10.1.2.3", false),
        ] {
            let network = Network::parse(cidr).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{cidr} {address}");
        }
    }

    #[test]
    fn what_covers_what() {
        for (outer, inner, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("fd00::/8", "fd00:12::/64", true),
            ("fd00:12::/64", "fd00::/8", false),
            ("fd00:12::/64", "fd00:13::/80", false),
            ("::/8", "10.0.0.0/8", false),
        ] {
            let [outer_is, inner_is] = [outer, inner].map(|cidr| Network::parse(cidr).unwrap());
            assert_eq!(outer_is.covers(&inner_is), expected, "{outer} {inner}");
        }
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            let one = Network::from(address.parse::<IpAddr>().unwrap());
            assert!(Network::parse("10.1.2.3/32").unwrap().covers(&one), "{address}");
            assert!(!one.contains("10.1.2.2".parse().unwrap()), "{address}");
        }
        let one = Network::from("fd00::1".parse::<IpAddr>().unwrap());
        assert_eq!(one, Network::parse("fd00::1/128").unwrap());
        let error = Network::parse("10.0.0.1/8").unwrap_err().to_string();
        assert_eq!(error, r#""10.0.0.1/8" is not a network: bits after the prefix are set"#);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for cidr in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "010.0.0.0/8",
            "10.0.0/8",
            "10.0.0.0/8 ",
            "fd00::/129",
            "fd00::1/64",
            "0.0.0.0/0",
            "::/0",
            "::ffff:0:0/96",
            "localhost/8",
        ] {
            assert!(Network::parse(cidr).is_err(), "{cidr}");
        }
    }

    proptest! {
        #[test]
        fn the_prefix_alone_decides(bits: u32, other: u32, prefix in 1_u32..=32) {
            let mask = u32::MAX << (32 - prefix);
            let first = Ipv4Addr::from_bits(bits & mask);
            let network = Network::parse(&format!("{first}/{prefix}")).unwrap();
            let inside = network.contains(IpAddr::V4(Ipv4Addr::from_bits(other)));
            prop_assert_eq!(inside, bits & mask == other & mask);
        }
    }
}
