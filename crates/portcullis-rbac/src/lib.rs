//! Tower middleware that decides who may use which MCP tools, prompts and resources.
//!
//! [`RbacLayer`] reads who is calling and what is asked, both found out by layers outside it, asks
//! a [`Policy`] (or any other [`Authorizer`]), records the decision, and only then calls the
//! service inside. The same decision filters lists: what is visible is what can be called.
//!
//! ```
//! use portcullis_core::{
//!     Buffered, Caller, Challenge, McpMessage, McpRequestParts, Method, Principal, RequestFacts,
//!     ResponseFacts, Target, TargetKind, Version,
//! };
//! use portcullis_rbac::{Policy, RbacLayer, Role, Rule};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::builder()
//!     .add_role(Role::new("reader").group("staff"))
//!     .add_rule(Rule::allow("read-notes").tools(["list_notes", "get_*"]).roles(["reader"]))
//!     .build()?;
//! let challenge = Challenge::new(
//!     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
//!     ["mcp:read"],
//! )?;
//! let service = ServiceBuilder::new()
//!     .layer(RbacLayer::new(policy, challenge))
//!     .service(service_fn(async |_: http::Request<Buffered>| {
//!         Ok::<_, std::convert::Infallible>(http::Response::new(String::from("notes")))
//!     }));
//!
//! // What sign-in and inspection say about a request.
//! let mut request = http::Request::new(Buffered::empty());
//! let alice = Principal::builder("https://id.example", "alice").group("staff").build();
//! request.set_caller(Caller::Verified(alice.into()));
//! request.set_message(McpMessage::Request(
//!     McpRequestParts {
//!         version: Version::V2026_07_28,
//!         method: Method::ToolsCall,
//!         id: "1".into(),
//!         target: Some(Target::new(TargetKind::Tool, "delete_notes".into())),
//!         more_targets: Vec::new(),
//!         arguments: None,
//!         raw: Default::default(),
//!     }
//!     .into(),
//! ));
//! let response = service.oneshot(request).await?;
//! assert!(response.denial().is_some(), "no rule allows delete_notes");
//! # Ok(())
//! # }
//! ```
//!
//! # What a policy means
//!
//! * **Nothing is allowed unless a rule allows it**, and a deny rule beats every allow rule,
//!   whatever their order.
//! * **Roles come from the token.** A caller has a role if *any one* of its groups, scopes, role
//!   claims, client ids, subjects or other claims is theirs; strings are compared exactly. `from`
//!   limits a role to callers from some issuers and tenants. A caller who has not signed in has
//!   only roles marked `anonymous`.
//! * **`everyone`** in an allow rule is every signed-in caller. In a deny rule it is every caller.
//! * **Conditions must all hold**: methods, servers, annotations, agents, networks, arguments, times.
//!   What nobody can say, because an argument is missing or of another type, a server has no name, a
//!   tool no known annotations or a request no known address, **stops an allow rule and does not stop a deny rule**.
//! * **Scopes limit, roles grant.** A rule with `requires_scopes` needs one of its roles *and* all
//!   of the scopes. If only scopes are missing, the answer is 403 with a challenge that names all
//!   of them, so that the client can ask for a better token. Nobody is asked to get a scope that
//!   would not help (no role, another condition, a matching deny rule) or that is not among the
//!   `grantable_scopes`: that is a plain denial.
//! * **Lists show what can be called**, at once or after getting a scope, with *some* arguments.
//!   What a rule denies whatever the arguments, or no rule allows, is not in the list.
//! * **Groups may be unknown**: some issuers leave them out of the token when there are too many.
//!   Then no role is given by group, and a deny rule for a role that a group could give applies.
//! * **A denial looks like a target that does not exist**, unless the rule says `explain` or
//!   `tool_result`: the deny rule that matched, or else the first rule that allows the target to
//!   somebody. Its `explanation` goes along. Callers who have not signed in are never told more.
//! * Messages of the protocol itself are not for rules: `initialize`, `ping`, `server/discover`,
//!   notifications, streams, session ends and list requests pass for every caller (lists are
//!   filtered). `logging/setLevel` passes for signed-in ones, unless a rule allows it: then it is
//!   for those whom a rule allows it. A completion needs the right to what it completes, a
//!   legacy subscription the right to read the resource; of a modern one, the resources that its caller
//!   may not read are left out.
//! * **To call a tool as a task** takes the right to call it, and the method `tasks/create` where rules name
//!   it: a deny rule that names it denies that alone, and once an allow rule names it, only rules that name
//!   it allow it. A call of 2025-11-25 that asks for a task is then refused, as by a server without tasks;
//!   of 2026-07-28, where the server chooses, the call runs and the server is not told that its client knows
//!   tasks (R-216). Lists agree: who may not call a tool as a task reads `forbidden` as its
//!   `execution.taskSupport`, and does not see one that runs in no other way.
//!
//! # Conditions
//!
//! **Arguments** are named, or pointed to by a JSON Pointer (`/to/iban`). Prefer rules that allow
//! what is known to be good: servers may read one value in several ways (other letter case, a path
//! with `..`, `"1"` for `1`), and a rule that denies by value can only name some of them. For paths
//! there is `under`, for lists `each`. Where an argument's name stands in another letter case too or with a NUL, or
//! `__proto__` stands beside it, nobody can say what the server will take. To require a scope for some
//! values only, write one rule for these values with the scope, and one for the others without.
//!
//! **Annotations** such as `readOnlyHint` are a server's word about its own tools. They give access
//! to nobody unless the policy says `trust_annotations` of that server, or states the annotations
//! itself. A trusted server's tool is known once a list with it has passed through this gate; the
//! gate must have the server's name ([`RbacLayer::server`]).
//!
//! **Agents** are programs that act for people, known by their client id or as the current actor
//! in a token (`act`). `through: direct` is a call without one, `through: agent` with any,
//! `through: [travel-bot]` with that one. A rule without `through` does not ask: to keep agents out,
//! say `direct`. To let an agent act for some people only, name the agent and their roles in
//! one rule.
//!
//! **Networks** are where a request comes from: `networks: [10.1.0.0/16, "2001:db8::/32"]`. A gate knows it
//! when it is told how (`source_address` in the builder of `portcullis` and in its edge layer): from
//! the connection, or from a proxy of yours, never from what a caller says.
//!
//! **Times** are parts of the week in a named time zone (`when`), and moments between which the rule
//! is of effect (`valid`).
//!
//! # Patterns
//!
//! Names of tools and prompts are exact and case-sensitive. `*` stands for any text, also for none,
//! and stops at nothing: `get_*`, `*_draft`, `notes.*.read`. A name with control characters,
//! invisible or direction-changing characters, or a backslash, or of more than 1024 bytes, matches no
//! pattern; only a rule that spells it out means it (R-034).
//!
//! In URIs of resources, `*` stands for any text without `/`, and `**`, between slashes or at the
//! end after one, for any number of segments: `note:///**`, `https://*.example.com/a/*/b`. A pattern
//! that allows must start with a scheme; a deny rule may say `**` alone. A template is allowed by
//! spelling it out, or by a pattern that matches it as text; its instances are judged on their own
//! (R-207).
//!
//! Servers read URIs in different ways, so a URI must be allowed both as sent and in normal form
//! (RFC 3986 §6.2.2), and is denied if either is, or the normal form without query and trailing
//! slash (R-206). Always denied: dot segments however they are written, backslashes, encoded
//! separators and control characters, double and broken encoding, and a template in place of a URI. Denied
//! unless spelled out: user information, fragments, empty segments, characters outside RFC 3986.
//!
//! A deny rule about a resource also denies what a server may take for it: with characters
//! percent-encoded or not, with parameters in segments (`a;v=1`), on another host where the scheme is
//! `file`, on a host with a dot at its end. Other ways in which a server's names may be one are for its
//! deny rules to spell out: letter case, forms of Unicode, links. Prefer rules that allow what is known.
//!
//! # A policy file
//!
#![cfg_attr(feature = "yaml", doc = "```")]
#![cfg_attr(not(feature = "yaml"), doc = "```ignore")]
//! let policy = portcullis_rbac::Policy::from_yaml(r#"
//! name: notes                       # stands before the digest in records (optional)
//! groups:                           # names for the issuer's ids (optional)
//!   staff: 0b2e6b5e-6f0c-4f0e-9a52-3b1f4f3f0c11
//!   it-admins: [7d8c1a34-1c7b-4f0a-8c2e-0a9f5d1f2b33]
//! agents:                           # programs that act for people (optional)
//!   travel-bot: { clients: [travel-agent] }
//! roles:                            # who: any one of these
//!   reader: { groups: [staff], from: { issuers: ["https://id.example"] } }
//!   admin:  { groups: [it-admins], scopes: ["mcp:admin"], roles: [Admin], clients: [console] }
//!   buyer:  { claims: { department: [purchasing, sales] } }
//!   public: { anonymous: true }
//! scope_hierarchy:                  # a token with the first has the others too (optional)
//!   "notes:write": ["notes:read"]
//! rules:
//!   - id: read-notes                # recorded with every decision
//!     allow: { tools: [list_notes, "get_*"], prompts: [summarize], resources: ["note:///**"] }
//!     roles: [reader, admin]
//!     requires_scopes: ["notes:read"]
//!   - id: search
//!     allow: { tools: [search] }
//!     roles: [public]
//!     everyone: true                # every signed-in caller as well
//!   - id: buy-a-little
//!     description: Agents book for buyers, up to 500 euros, while somebody is in.
//!     allow: { tools: [book_trip] }
//!     roles: [buyer]
//!     through: [travel-bot]
//!     networks: [10.1.0.0/16]       # where the agent runs
//!     arguments:
//!       price: { max: 500 }
//!       currency: { in: [EUR] }
//!     when: { time_zone: Europe/Berlin, days: mon-fri, hours: "08:00-18:00" }
//!     denial: tool_result           # or hide (the default), or explain
//!     explanation: Trips over 500 euros, and at night, are for people to book.
//!   - id: never-purge
//!     deny: { tools: ["purge_*"] }
//!     everyone: true
//! "#)?;
//! assert!(policy.version().as_str().starts_with("notes@"));
//! assert!(policy.warnings().is_empty());
//! # use portcullis_rbac::Authorizer as _;
//! # Ok::<_, portcullis_rbac::ConfigError>(())
//! ```
//!
//! TOML has the same keys. `policy.schema.json` in this crate's folder is the JSON Schema of both.
//!
//! Everything is checked when the policy is built, and an error names the line and column: unknown
//! keys and names, rules about nothing or nobody, roles nobody can have, ids used twice, patterns
//! that cannot match, conditions that nothing can meet, limits that name nothing (`networks: []`), scopes
//! that a challenge cannot name. [`Policy::warnings`] tells what is legal and probably not meant: a rule that
//! others deny altogether, whose limits another rule lifts, or whose time is over. [`Policy::version`](Authorizer::version) is the name and the
//! start of [`Policy::digest`]: the same policy has the same version on every replica.
//!
//! # A policy that changes
//!
//! `PolicyFile` reads a file and, spawned as a task, watches it: by looking, so that links which
//! Kubernetes swaps and files on a network are found as well. A new version is read and checked
//! aside and put in force for all requests at once. A file that cannot be used changes nothing: it
//! is logged, and `Reloading::status` says so to health checks. A listener hears of each change,
//! with who gains and loses what ([`Changes`]).
//!
//! # Asking why
//!
//! [`Policy::explain`] says what every rule about a target has to say, and what gave the caller its
//! roles; [`Policy::visible`] what a role may use; [`Policy::changes_to`] what another policy would
//! change. All three are for people who write policies; so is the program `portcullis`, which asks them
//! (`cargo install portcullis-cli`). [`Policy::outline`] is for programs that show a policy.
//!
//! # What it refuses by default
//! Everything that no rule allows; every message whose decision should be on record and is not
//! (503); and, with 500, every request that comes without a [`Caller`](portcullis_core::Caller) or
//! a [`McpMessage`](portcullis_core::McpMessage).
//!
//! What a `subscriptions/listen` asks for and may not read is left out of what is forwarded (R-209).
//!
//! In a 2025-03-26 batch each element is decided and recorded on its own. Refused requests are left
//! out of what is forwarded, and their answers travel in the
//! [`Permit`](portcullis_core::Permit::refused) for inspection to merge. If no request is left, the
//! answer is made here, and notifications beside the refused requests are dropped with them. If one
//! element needs a scope, nothing executes: one challenge asks for the scopes of all.
//!
//! # What it does not do
//! It verifies no token and rewrites no answer. Whose a task is, inspection finds out: here it needs the
//! right to call the tool that it runs. It does not know what a server does with a name: a server that trims names or ignores their case must be called with exact rules. It cannot
//! hide how long a denial takes.
//!
//! # Where to put it
//! Innermost, right around the MCP service: inside `portcullis-mcp`, which reads the message and
//! filters the answer, and inside a sign-in layer and `portcullis-audit`. The `portcullis` crate
//! does this for you.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod agent;
mod argument;
mod authorizer;
mod batch;
mod bits;
mod builder;
mod check;
mod condition;
mod decision;
mod define;

mod denials;
mod describe;
mod digest;
mod docket;
mod error;
mod explain;
#[cfg(feature = "file")]
mod file;
mod future;
mod gate;
mod grantable;
mod index;
mod intern;
mod judge;
#[cfg(feature = "reload")]
mod kept;
mod kind;
mod layer;
mod name;
mod offers;
mod outline;
mod pattern;
mod policy;
mod query;
mod reduce;
#[cfg(all(feature = "reload", feature = "file"))]
mod reload;
mod role;
mod rule;
mod seen;
mod server;
mod service;
mod settle;
mod standing;
mod stars;
mod tables;
mod together;
mod truth;
mod uri;
mod view;
mod warning;
mod who;
mod window;

pub use access::{Access, AccessChange, Audience, Changes, Direction, Grant};
pub use agent::Agent;
pub use argument::Argument;
pub use authorizer::{Answer, Authorizer, Never};
pub use builder::PolicyBuilder;
pub use decision::{Decision, DenialStyle};
pub use error::ConfigError;
pub use explain::{ConditionReport, Explanation, RoleHeld, RuleOutcome, RuleReport};
pub use future::ResponseFuture;
pub use grantable::{Grantable, Later};
#[cfg(feature = "reload")]
pub use kept::{Kept, KeptEvent, KeptFile, KeptStatus};
pub use layer::RbacLayer;
pub use outline::{Outline, RoleOutline, RuleOutline};
pub use policy::Policy;
pub use query::Query;
#[cfg(all(feature = "reload", feature = "file"))]
pub use reload::{PolicyEvent, PolicyFile, PolicyStatus, Reloading};
pub use role::Role;
pub use rule::Rule;
pub use server::Server;
pub use service::Rbac;
pub use standing::Standing;
pub use together::Together;
pub use warning::Warning;
pub use window::Window;
