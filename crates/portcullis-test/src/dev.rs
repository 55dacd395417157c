//! An OAuth 2.1 authorization server for development and tests.
//!
//! Anyone can sign in as anyone, without a password. It exists so that the quickstart and the
//! tests can walk the whole way of an MCP client: discovery, registration, authorization, tokens.

mod authorize;
mod cors;
mod error;
mod issuer;
mod link;
mod metadata;
mod page;
mod params;
mod person;
mod register;
mod shelf;
mod state;
mod token;

pub use issuer::{DevIssuer, DevIssuerBuilder};
pub use person::Person;
