//! Which addresses a key fetch may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    /// Anybody's: the public internet.
    Public,
    /// Ours: private, loopback and shared address space, and its counterparts in IPv6.
    Internal,
    /// Nobody's to fetch keys from: link-local, metadata services, multicast, reserved.
    Never,
}

/// Whether keys may be fetched from `address`; private ones only for issuers marked internal.
pub(crate) fn allowed(address: IpAddr, internal: bool) -> bool {
    let reach = match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    };
    match reach {
        Reach::Public => true,
        Reach::Internal => internal,
        Reach::Never => false,
    }
}

/// IANA's registry of special IPv4 addresses.
fn v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // The metadata services of Alibaba and Oracle, inside ranges that are otherwise ours.
        [100, 100, 100, 200] | [192, 0, 0, 192] => Reach::Never,
        [10 | 127, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => {
            Reach::Internal
        }
        // This network; link-local; protocol assignments; documentation; relays; benchmarks;
        // multicast and reserved.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Reach::Never,
        _ => Reach::Public,
    }
}

/// IANA's registry of special IPv6 addresses. Addresses that carry an IPv4 address are judged by
/// it, and may lead to the public internet only, save `::ffff:0:0/96`, which is the same address.
fn v6(address: Ipv6Addr) -> Reach {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let carried = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        v4(Ipv4Addr::new(a, b, c, d))
    };
    let public_only = |reach| if reach == Reach::Public { reach } else { Reach::Never };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if [g, h] == [0, 1] => Reach::Internal,
        [0, 0, 0, 0, 0, 0xFFFF] => carried(g, h),
        [0x64, 0xFF9B, 0, 0, 0, 0] => public_only(carried(g, h)),
        [0x2002, high, low, ..] => public_only(carried(high, low)),
        // The metadata service of AWS, inside the unique local range.
        [0xFD00, 0x0EC2, ..] => Reach::Never,
        [0xFC00..=0xFDFF, ..] => Reach::Internal,
        // Protocol assignments (Teredo, ORCHID), documentation.
        [0x2001, 0..=0x01FF, ..] | [0x2001, 0x0DB8, ..] | [0x3FFF, 0..=0x0FFF, ..] => Reach::Never,
        [0x2000..=0x3FFF, ..] => Reach::Public,
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_for_internal_issuers_private_ones() {
        let rows = [
            ("8.8.8.8", true, true),
            ("172.15.0.1", true, true),
            ("172.32.0.1", true, true),
            ("100.63.0.1", true, true),
            ("2606:4700::1111", true, true),
            ("64:ff9b::808:808", true, true),
            ("2002:808:808::1", true, true),
            ("::ffff:8.8.8.8", true, true),
            ("10.0.0.5", false, true),
            ("127.0.0.1", false, true),
            ("127.255.255.254", false, true),
            ("172.16.0.1", false, true),
            ("172.31.255.255", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("::1", false, true),
            ("fc00::1", false, true),
            ("fd12::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("0.0.0.0", false, false),
            ("169.254.169.254", false, false),
            ("169.254.0.1", false, false),
            ("100.100.100.200", false, false),
            ("192.0.0.192", false, false),
            ("192.0.2.1", false, false),
            ("198.18.0.1", false, false),
            ("198.51.100.1", false, false),
            ("203.0.113.1", false, false),
            ("224.0.0.1", false, false),
            ("240.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("::", false, false),
            ("::7f00:1", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::7f00:1", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("64:ff9b:1::808:808", false, false),
            ("2002:7f00:1::", false, false),
            ("2002:a9fe:a9fe::", false, false),
            ("2001:0:4136:e378::1", false, false),
            ("2001:db8::1", false, false),
            ("fd00:ec2::254", false, false),
            ("fe80::1", false, false),
            ("fec0::1", false, false),
            ("ff02::1", false, false),
            ("100::1", false, false),
        ];
        for (text, public, internal) in rows {
            let address = text.parse().unwrap();
            assert_eq!(allowed(address, false), public, "{text}");
            assert_eq!(allowed(address, true), internal, "{text}, internal");
        }
    }
}
