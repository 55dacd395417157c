//! What the portcullis crates need of cryptography, on one of two libraries.
//!
//! An internal part of `portcullis`: its interface changes whenever the other crates need it to.
//!
//! ```
//! use portcullis_crypto::{MacKey, sha256};
//!
//! assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
//! let key = MacKey::new(b"a key of this process");
//! let tag = key.sign(b"message");
//! assert!(key.verify(b"message", &tag) && !key.verify(b"another", &tag));
//! ```
//!
//! # The two libraries
//! With the feature `aws-lc-rs` the work is done by AWS-LC, which is built with a C compiler. With
//! `pure-rust` alone it is done by the RustCrypto crates. Where features of several crates add up
//! to both, AWS-LC is used and nothing else changes: both accept and refuse the same keys and
//! signatures, and what one seals the other opens. With neither, this crate does not compile, so that
//! no build is without its checks.
//!
//! The pure-Rust library takes longer: for RS256 signatures about ten times, for ES256 about
//! four times.
//!
//! # What it refuses by default
//! * RSA keys of other than 2048 to 8192 bits, even moduli and exponents, exponents of 1 or over 2^32.
//! * Points that are not on their curve; Ed25519 keys of small order or in a spelling that is not
//!   canonical (RFC 8032 §5.1.3), under which signatures of anything can be made.
//! * Signatures of any but the one right length; ECDSA signatures in DER; `r` or `s` out of range;
//!   Ed25519 signatures with `S` not reduced; PSS salts of another length than the digest.
//! * An algorithm for another kind of key.
//!
//! # What it does not do
//! It makes no keys, and no signatures but those of Ed25519: nothing here is secret in a way that
//! `rsa` of the pure-Rust library could leak (RUSTSEC-2023-0071 is about private keys).
//!
//! # Where to put it
//! Nowhere: the crates that need it depend on it.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "aws-lc-rs", feature = "pure-rust")))]
compile_error!("turn on a feature: `aws-lc-rs`, which is the default, or `pure-rust`");

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod mac;
// Where both features are on, only the tests look at both.
#[cfg(all(feature = "pure-rust", any(test, not(feature = "aws-lc-rs"))))]
mod pure_rust;
mod random;
mod seal;
mod signature;
mod signing;
mod tagger;

#[cfg(test)]
#[cfg(all(feature = "aws-lc-rs", feature = "pure-rust"))]
mod agreement;

#[cfg(feature = "aws-lc-rs")]
use aws_lc as library;
#[cfg(all(feature = "pure-rust", not(feature = "aws-lc-rs")))]
use pure_rust as library;

pub use mac::{MacContext, MacKey, same, sha256};
pub use random::{NoRandomBytes, fill_random};
pub use seal::SealKey;
pub use signature::{KeyKind, PublicKey, SignatureAlgorithm};
pub use signing::SigningKey;
pub use tagger::Tagger;
