//! URLs, checked as text: what was configured is what is served, byte for byte.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A resource identifier (RFC 9728 §1.2) in two pieces.
#[derive(Debug)]
pub(crate) struct Identifier<'a> {
    /// Scheme, host and port.
    pub(crate) origin: &'a str,
    /// The path with its leading slash, or nothing.
    pub(crate) path: &'a str,
}

/// Splits a resource identifier that every client's URL parser leaves as it is.
///
/// Clients compare `resource` with the URL their user typed, after parsing it; a spelling that a
/// parser would change never compares equal.
pub(crate) fn identifier(text: &str) -> Result<Identifier<'_>, &'static str> {
    let parts = split(text)?;
    if parts.authority.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("scheme and host must be in lower case");
    }
    if parts.tail.contains('#') {
        return Err("must not have a fragment");
    }
    if parts.tail.contains('?') {
        return Err("must not have a query");
    }
    if let Some(port) = parts.port {
        let default = if parts.secure { "443" } else { "80" };
        if port == default {
            return Err("must not name the default port, which clients drop");
        }
        if port.starts_with('0') {
            return Err("the port must not start with a zero, which clients drop");
        }
    }
    check_path(parts.tail)?;
    let origin = text.strip_suffix(parts.tail).unwrap_or(text);
    Ok(Identifier { origin, path: parts.tail })
}

/// Checks an issuer identifier (RFC 8414 §2), in whatever spelling the issuer itself uses.
pub(crate) fn issuer(text: &str) -> Result<(), &'static str> {
    let parts = split(text)?;
    if parts.tail.contains(['?', '#']) {
        return Err("must not have a query or a fragment");
    }
    Ok(())
}

/// Checks a URL that people or programs follow.
pub(crate) fn link(text: &str) -> Result<(), &'static str> {
    split(text).map(drop)
}

struct Parts<'a> {
    secure: bool,
    authority: &'a str,
    port: Option<&'a str>,
    /// What follows the authority.
    tail: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    if !text.bytes().all(is_url_byte) {
        return Err("must be an ASCII URL without spaces");
    }
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("must be an absolute https URL, with the scheme in lower case"),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("must not carry user information");
    }
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside the brackets of an IPv6 address starts no port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    // All digits: `u16` itself would read a sign.
    if port.is_some_and(|port| {
        !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()
    }) {
        return Err("the port is not a number up to 65535");
    }
    let loopback = check_host(host)?;
    if !secure && !loopback {
        return Err("must be https, except on a loopback host");
    }
    Ok(Parts { secure, authority, port, tail })
}

/// Whether `host` is a loopback host.
fn check_host(host: &str) -> Result<bool, &'static str> {
    if let Some(literal) = host.strip_prefix('[') {
        let literal = literal.strip_suffix(']').unwrap_or_default();
        let address = literal.parse::<Ipv6Addr>().map_err(|_| "the host is not an IPv6 address")?;
        // Clients shorten what can be shortened, and write mapped IPv4 addresses their own way.
        let shortest = address.to_string().eq_ignore_ascii_case(literal);
        if !shortest || address.to_ipv4_mapped().is_some() {
            return Err("the IPv6 address is not in its shortest form");
        }
        return Ok(address.is_loopback());
    }
    let label_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !host.split('.').all(|label| !label.is_empty() && label.bytes().all(label_byte)) {
        return Err("the host is not a name or an address");
    }
    // Clients read a host that ends in a number as an IPv4 address, in odd forms too.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        let address = host.parse::<Ipv4Addr>();
        return address.map(|ip| ip.is_loopback()).map_err(|_| "the host is not an IPv4 address");
    }
    Ok(host.eq_ignore_ascii_case("localhost"))
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let mut triplets = path.split('%').skip(1);
    if !triplets
        .all(|after| after.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())))
    {
        return Err("the path has a broken percent escape");
    }
    let segments = path.strip_prefix('/').unwrap_or(path);
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        if matches!(dots.as_str(), "." | "..") {
            return Err("the path must not have dot segments");
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err("the path must not have empty segments");
        }
    }
    Ok(())
}

/// Bytes of a URI (RFC 3986 §2), without those that clients' parsers rewrite.
fn is_url_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

#[cfg(test)]
mod tests;
