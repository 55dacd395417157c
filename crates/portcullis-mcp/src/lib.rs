//! Strict inspection of MCP traffic.

mod chars;
mod json;
