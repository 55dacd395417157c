//! The HTTP edge: what can be refused before anybody asks who is calling.

mod authority;
mod check;
mod cors;
mod future;
mod layer;
mod service;
mod strip;

pub(crate) use authority::Authority;
pub use future::EdgeFuture;
pub use layer::EdgeLayer;
pub use service::Edge;

#[cfg(test)]
mod tests;
