//! Who is at the other end.

use std::net::{IpAddr, SocketAddr};

use http::Extensions;
use http::request::Parts;

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Remote {
    /// Somebody on the network. IPv4 is written as IPv4, whatever the listener.
    Address(SocketAddr),
    /// A process of this machine, on a Unix socket.
    UnixSocket,
}

impl Remote {
    /// That of a request which came by a [`Server`](crate::Server), and of no other.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "of the connection, no fact of a layer")]
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().copied()
    }

    /// The address that a request came from, if it came by a network.
    #[must_use]
    pub fn address_of(parts: &Parts) -> Option<IpAddr> {
        match Self::of(parts)? {
            Self::Address(address) => Some(address.ip()),
            Self::UnixSocket => None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "of the connection, no fact of a layer")]
    pub(crate) fn mark(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }
}
