//! One trail for all servers.

use portcullis::settings::{Problem, Sources};
use portcullis::{AuditLayer, TracingSink};
use portcullis_serve::Remote;

use crate::config::Config;

/// Opens the sinks of the file.
pub fn open(config: &Config, sources: &Sources) -> Result<AuditLayer, Problem> {
    check(config, sources)?;
    let builder = AuditLayer::builder().peer(Remote::address_of).lifecycle_events();
    let Some(audit) = &config.audit else {
        return builder.sink(TracingSink::new()).build().map_err(|error| Problem::of(&error));
    };
    let builder = audit.sinks.iter().try_fold(builder, |builder, sink| {
        let opened = sink.open(sources).map_err(|problem| problem.at(sink))?;
        Ok(builder.sink(opened))
    })?;
    let builder = if audit.danger_fail_open { builder.danger_fail_open() } else { builder };
    builder.build().map_err(|error| Problem::of(&error).at(audit))
}

/// Whether they could be opened, as far as can be known without writing and without a network.
pub fn check(config: &Config, sources: &Sources) -> Result<(), Problem> {
    let Some(audit) = &config.audit else { return Ok(()) };
    if audit.sinks.is_empty() {
        return Err(Problem::new("there are no sinks").at(audit));
    }
    let mut sinks = audit.sinks.iter();
    sinks.try_for_each(|sink| sink.check(sources).map_err(|problem| problem.at(sink)))
}
