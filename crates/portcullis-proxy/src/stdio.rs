//! MCP servers that are commands.

mod answer;
mod builder;
mod child;
mod command;
mod config;
mod converse;
mod envelope;
mod events;
mod fault;
mod future;
mod lines;
mod outcome;
mod outlet;
mod person;
mod pool;
mod service;
mod stderr;
mod table;

pub use builder::StdioUpstreamBuilder;
pub(crate) use events::Events;
pub use future::StdioFuture;
pub use service::StdioUpstream;
