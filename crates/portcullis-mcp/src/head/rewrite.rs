//! The head that is forwarded.

use http::{HeaderMap, header};
use portcullis_core::{Era, McpMessage, Version};

use super::{LAST_EVENT, SESSION};
use crate::inspect::{Inspected, SessionUse};
use crate::lines::Lines;
use crate::mirror::{self, Named};
use crate::respond;

/// Writes into the forwarded head what inspection decided, so that the service behind cannot
/// classify differently, and puts back the session id that it knows.
pub(crate) fn rewrite_head(inspected: &Inspected, headers: &mut HeaderMap) {
    let said = Said::of(headers);
    let length_is_said = respond::says(said.length, inspected.body.len());
    let version_is_said =
        said.version.only().is_some_and(|said| said == inspected.version.as_str());
    let Said { session, resumes, is_chunked, .. } = said;

    let upstream_id = match &inspected.session {
        SessionUse::None | SessionUse::Begins => None,
        SessionUse::Open { upstream_id, .. } | SessionUse::Ends { upstream_id } => {
            http::HeaderValue::from_str(upstream_id).ok()
        }
    };
    match upstream_id {
        Some(upstream_id) => _ = headers.insert(SESSION, upstream_id),
        None if session => _ = headers.remove(SESSION),
        None => {}
    }

    let version = http::HeaderValue::from_static(inspected.version.as_str());
    let header = &mirror::VERSION.name;
    match inspected.version.era() {
        Era::Legacy => {
            let modern: Vec<_> =
                headers.keys().filter(|name| mirror::is_modern(name.as_str())).cloned().collect();
            for name in modern {
                headers.remove(name);
            }
            let negotiating = matches!(inspected.session, SessionUse::Begins);
            if inspected.version == Version::V2025_03_26 || negotiating {
                headers.remove(header);
            } else {
                headers.insert(header.clone(), version);
            }
        }
        _ => {
            if !version_is_said {
                headers.insert(header.clone(), version);
            }
            let task = inspected.task.as_ref();
            if let Some(id) = task.and_then(|task| mirror::encode(&task.upstream_id)) {
                headers.insert(mirror::NAME.name.clone(), id);
            }
        }
    }

    let resumed = inspected.resumes.as_ref().and_then(|id| http::HeaderValue::from_str(id).ok());
    match resumed {
        Some(id) => _ = headers.insert(LAST_EVENT, id),
        None if resumes => _ = headers.remove(LAST_EVENT),
        None => {}
    }
    if is_chunked {
        headers.remove(header::TRANSFER_ENCODING);
    }
    if matches!(inspected.message, McpMessage::NoMessage(_)) {
        headers.remove(header::CONTENT_LENGTH);
    } else if !length_is_said {
        headers.insert(header::CONTENT_LENGTH, inspected.body.len().into());
    }
}

/// Whether a head says of a modern message what is forwarded, and nothing else is to be done to it.
pub(crate) fn fits(inspected: &Inspected, named: Named<'_>) -> bool {
    let version = named.version.only();
    !named.foreign
        && version.is_some_and(|version| version == inspected.version.as_str())
        && respond::says(named.length, inspected.body.len())
        && inspected.session == SessionUse::None
        && inspected.task.is_none()
        && !matches!(inspected.message, McpMessage::NoMessage(_))
}

/// Whether a header of a modern request ends here.
pub(crate) fn is_for_the_gate(name: &str) -> bool {
    matches!(name, "mcp-session-id" | "last-event-id" | "transfer-encoding")
        || is_about_transfer(name)
}

/// Whether a header is about the transfer of a request as it came.
pub(crate) fn is_about_transfer(name: &str) -> bool {
    matches!(
        name,
        "trailer"
            | "te"
            | "expect"
            | "content-encoding"
            | "range"
            | "if-range"
            | "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "if-unmodified-since"
    )
}

/// What one look at the headers shows of what may have to be rewritten.
#[derive(Default)]
struct Said<'h> {
    length: Lines<'h>,
    version: Lines<'h>,
    session: bool,
    resumes: bool,
    is_chunked: bool,
}

impl<'h> Said<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-length" => said.length.add(value),
                "mcp-protocol-version" => said.version.add(value),
                "mcp-session-id" => said.session = true,
                "last-event-id" => said.resumes = true,
                "transfer-encoding" => said.is_chunked = true,
                _ => {}
            }
        }
        said
    }
}
