//! Connections from a gate to collectors and databases: TCP, TLS by rustls, and PostgreSQL, each with a
//! time limit.
//!
//! `portcullis-audit-sinks` and `portcullis-roster` share it. An application meets [`Tls`] and
//! [`Postgres`], which say how to reach a server and how to know that it is the right one.
//!
//! ```
//! use portcullis_dial::{Dialer, Tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "aws-lc-rs")] {
//! // A collector with a certificate that the platform trusts.
//! let dialer = Dialer::tls("logs.example.com", 6514, &Tls::platform())?;
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses by default
//! A server whose certificate does not verify, or is for another name; TLS before 1.2; PostgreSQL over a
//! network without TLS.
//!
//! # What it does not do
//! It keeps no pool and tries nothing again: whoever dials decides when. It knows no proxies.
//!
//! # Where to put it
//! Nowhere by hand: sinks and stores take its settings.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dialer;
mod error;
#[cfg(feature = "postgres")]
mod postgres;
mod stream;
mod tls;

pub use dialer::Dialer;
pub use error::ConfigError;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, Session};
pub use stream::Stream;
pub use tls::Tls;
