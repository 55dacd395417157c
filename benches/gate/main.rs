//! The whole gate in process, and its parts: inspection, lists, decisions, audit.
//!
//! ```sh
//! cargo bench --bench gate
//! cargo bench --bench gate -- decision --rounds 101
//! ```
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench"
)]

mod audit;
mod corpus;
mod decision;
mod inspection;
mod lists;
mod rmcp;
mod serve;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "telemetry")]
mod watched;
mod whole;

use support::Bench;

fn main() {
    // Layers may arm timers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let bench = Bench::from_args();
    bench.group("whole gate", whole::one_by_one);
    bench.group("whole gate, 64 at once", whole::together);
    bench.group("metadata and refusals", whole::own_answers);
    bench.group("in front of rmcp", rmcp::in_front);
    bench.group("inspection, 300 bytes", inspection::small);
    bench.group("inspection, 64 KB nested", inspection::nested);
    bench.group("inspection, 64 KB of text", inspection::text);
    for tools in [10, 100, 1_000, 10_000] {
        bench.group(&format!("tools list of {tools}"), |group| lists::tools(group, tools));
    }
    let most = if bench.is_smoke() { 1_000 } else { 100_000 };
    for rules in [10, 1_000, most] {
        bench.group(&format!("decision by {rules} rules"), |group| decision::by(group, rules));
    }
    bench.group("audit, request", audit::request);
    bench.group("audit, writer", audit::writer);
    bench.group("audit, on disk", audit::on_disk);
    #[cfg(feature = "telemetry")]
    bench.group("telemetry, request", watched::request);
}
