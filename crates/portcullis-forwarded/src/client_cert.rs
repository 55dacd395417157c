//! The client's certificate, by the word of the proxy that ends TLS (RFC 9440).

mod builder;
mod layer;
mod parse;
mod service;
mod take;

pub use builder::ClientCertBuilder;
pub use layer::ClientCertLayer;
pub use service::{ClientCert, ClientCertFuture};
