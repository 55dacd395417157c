//! What portcullis layers hand to one another, and how a refusal looks on the wire.
//!
//! This crate is vocabulary: it decides nothing and reads no header or body. A middleware crate
//! (`portcullis-jwt`, `portcullis-mcp`, …) depends on it and on no other portcullis crate; what
//! two of them must agree on is defined here, once.
//!
//! * **Facts** travel inward in the request: [`Caller`] (who), [`McpMessage`] (what), [`Permit`]
//!   (why it may pass) and [`Trail`] (the handle to the audit record). Read and write them through
//!   [`RequestFacts`] and [`ResponseFacts`]; nothing else touches [`http::Extensions`].
//! * **Refusals** are responses: a [`Denial`] becomes exactly the bytes that the MCP and OAuth
//!   specifications, and the clients in the field, expect, and stays readable in the response's
//!   extensions for outer layers.
//!
//! ```
//! use portcullis_core::{Caller, Principal, RequestFacts};
//!
//! let alice = Principal::builder("https://id.example", "alice").scope("mcp:read").build();
//! let mut request = http::Request::new(());
//! request.set_caller(Caller::Verified(alice.into()));
//!
//! let caller = request.caller().expect("set above");
//! assert_eq!(caller.principal().map(Principal::subject), Some("alice"));
//! ```
//!
//! # What it refuses by default
//! The absence of a fact that a layer needs is a wiring fault: [`Denial::miswired`] answers 500,
//! logs one error, and never lets the request pass.
//!
//! # What it does not do
//! It verifies no token, parses no JSON-RPC and holds no policy.

mod anonymous;
mod body;
mod caller;
mod certificate;
mod challenge;
mod clock;
mod denial;
mod facts;
pub mod header_names;
mod hints;
mod line;
mod message;
mod method;
mod network;
mod permit;
mod principal;
mod reason;
mod rejection;
mod scope;
mod text;
mod trail;
mod version;

pub use anonymous::{AnonymousPass, AnonymousTerms};
pub use body::{Buffered, GateBody};
pub use caller::{AnonymousReason, Caller};
pub use certificate::ClientCertificate;
pub use challenge::{Challenge, ChallengeError};
pub use clock::{Clock, ManualClock};
pub use denial::{Denial, DenialKind, HiddenAs};
pub use facts::{RequestFacts, ResponseFacts};
pub use hints::ToolHints;
pub use line::one_line;
pub use message::{
    Arguments, McpMessage, McpNotification, McpRequest, McpRequestParts, McpResponse, NoMessage,
    Target, TargetKind, TaskUse, ValueKind,
};
pub use method::Method;
pub use network::{Network, NetworkError};
pub use permit::{Glance, Look, Permit, View};
pub use principal::{Actor, Principal, PrincipalBuilder, TokenInfo};
pub use reason::Reason;
pub use scope::ScopeHierarchy;
pub use text::Text;
pub use trail::{
    Acknowledgement, CredentialSource, Decided, Note, Observer, Receipt, ReceiptSender, Recorder,
    Trail,
};
pub use version::{Era, Version};
