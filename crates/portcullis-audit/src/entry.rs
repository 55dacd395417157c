//! Records as they are read again.
//!
//! The writer does not use these types: it writes members one by one, without a copy. That both agree
//! is tested on every record.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of an audit log in the format of this crate, version 1.
///
/// Members that this version does not know are passed over: new ones may come at any time.
///
/// ```
/// use portcullis_audit::{Entry, EntryBody};
///
/// let line = r#"{"schema":1,"record":"gap","ts":"2026-11-18T11:06:40.120Z",
///     "event_id":"01a1ee56-5e00-7bff-bd9a-adc9b3e9b2b4","dropped":7}"#;
/// let entry: Entry = serde_json::from_str(line)?;
/// assert!(matches!(entry.body, EntryBody::Gap(gap) if gap.dropped == 7));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(title = "Audit record"))]
#[non_exhaustive]
pub struct Entry {
    /// The version of the format: 1.
    pub schema: u32,
    /// When the record was made: RFC 3339, UTC, milliseconds.
    pub ts: String,
    /// The id of the event (UUIDv7). A decision and its outcome have the same.
    pub event_id: String,
    /// What kind of record it is, and the rest of it.
    #[serde(flatten)]
    pub body: EntryBody,
    /// The chain that the line is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Its number in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The SHA-256 of the line before it, without the newline, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The Ed25519 signature of a checkpoint, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// The kinds of records.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(tag = "record", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryBody {
    /// What was decided, before anything ran.
    Decision(Box<DecisionEntry>),
    /// What came of it, when the answer had ended.
    Outcome(Box<OutcomeEntry>),
    /// Records are missing here.
    Gap(GapEntry),
    /// Unauthenticated failures that were counted instead of recorded.
    Suppressed(SuppressedEntry),
    /// Something happened to the gate itself, or across requests.
    Event(Box<EventEntry>),
    /// A hash chain begins, or goes on in another file.
    Chain(ChainEntry),
    /// Vouches for the chain so far.
    Checkpoint(CheckpointEntry),
}

macro_rules! entries {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident $field:ident: $type:ty,)* })*) => {$(
        entries!(@fields $(#[$about])* $name [] $($(#[$doc])* $kind $field: $type,)*);
    )*};
    (@fields $(#[$about:meta])* $name:ident [$($done:tt)*]) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
        #[cfg_attr(feature = "schema", derive(JsonSchema))]
        #[non_exhaustive]
        pub struct $name { $($done)* }
    };
    (@fields $(#[$about:meta])* $name:ident [$($done:tt)*] $(#[$doc:meta])* must $field:ident: $type:ty, $($rest:tt)*) => {
        entries!(@fields $(#[$about])* $name [$($done)* $(#[$doc])* pub $field: $type,] $($rest)*);
    };
    (@fields $(#[$about:meta])* $name:ident [$($done:tt)*] $(#[$doc:meta])* may $field:ident: $type:ty, $($rest:tt)*) => {
        entries!(@fields $(#[$about])* $name [
            $($done)*
            $(#[$doc])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,
        ] $($rest)*);
    };
}

entries! {
    /// A decision.
    DecisionEntry {
        /// The id of the HTTP request: the same for all elements of a batch.
        must request_id: String,
        /// The trace of the gate's own span of the request, where it exports one.
        may gate_trace_id: String,
        /// The place in the batch.
        may element: u64,
        /// The protected resource.
        may resource: String,
        /// The server, by the name that policy and the roster know.
        may server: String,
        /// Where requests are forwarded to: an origin, or a name.
        may upstream: String,
        /// `streamable_http` or `stdio`.
        must transport: String,
        /// The protocol version.
        may mcp_version: String,
        /// `legacy` or `modern`.
        may era: String,
        /// A keyed digest of the session's id.
        may session_hash: String,
        /// The trace of the client's `traceparent`; unverified, as all that a client says of itself.
        may trace_id: String,
        /// The client's own id of the request, as raw JSON.
        may jsonrpc_id: String,
        /// The method.
        may method: String,
        /// The kind of thing that `target` names.
        may target_type: String,
        /// What the message acts on.
        may target: String,
        /// Further targets.
        may more_targets: Vec<String>,
        /// The names of the arguments, the first of them.
        may argument_keys: Vec<String>,
        /// The JSON types of their values, in the same order.
        may argument_types: Vec<String>,
        /// How many arguments there are.
        may argument_count: u64,
        /// How long they are, in bytes of JSON.
        may argument_bytes: u64,
        /// A keyed digest of the arguments as they were sent.
        may argument_digest: String,
        /// Values that settings allow, by JSON pointer.
        may argument_values: BTreeMap<String, ArgumentEntry>,
        /// Who is calling.
        may principal: PrincipalEntry,
        /// The scopes granted.
        may scopes: Vec<String>,
        /// The roles that the issuer assigned.
        may roles: Vec<String>,
        /// What names the token.
        may token: TokenEntry,
        /// `allow`, `deny`, `challenge`, `error` or `undecided`.
        must decision: String,
        /// Why it was refused.
        may reason: String,
        /// The rule that decided.
        may rule_id: String,
        /// The version of the policy that holds it.
        may policy_version: String,
        /// The HTTP status of the refusal.
        may http_status: u16,
        /// The JSON-RPC error code of the refusal.
        may error_code: i64,
        /// The caller's address.
        may source_ip: String,
        /// What the client's `User-Agent` says.
        may unverified_user_agent: String,
        /// What the client's `traceparent` says.
        may unverified_traceparent: String,
        /// What the client calls itself.
        may unverified_client_name: String,
        /// What the client says its version is.
        may unverified_client_version: String,
        /// Some names are not recorded, or not whole: what they looked like.
        may redacted: Vec<String>,
        /// Something was cut.
        may truncated: bool,
    }

    /// An outcome.
    OutcomeEntry {
        /// The server, by the name that policy and the roster know.
        may server: String,
        /// From the request's arrival to the end of the answer, in milliseconds.
        must duration_ms: u64,
        /// The status of the answer.
        may http_status: u16,
        /// `complete`, `stream`, `error`, `is_error`, `input_required`, `task` or `aborted`.
        must result_type: String,
        /// The JSON-RPC error code of the answer.
        may error_code: i64,
        /// Why it is not what the decision promised.
        may reason: String,
        /// The hook that withheld the answer.
        may hook: String,
        /// The status of the service behind the gate, where it was no success.
        may upstream_status: u16,
        /// Where the credential came from with which the service behind the gate was called: `shared`.
        may cred_source: String,
        /// The size of the message, in bytes.
        may bytes_in: u64,
        /// The size of the answer, in bytes.
        must bytes_out: u64,
        /// How many items were left out of a list.
        must filtered_count: u64,
        /// Their names.
        may filtered: Vec<String>,
        /// What the server calls itself in the answer.
        may unverified_server_name: String,
        /// What the server says its version is.
        may unverified_server_version: String,
        /// Some of the names are not recorded, or not whole: what they looked like.
        may redacted: Vec<String>,
        /// Something was cut.
        may truncated: bool,
    }

    /// Records are missing.
    GapEntry {
        /// When the first was lost.
        may since: String,
        /// How many.
        must dropped: u64,
    }

    /// Failures that were counted.
    SuppressedEntry {
        /// How many.
        must count: u64,
    }

    /// An event.
    EventEntry {
        /// What happened: `policy.changed` and the like.
        must event: String,
        /// The protected resource.
        may resource: String,
        /// The server, by the name that policy and the roster know.
        may server: String,
        /// Who did it, or whom it happened to.
        may principal: PrincipalEntry,
        /// What it is about.
        may about: String,
        /// What was so before.
        may from: String,
        /// What is so now.
        may to: String,
        /// Why.
        may reason: String,
        /// More about it.
        may detail: String,
        /// How many, or how much.
        may count: u64,
        /// Something was cut.
        may truncated: bool,
    }

    /// The start of a chain, or of another of its files.
    ChainEntry {
        /// The chain that it continues.
        may continues: ContinuesEntry,
        /// How many bytes right before this line are no record.
        may torn: u64,
        /// Which file of the chain begins, from the second on.
        may part: u64,
        /// The id of the key that signs.
        may key: String,
        /// How many records there are between checkpoints at most.
        may checkpoint_records: u64,
        /// How many seconds there are between checkpoints at most.
        may checkpoint_seconds: u64,
    }

    /// The last record of the chain before.
    ContinuesEntry {
        /// The chain's id.
        must chain: String,
        /// The number of its last record.
        must seq: u64,
        /// Whether its writer ended in order.
        must clean: bool,
    }

    /// A checkpoint.
    CheckpointEntry {
        /// `start`, `records`, `time`, `rotation` or `shutdown`.
        must occasion: String,
        /// The id of the key that signed.
        may key: String,
        /// The key before it, where it changed.
        may previous_key: String,
    }

    /// Somebody.
    PrincipalEntry {
        /// The issuer that vouches for them.
        may iss: String,
        /// Their name at that issuer.
        may sub: String,
        /// The OAuth client.
        may client_id: String,
        /// How they were authenticated.
        may auth: String,
        /// `user`, `client` or `anonymous`.
        may kind: String,
        /// Who acts for them, nearest first.
        may act: Vec<ActorEntry>,
    }

    /// Somebody who acts for another.
    ActorEntry {
        /// The issuer that vouches for them.
        may iss: String,
        /// Their name.
        must sub: String,
    }

    /// What names a token.
    TokenEntry {
        /// Its own id.
        may jti: String,
        /// The first 12 digits of its SHA-256.
        may sha256: String,
        /// The signature algorithm.
        may alg: String,
        /// The key that signed it.
        may kid: String,
        /// When it ends, in seconds since the epoch.
        may exp: u64,
    }

    /// A value, as far as it may be recorded: exactly one member.
    ArgumentEntry {
        /// All of it.
        may value: Value,
        /// Its beginning, where it is too long.
        may begins: String,
        /// What kind of secret it looks like.
        may redacted: String,
    }
}
