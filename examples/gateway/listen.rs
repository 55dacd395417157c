//! The places of the file where to listen.

use std::net::SocketAddr;

use http::request::Parts;
use portcullis::forwarded::PeerInfo;
use portcullis_serve::{CertificateFiles, Remote};

use crate::config::{Listener, Tls, Unix};
use crate::read::{At, File, Problem};

/// For whoever believes a sidecar.
pub fn peer(parts: &Parts) -> Option<PeerInfo> {
    match Remote::of(parts)? {
        Remote::Address(from) => Some(PeerInfo::address(from.ip())),
        Remote::UnixSocket => Some(PeerInfo::unix_socket()),
        _ => None,
    }
}

/// Whether the file's places are places, and its certificates can be used.
pub fn check(file: &File) -> Result<(), Problem> {
    if file.config.listen.is_empty() {
        return Err(Problem::new("there is nowhere to listen"));
    }
    for listener in &file.config.listen {
        match &**listener {
            Listener::Http(address) => drop(parse(address)?),
            Listener::Tls(tls) => {
                parse(&tls.address)?;
                let loaded = certificates(file, tls).load();
                loaded.map_err(|error| Problem::of(&error).at(listener))?;
            }
            Listener::Unix(unix) => drop(mode(unix)?),
        }
    }
    file.config.admin.as_ref().map_or(Ok(()), |address| parse(address).map(drop))
}

/// Takes all places of the file.
pub async fn all(file: &File) -> Result<Vec<portcullis_serve::Listener>, Problem> {
    use portcullis_serve::Listener as Place;
    let mut taken = Vec::new();
    for listener in &file.config.listen {
        let place = match &**listener {
            Listener::Http(address) => Place::tcp(parse(address)?).await,
            Listener::Tls(tls) => {
                let loaded = certificates(file, tls).load();
                let loaded = loaded.map_err(|error| Problem::of(&error).at(listener))?;
                tokio::spawn(loaded.watch());
                Place::tls(parse(&tls.address)?, loaded).await
            }
            #[cfg(unix)]
            Listener::Unix(unix) => Place::unix(file.path(&unix.path), mode(unix)?),
            #[cfg(not(unix))]
            Listener::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
        };
        let fault = |error| Problem::new(format!("cannot listen: {error}")).at(listener);
        taken.push(place.map_err(fault)?);
    }
    Ok(taken)
}

/// An address with its port.
pub fn parse(address: &At<String>) -> Result<SocketAddr, Problem> {
    let problem =
        |_| Problem::new("not an address with a port, such as 127.0.0.1:8800").at(address);
    address.parse().map_err(problem)
}

fn mode(unix: &Unix) -> Result<u32, Problem> {
    let Some(mode) = &unix.mode else { return Ok(0o660) };
    let bits = u32::from_str_radix(mode, 8).ok().filter(|bits| *bits <= 0o777);
    bits.ok_or_else(|| Problem::new("the mode is not octal, such as \"0660\"").at(mode))
}

fn certificates(file: &File, tls: &Tls) -> CertificateFiles {
    let mut files = CertificateFiles::new(file.path(&tls.certificate), file.path(&tls.key));
    if let Some(path) = &tls.client_authorities {
        files = files.client_authorities(file.path(path));
    }
    if tls.require_client_certificate { files.require_client_certificate() } else { files }
}
