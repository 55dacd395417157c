//! A sidecar that has signed callers in.

use std::fmt;
use std::net::IpAddr;

use http::request::Parts;
use portcullis_forwarded::{ForwardedBuilder, Peer, PeerInfo, Profile as Family};
use portcullis_serve::Remote;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources};

/// A sidecar that has signed callers in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Which family of headers it sets.
    pub profile: SidecarProfile,
    /// Who vouches for callers: the first half of their identity in policies and records.
    pub issuer: String,
    /// From whom headers are believed: addresses, networks such as `10.1.0.0/16`, or `unix`.
    pub trusted_peers: Vec<At<String>>,
    /// A secret that it sends besides.
    pub shared_secret: Option<SharedSecret>,
    /// Where clients are sent to sign in; at least one.
    pub authorization_servers: Vec<String>,
}

/// A secret between the sidecar and the gateway.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedSecret {
    /// Name of the header.
    pub header: String,
    /// Name of the secret.
    pub secret: At<String>,
}

/// A family of identity headers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub enum SidecarProfile {
    Oauth2Proxy,
    ForwardedUser,
    Vouch,
    ApacheOpenidc,
    ApacheMellon,
    RemoteUser,
    Authentik,
    Envoy,
}

impl Sidecar {
    /// What makes these settings those of a layer whose requests come by a
    /// [`Server`](portcullis_serve::Server).
    ///
    /// # Errors
    /// A peer is none, or the secret is not there.
    pub fn build(
        &self,
        sources: &Sources,
    ) -> Result<impl FnOnce(ForwardedBuilder) -> ForwardedBuilder + use<>, Problem> {
        let family = match self.profile {
            SidecarProfile::Oauth2Proxy => Family::oauth2_proxy(),
            SidecarProfile::ForwardedUser => Family::forwarded_user(),
            SidecarProfile::Vouch => Family::vouch(),
            SidecarProfile::ApacheOpenidc => Family::apache_openidc(),
            SidecarProfile::ApacheMellon => Family::apache_mellon(),
            SidecarProfile::RemoteUser => Family::remote_user(),
            SidecarProfile::Authentik => Family::authentik(),
            SidecarProfile::Envoy => Family::envoy(),
        };
        let trusted = |text: &At<String>| match (text.as_str(), text.parse::<IpAddr>()) {
            ("unix", _) => Ok(Peer::unix_socket()),
            (_, Ok(address)) => Ok(Peer::address(address)),
            (network, Err(_)) => Peer::network(network).map_err(|e| Problem::of(&e).at(text)),
        };
        let peers = self.trusted_peers.iter().map(trusted).collect::<Result<Vec<_>, _>>()?;
        let issuer = self.issuer.clone();
        let secret = self.shared_secret.as_ref();
        let secret = match secret {
            Some(it) => Some((it.header.clone(), sources.secret(&it.secret)?)),
            None => None,
        };
        Ok(move |builder: ForwardedBuilder| {
            let builder = builder.profile(family).issuer(issuer).peer(peer_of);
            let builder = peers.into_iter().fold(builder, ForwardedBuilder::trust);
            match secret {
                Some((header, secret)) => builder.shared_secret(&header, secret),
                None => builder,
            }
        })
    }
}

fn peer_of(parts: &Parts) -> Option<PeerInfo> {
    match Remote::of(parts)? {
        Remote::Address(from) => Some(PeerInfo::address(from.ip())),
        Remote::UnixSocket => Some(PeerInfo::unix_socket()),
        _ => None,
    }
}

/// As a person reads it.
impl fmt::Display for Sidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers: Vec<&str> = self.trusted_peers.iter().map(|it| it.as_str()).collect();
        write!(f, "{} says in headers, from {}", self.issuer, peers.join(", "))
    }
}
