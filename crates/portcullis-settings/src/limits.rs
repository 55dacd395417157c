//! Bounds.

use portcullis_mcp::{Rate, RateLimits};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Problem;

/// Bounds, per server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest request body in bytes; 4 MiB by default.
    pub body_bytes: Option<usize>,
    /// Largest JSON answer in bytes; 16 MiB by default.
    pub response_bytes: Option<usize>,
    /// Requests of one caller at once; 64 by default.
    pub calls_in_flight: Option<u32>,
    /// Streams of one caller at once; 32 by default.
    pub open_streams: Option<u32>,
    /// Calls of one caller in a minute; as many as they like by default.
    pub calls_per_minute: Option<u32>,
}

impl Limits {
    /// Of bodies, and of what is under way at once.
    pub fn bounds(&self) -> portcullis_mcp::Limits {
        let mut bounds = portcullis_mcp::Limits::new();
        if let Some(bytes) = self.body_bytes {
            bounds = bounds.body(bytes);
        }
        if let Some(bytes) = self.response_bytes {
            bounds = bounds.response(bytes);
        }
        if let Some(calls) = self.calls_in_flight {
            bounds = bounds.calls_in_flight(calls);
        }
        if let Some(streams) = self.open_streams {
            bounds = bounds.open_streams(streams);
        }
        bounds
    }

    /// Of calls by the minute, if there is one.
    ///
    /// # Errors
    /// It is zero.
    pub fn rates(&self) -> Result<Option<RateLimits>, Problem> {
        let Some(calls) = self.calls_per_minute else { return Ok(None) };
        let rate = Rate::per_minute(calls).map_err(|error| Problem::of(&error))?;
        Ok(Some(RateLimits::new().per_principal(rate)))
    }
}
