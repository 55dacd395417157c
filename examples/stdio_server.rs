//! The same server on standard input and output: same policy, same audit trail.
//!
//! ```sh
//! MCP_USER_EMAIL=rita@example.com MCP_USER_GROUPS=staff \
//!     cargo run --example stdio_server --features stdio,audit-file -- audit.jsonl
//! ```
//!
//! A client starts it as a process and sets the variables in its configuration.
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;

use portcullis::forwarded::Environment;
use portcullis::stdio::StdioGate;
use portcullis::{JsonLines, Policy};

const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: staff-read
    roles: [reader]
    allow: { tools: [list_notes, read_note] }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = std::env::args().nth(1).unwrap_or_else(|| "audit.jsonl".to_owned());
    let gate = StdioGate::named(Environment::from_process("urn:example:laptops")?)
        .policy(Policy::from_yaml(POLICY)?)
        .audit(JsonLines::open(records)?)
        .build()?;
    Ok(gate.serve(notes::Notes::service()).await?)
}
