//! Where the records of a gate go, and what they are about.

use portcullis_audit::{AuditLayer, AuditLayerBuilder, Sink, TracingSink};
use portcullis_core::Clock;

use super::Source;
use crate::BuildError;

#[derive(Default)]
#[expect(clippy::large_enum_variant, reason = "there is one, while a gate is built")]
pub(crate) enum Audit {
    /// Nothing was said: records go to `tracing`.
    #[default]
    Tracing,
    Sinks(AuditLayerBuilder),
    Layer(AuditLayer),
    /// A layer and sinks beside it, which it could not be given any more.
    Both,
    Off,
}

impl Audit {
    pub(crate) fn with(self, sink: impl Sink) -> Self {
        let builder = match self {
            Self::Sinks(builder) => builder,
            Self::Tracing | Self::Off => AuditLayer::builder(),
            Self::Layer(_) | Self::Both => return Self::Both,
        };
        Self::Sinks(builder.sink(sink))
    }

    pub(crate) fn replaced(self, layer: AuditLayer) -> Self {
        match self {
            Self::Tracing | Self::Layer(_) | Self::Off => Self::Layer(layer),
            Self::Sinks(_) | Self::Both => Self::Both,
        }
    }

    /// The same for a server on standard input and output.
    #[cfg(feature = "stdio")]
    pub(crate) fn over_stdio(self) -> Self {
        match self {
            Self::Tracing => Self::Sinks(AuditLayer::builder().sink(TracingSink::new()).stdio()),
            Self::Sinks(builder) => Self::Sinks(builder.stdio()),
            Self::Layer(_) | Self::Both | Self::Off => self,
        }
    }

    pub(crate) fn build(
        self,
        site: Site<'_>,
        clock: Clock,
        source: Option<Source>,
    ) -> Result<AuditLayer, BuildError> {
        let mut builder = match self {
            Self::Layer(layer) => {
                return site.of_layer(layer).map_err(|e| BuildError::new("audit", e));
            }
            Self::Both => {
                let fault = "an audit layer has its own sinks: give it all of them, or no layer";
                return Err(BuildError::new("audit", fault));
            }
            Self::Off => return Ok(AuditLayer::danger_off()),
            Self::Tracing => AuditLayer::builder().sink(TracingSink::new()),
            Self::Sinks(builder) => builder,
        };
        if let Some(source) = source {
            builder = builder.peer(move |parts| source(parts));
        }
        builder = builder.resource(site.resource);
        if let Some(server) = site.server {
            builder = builder.server(server);
        }
        if let Some(upstream) = site.upstream {
            builder = builder.upstream(upstream);
        }
        builder.clock(clock).build().map_err(|e| BuildError::new("audit", e))
    }
}

/// What the records of a gate are about.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) resource: &'a str,
    pub(crate) server: Option<&'a str>,
    pub(crate) upstream: Option<&'a str>,
}

impl Site<'_> {
    /// The layer for this gate: it says itself which resource it records, and the gate says the rest.
    fn of_layer(self, layer: AuditLayer) -> Result<AuditLayer, portcullis_audit::ConfigError> {
        let layer = match self.server {
            Some(server) => layer.for_server(server)?,
            None => layer,
        };
        match self.upstream {
            Some(upstream) => layer.for_upstream(upstream),
            None => Ok(layer),
        }
    }
}
