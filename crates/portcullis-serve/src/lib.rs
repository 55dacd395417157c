//! What a gateway program stands on: listeners, TLS whose certificates are reloaded, limits, and an orderly end.
//!
//! A tower service is served on any number of [`Listener`]s: TCP, TLS, or a Unix socket.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use portcullis_serve::{Listener, RequestBody, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = tower::service_fn(|_: Request<RequestBody>| async {
//!     Ok::<_, Infallible>(Response::new("welcome".to_owned()))
//! });
//! let server = Server::new();
//! let listener = Listener::tcp("127.0.0.1:0".parse()?).await?;
//! tokio::spawn(server.serve(listener, service));
//!
//! // On SIGTERM (see `Stops`): nobody else is let in, and what is under way ends.
//! server.stop();
//! server.stopped().await;
//! # Ok(())
//! # }
//! ```
//!
//! Every request has [`Remote`], and the [`ClientCertificate`](portcullis_core::ClientCertificate) of a TLS
//! connection that has one. [`Watched`] tells of changed files, [`Hangups`] and [`Stops`] of signals.
//!
//! # What it refuses by default
//! Clients that take more than 10 seconds over a TLS handshake, over their first request, or over the head of
//! any; heads of more than 100 fields or 64 KiB; more than 4096 connections at once, which wait, and more than 256
//! requests at once on one of them; HTTP/2 connections that no longer answer pings; TLS before 1.2; client certificates of
//! other authorities than those named.
//!
//! # What it does not do
//! It knows no paths, and bounds no body: that is the gate's. It follows no `PROXY` protocol and no `Forwarded`.
//!
//! # Where to put it
//! Outermost, in a program that is no framework's: an `axum` program has `axum::serve`.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod certificates;
mod connection;
mod error;
mod listener;
mod remote;
mod server;
mod signals;
mod watched;

pub use body::{BodyError, EndsWith, RequestBody};
pub use certificates::{CertificateFiles, Certificates};
pub use error::ConfigError;
pub use listener::Listener;
pub use remote::Remote;
pub use server::Server;
pub use signals::{Hangups, Stops};
pub use watched::Watched;
