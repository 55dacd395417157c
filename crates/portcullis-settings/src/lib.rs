//! The words of a gateway's file: types that YAML is read into, each of which builds what it describes.
//!
//! A program composes the ones that it needs to a file of its own; what people may write in them, and what they
//! are told when it is wrong, is then the same in every such program.
//!
//! ```
//! use portcullis_settings::{At, File, Issuer, Secret};
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     #[serde(default)]
//!     secrets: std::collections::BTreeMap<String, Secret>,
//!     issuers: Vec<At<Issuer>>,
//! }
//!
//! # fn main() -> Result<(), portcullis_settings::Problem> {
//! let text = "issuers:\n  - { issuer: https://login.example.com, audiences: [api] }\n";
//! let file = File::<Config>::parse("gate.yaml", text)?;
//! let sources = file.sources(&file.config().secrets);
//! for issuer in &file.config().issuers {
//!     issuer.build(&sources).map_err(|problem| problem.at(issuer))?;
//! }
//!
//! let wrong = text.replace("audiences", "audience");
//! let problem = File::<Config>::parse("gate.yaml", &wrong).unwrap_err();
//! let told = problem.show("gate.yaml".as_ref());
//! assert!(told.starts_with("gate.yaml:2:42: unknown field `audience`"), "{told}");
//! # Ok(())
//! # }
//! ```
//!
//! Settings that take a secret take its name, which is an [`At<String>`](At); [`Secret`] says where it is, and
//! [`Sources`] reads it. [`schema`] is the JSON Schema of a file, for editors.
//!
//! # What it refuses by default
//! Keys without a value, duplicate keys, merge keys and tags; unknown keys; secrets that are not there or are empty;
//! whatever the crates refuse whose things are built.
//!
//! # What it does not do
//! It replaces nothing inside of texts, and reads nothing of the environment but secrets that are named. It does not read
//! policies: `portcullis-rbac` does.
//!
//! # Where to put it
//! In a program that is driven by a file, such as `examples/gateway`. A server that is gated by ten lines of Rust needs
//! none of it.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod at;
mod dpop;
mod file;
mod identity;
mod issuer;
mod limits;
mod listener;
mod null;
mod problem;
mod roster;
mod secret;
mod sidecar;
mod sink;
mod strings;
mod upstream;

pub use at::At;
pub use dpop::{Dpop, Proofs};
pub use file::{File, schema};
pub use identity::{Family, Headers, Identity, Signed};
pub use issuer::{Claims, Introspection, Issuer};
pub use limits::Limits;
pub use listener::{Listener, Tls, Unix, socket_address};
pub use problem::Problem;
pub use roster::Roster;
pub use secret::{Secret, Sources};
pub use sidecar::{SharedSecret, Sidecar, SidecarProfile};
pub use sink::{Collector, FileSink, Postgres, Sink, Syslog};
pub use strings::Strings;
pub use upstream::{Credential, HttpServer, StdioServer};
