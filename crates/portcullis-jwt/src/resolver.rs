//! Name resolution that hands out only addresses a key fetch may connect to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use crate::address::allowed;

/// The system's resolver, guarded. The connector connects to exactly the addresses it is given, so
/// a name that resolves differently a moment later leads nowhere (DNS rebinding).
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    inner: GaiResolver,
    internal: bool,
}

impl GuardedResolver {
    pub(crate) fn new(internal: bool) -> Self {
        Self { inner: GaiResolver::new(), internal }
    }
}

impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    // Boxed: once per key fetch.
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (addresses, internal) = (self.inner.call(name), self.internal);
        Box::pin(async move { guard(addresses.await?.collect(), internal) })
    }
}

/// All addresses, or none: a public name with a private address among its own is an attack.
fn guard(addresses: Vec<SocketAddr>, internal: bool) -> io::Result<vec::IntoIter<SocketAddr>> {
    if addresses.iter().all(|address| allowed(address.ip(), internal)) {
        Ok(addresses.into_iter())
    } else {
        let message = "the name resolves to an address that keys may not be fetched from";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_forbidden_address_refuses_the_name() {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        assert!(guard(vec![at("8.8.8.8"), at("2606:4700::1111")], false).is_ok());
        assert!(guard(vec![at("8.8.8.8"), at("10.0.0.1")], false).is_err());
        assert!(guard(vec![at("10.0.0.1")], true).is_ok());
        assert!(guard(vec![at("169.254.169.254")], true).is_err());
    }

    #[tokio::test]
    async fn names_of_loopback_are_refused() {
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(GuardedResolver::new(false).call(name()).await.is_err());
        assert!(GuardedResolver::new(true).call(name()).await.is_ok());
    }
}
