//! What the command line says.

use std::error::Error;
use std::net::IpAddr;

use http::HeaderName;
use portcullis::forwarded::{ListFormat, Peer, Profile};

const USAGE: &str = "\
usage: sidecars --sidecar openidc|mellon|oauth2-proxy|certificates --resource URL --trust ADDRESS
                --policy FILE --audit FILE --arrivals FILE
                [--groups DELIMITER] [--secret SECRET] [--issuer NAME --keys URL]
       sidecars server";

/// What a gate is to believe, and where it writes.
#[derive(Default)]
pub struct Options {
    sidecar: String,
    groups: Option<char>,
    /// What the sidecar sends in `X-Gate-Secret`, if it does.
    pub secret: Option<String>,
    /// Who issues tokens, where the sidecar only says whose certificate the client has.
    pub issuer: String,
    /// Where that issuer's keys are.
    pub keys: String,
    /// The URL that clients use: the sidecar's.
    pub resource: String,
    trust: Option<IpAddr>,
    pub policy: String,
    /// Where audit records go.
    pub audit: String,
    /// Where it is written which headers arrived before the gate.
    pub arrivals: String,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match flag.as_str() {
                "--sidecar" => options.sidecar = value,
                "--groups" => options.groups = value.chars().next(),
                "--secret" => options.secret = Some(value),
                "--issuer" => options.issuer = value,
                "--keys" => options.keys = value,
                "--resource" => options.resource = value,
                "--trust" => options.trust = Some(value.parse()?),
                "--policy" => options.policy = value,
                "--audit" => options.audit = value,
                "--arrivals" => options.arrivals = value,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// Whether the sidecar says whose certificate the client has, and not who the client is.
    pub fn certificates(&self) -> bool {
        self.sidecar == "certificates"
    }

    /// Where the sidecar connects from.
    pub fn peer(&self) -> Result<Peer, Box<dyn Error>> {
        Ok(Peer::address(self.trust.ok_or(USAGE)?))
    }

    /// The family of headers that this sidecar sets.
    pub fn profile(&self) -> Result<Profile, Box<dyn Error>> {
        let (profile, groups) = match self.sidecar.as_str() {
            "openidc" => (Profile::apache_openidc(), "oidc_claim_groups"),
            "mellon" => (Profile::apache_mellon(), "mellon_groups"),
            "oauth2-proxy" => (Profile::oauth2_proxy(), "x-auth-request-groups"),
            _ => return Err(USAGE.into()),
        };
        Ok(match self.groups {
            Some(delimiter) => {
                profile.groups(HeaderName::from_static(groups), ListFormat::Delimited(delimiter))
            }
            None => profile,
        })
    }
}
