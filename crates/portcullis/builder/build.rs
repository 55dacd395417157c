//! The parts of a gate are made and nested in the one safe order.

use std::sync::Arc;

use portcullis_core::{Challenge, Clock, Era};
use portcullis_forwarded::{ForwardedBuilder, ForwardedLayer};
use portcullis_jwt::{Issuer, JwtLayer, Verifier};
use portcullis_mcp::{EdgeLayer, InspectLayer};
use portcullis_prm::{PrmLayer, ResourceMetadata, ResourceMetadataBuilder};
use portcullis_rbac::{Authorizer, RbacLayer};

use super::audit::Site;
use super::{Builder, Chosen, Options, Sidecar};
use crate::known::KnownLayer;
#[cfg(feature = "jwks-client")]
use crate::mirror::mirrored;
use crate::{BuildError, PortcullisLayer};

impl<A: Authorizer> Builder<Chosen<String>, Chosen<Vec<Issuer>>, Chosen<A>> {
    /// The gate as one layer.
    ///
    /// # Errors
    /// When a part's configuration is not valid; the source names what and why.
    pub fn build(self) -> Result<PortcullisLayer<A>, BuildError> {
        let Self { resource: Chosen(resource), issuers: Chosen(issuers), authorizer, mut options } =
            self;
        let (dpop, tokens) = (options.dpop.take(), options.tokens.take());
        let optional_for = std::mem::take(&mut options.optional_for);
        let require_base_scopes = options.require_base_scopes.take();
        let mut metadata = ResourceMetadata::builder(&resource);
        if let Some(dpop) = &dpop {
            for algorithm in dpop.algorithms() {
                metadata = metadata.dpop_signing_alg(algorithm.as_str());
            }
            if dpop.is_required() {
                metadata = metadata.dpop_bound_access_tokens_required();
            }
        }
        // The metadata must name one: a gate for CI jobs alone names what it has.
        let none_listed = !issuers.iter().any(Issuer::is_listed);
        for issuer in issuers.iter().filter(|issuer| none_listed || issuer.is_listed()) {
            metadata = metadata.authorization_server(issuer.name());
        }
        #[cfg(feature = "jwks-client")]
        let mirror = mirrored(options.mirror.take(), &issuers)?;
        let mut verifier = Verifier::builder(&resource).clock(options.clock());
        for issuer in issuers {
            verifier = verifier.issuer(issuer);
        }
        if let Some(customize) = options.verification.take() {
            verifier = customize(verifier);
        }
        let gate = options.build(&resource, metadata, authorizer.0, |challenge| {
            let verifier = verifier.build().map_err(|e| BuildError::new("tokens", e))?;
            let mut layer = JwtLayer::new(verifier, challenge).danger_optional_for(optional_for);
            if let Some(dpop) = dpop {
                layer = layer.dpop(dpop).map_err(|e| BuildError::new("tokens", e))?;
            }
            if let Some(hierarchy) = require_base_scopes {
                layer = layer
                    .require_base_scopes(hierarchy)
                    .map_err(|e| BuildError::new("tokens", e))?;
            }
            if let Some(customize) = tokens {
                layer = customize(layer);
            }
            let challenge = layer.challenge().clone();
            Ok((layer, challenge))
        })?;
        #[cfg(feature = "jwks-client")]
        let gate = match mirror {
            Some(issuer) => gate.mirror(issuer),
            None => gate,
        };
        Ok(gate)
    }
}

impl<A: Authorizer, F, V> Builder<Chosen<String>, Chosen<Sidecar<F>>, Chosen<A>>
where
    F: FnOnce(ForwardedBuilder) -> ForwardedBuilder<V>,
{
    /// The gate as one layer.
    ///
    /// # Errors
    /// When a part's configuration is not valid; the source names what and why.
    pub fn build(self) -> Result<PortcullisLayer<A, ForwardedLayer<V>>, BuildError> {
        let Self { resource: Chosen(resource), issuers: Chosen(sidecar), authorizer, mut options } =
            self;
        let metadata = ResourceMetadata::builder(&resource);
        options.forwarded = true;
        options.build(&resource, metadata, authorizer.0, |challenge| {
            let builder = sidecar.0(ForwardedLayer::builder(challenge.clone()));
            let layer = builder.build().map_err(|e| BuildError::new("sidecar", e))?;
            Ok((layer, challenge))
        })
    }
}

impl Options {
    fn clock(&self) -> Clock {
        self.clock.clone().unwrap_or_default()
    }

    /// Everything but who callers are, which `sign_in` says, and the challenge to answer with.
    fn build<A: Authorizer, C>(
        self,
        resource: &str,
        mut metadata: ResourceMetadataBuilder,
        authorizer: A,
        sign_in: impl FnOnce(Challenge) -> Result<(C, Challenge), BuildError>,
    ) -> Result<PortcullisLayer<A, C>, BuildError> {
        let clock = self.clock();
        let policy_clock = self.clock;
        for scope in self.scopes {
            metadata = metadata.scope(scope);
        }
        if let Some(customize) = self.metadata {
            metadata = customize(metadata);
        }
        let metadata = metadata.build().map_err(|e| BuildError::new("metadata", e))?;
        let (sign_in, challenge) = sign_in(metadata.challenge())?;

        let mut inspect = InspectLayer::new().resource(resource).clock(clock.clone());
        let mut edge = EdgeLayer::new(resource).map_err(|e| BuildError::new("edge", e))?;
        for host in &self.hosts {
            edge = edge.allow_host(host).map_err(|e| BuildError::new("edge", e))?;
        }
        for origin in &self.origins {
            edge = edge.allow_origin(origin).map_err(|e| BuildError::new("edge", e))?;
        }
        if let Some(source) = &self.source {
            let source = Arc::clone(source);
            edge = edge.source_address(move |parts| source(parts));
        }
        if self.nested {
            edge = edge.nested();
        }
        if self.forwarded {
            edge = edge.danger_keep_identity_headers();
        }
        if let Some(versions) = self.versions {
            let legacy = versions.iter().any(|v| v.era() == Era::Legacy);
            edge = edge.sessions(legacy);
            inspect = inspect.versions(versions).map_err(|e| BuildError::new("edge", e))?;
        }
        if let Some(limits) = self.limits {
            edge = edge.limits(limits);
            inspect = inspect.limits(limits);
        }
        if let Some(limits) = self.rate_limits {
            inspect = inspect.rate_limits(limits);
        }
        if let Some(keys) = self.session_keys {
            inspect = inspect.session_keys(keys);
        }
        for hook in self.hooks {
            inspect = inspect.hook(hook).map_err(|e| BuildError::new("hooks", e))?;
        }
        if let Some(customize) = self.inspection {
            inspect = customize(inspect);
        }

        let site =
            Site { resource, server: self.server.as_deref(), upstream: self.upstream.as_deref() };
        let audit = self.audit.build(site, clock, self.source)?;
        #[cfg(feature = "roster")]
        let known = {
            let server = self.server.as_deref().unwrap_or(resource);
            KnownLayer::new(self.roster, server, &audit)
        };
        #[cfg(not(feature = "roster"))]
        let known = KnownLayer::default();

        let mut rbac = RbacLayer::new(authorizer, challenge);
        if let Some(server) = self.server {
            rbac = rbac.server(server);
        }
        if let Some(clock) = policy_clock {
            rbac = rbac.clock(clock);
        }
        Ok(PortcullisLayer {
            known,
            audit,
            prm: PrmLayer::new(metadata.clone()),
            edge,
            sign_in,
            inspect,
            rbac,
            metadata,
        })
    }
}
