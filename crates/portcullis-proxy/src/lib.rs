//! Services that stand behind a gate and hand its requests on to MCP servers elsewhere.
//!
//! [`HttpUpstream`] speaks Streamable HTTP with a server on the network. It is the innermost service of a
//! stack: put the layers that decide around it.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod builder;
mod channel;
mod connect;
mod error;
mod future;
mod outgoing;
mod request;
mod respond;
mod upstream;
mod url;

pub use body::ProxyBody;
pub use builder::HttpUpstreamBuilder;
pub use error::{ConfigError, ProxyError, ProxyErrorKind};
pub use future::ResponseFuture;
pub use portcullis_dial::Tls;
pub use upstream::HttpUpstream;
