//! Strict inspection of MCP traffic.

mod body;
mod build;
mod capability;
mod chars;
mod config;
mod edge;
mod era;
mod error;
mod events;
mod exchange;
#[cfg(test)]
mod fakes;
mod filter;
mod future;
mod head;
mod inspect;
mod json;
mod judge;
mod layer;
mod limits;
mod listen;
mod media;
mod mirror;
mod names;
mod parse;
mod read;
mod respond;
mod rewrite;
mod server;
mod service;
mod session;
mod splice;
mod sse;
mod violation;

pub use body::FilterBody;
pub use edge::{Edge, EdgeFuture, EdgeLayer};
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use layer::InspectLayer;
pub use limits::Limits;
pub use service::Inspect;
pub use session::SessionKeys;
