//! An issuer's metadata at the resource's origin, for clients of revision 2025-03-26.

use portcullis_jwt::{Issuer, JwtLayer};
use portcullis_prm::ServerMetadata;

use crate::{BuildError, PortcullisLayer};

/// The issuer to mirror, once it is known that there is something to mirror.
pub(crate) fn mirrored(
    wanted: Option<String>,
    issuers: &[Issuer],
) -> Result<Option<String>, BuildError> {
    let Some(name) = wanted else { return Ok(None) };
    let fault = match issuers.iter().find(|issuer| issuer.name() == name) {
        Some(issuer) if issuer.is_discovered() => return Ok(Some(name)),
        Some(_) => "is not discovered, so that its metadata is not known",
        None => "is not one of this gate",
    };
    Err(BuildError::new("mirror", format!("the issuer {name} {fault}")))
}

impl<A> PortcullisLayer<A, JwtLayer> {
    pub(crate) fn mirror(mut self, issuer: String) -> Self {
        let verifier = self.verifier().clone();
        self.prm =
            self.prm.mirror_server_metadata(move || match verifier.issuer_metadata(&issuer) {
                Some(metadata) => ServerMetadata::Document(metadata.bytes().clone()),
                None if verifier.issuers().contains(&issuer) => ServerMetadata::Pending,
                None => ServerMetadata::Absent,
            });
        self
    }
}
