//! Headers that repeat arguments, as the tools of the service behind declare them (R-054, R-055).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use http::HeaderMap;
use portcullis_core::{Denial, McpRequest, Method};

use crate::json::JsonLimits;
use crate::mirror;

mod schema;
mod value;

pub(crate) use schema::{Param, params};

/// The declarations in the tool lists that have passed: what is known of one server.
///
/// A tool that no list named, or that was forgotten, is one whose headers the server checks.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(RwLock<Tools>);

#[derive(Debug, Default)]
struct Tools {
    /// Only those that declare something.
    declared: HashMap<Box<str>, Arc<[Param]>>,
    bytes: usize,
}

// By hand: other settings are another server's.
impl Clone for Catalogue {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Catalogue {
    /// About how much memory the declarations may take.
    const MAX_BYTES: usize = 1 << 20;

    /// Whether no tool is known to declare anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().declared.is_empty()
    }

    /// What `tool` declares.
    fn get(&self, tool: &str) -> Option<Arc<[Param]>> {
        self.read().declared.get(tool).cloned()
    }

    /// Takes over what a list says about one tool.
    pub(crate) fn learn(&self, tool: &str, params: &[Param]) {
        if self.read().declared.get(tool).map_or(&[][..], |known| known) == params {
            return; // The usual case: the same list again.
        }
        let mut tools = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = tools.declared.remove(tool) {
            tools.bytes = tools.bytes.saturating_sub(cost(tool, &old));
        }
        let cost = cost(tool, params);
        if params.is_empty() || cost > Self::MAX_BYTES {
            return;
        }
        if tools.bytes + cost > Self::MAX_BYTES {
            *tools = Tools::default(); // The next list says it all again.
        }
        tools.bytes += cost;
        tools.declared.insert(tool.into(), params.into());
    }

    fn read(&self) -> RwLockReadGuard<'_, Tools> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the `Mcp-Param-…` headers repeat `arguments`, which are no longer those that were sent.
/// `None` when nobody can say which arguments they repeat.
pub(crate) fn follow(
    catalogue: &Catalogue,
    headers: &mut HeaderMap,
    tool: &str,
    arguments: &[u8],
    limits: JsonLimits,
) -> Option<()> {
    let Some(declared) = catalogue.get(tool) else {
        let repeats =
            headers.keys().any(|name| name.as_str().starts_with(mirror::PARAM.name.as_str()));
        return (!repeats).then_some(());
    };
    for param in declared.iter() {
        match value::find(arguments, &param.path, limits).ok()? {
            Some(value) => {
                headers.insert(param.header.clone(), mirror::encode(value.text())?);
            }
            None => {
                headers.remove(&param.header);
            }
        }
    }
    Some(())
}

fn cost(tool: &str, params: &[Param]) -> usize {
    tool.len() + params.iter().map(Param::cost).sum::<usize>()
}

/// Compares the `Mcp-Param-…` headers of a modern request with its arguments. Headers that the tool
/// does not declare are nobody's business here (R-056).
pub(crate) fn check(
    catalogue: &Catalogue,
    headers: &HeaderMap,
    request: &McpRequest,
    limits: JsonLimits,
) -> Result<(), Denial> {
    if request.method() != Method::ToolsCall {
        return Ok(());
    }
    let tool = request.targets().next().filter(|_| !catalogue.is_empty());
    let declared = tool.and_then(|tool| catalogue.get(tool.name()));
    let arguments = request.arguments().map(|arguments| arguments.json().as_ref());
    for param in declared.iter().flat_map(|params| params.iter()) {
        let mismatch = |what| Denial::header_mismatch(Some(request.id()), what);
        let value = value::find(arguments.unwrap_or(b"{}"), &param.path, limits)
            .map_err(|_| mismatch(mirror::PARAM.mismatch))?;
        // A header without an argument feeds no policy: it is left to the server.
        let Some(value) = value else { continue };
        let header = headers.get(&param.header).ok_or_else(|| mismatch(mirror::PARAM.missing))?;
        let header = mirror::decode(header).ok_or_else(|| mismatch(mirror::PARAM.invalid))?;
        if !value::agree(param.kind, &value, &header) {
            return Err(mismatch(mirror::PARAM.mismatch));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits { depth: 64, values: 1000 };

    fn declared(header: &str) -> Vec<Param> {
        let schema =
            format!(r#"{{"properties":{{"p":{{"type":"string","x-mcp-header":"{header}"}}}}}}"#);
        params(schema.as_bytes(), LIMITS).unwrap()
    }

    #[test]
    fn the_last_list_counts() {
        let catalogue = Catalogue::default();
        catalogue.learn("plain", &[]);
        assert!(catalogue.is_empty());
        catalogue.learn("t", &declared("One"));
        catalogue.learn("t", &declared("Two"));
        assert_eq!(catalogue.get("t").as_deref(), Some(&*declared("Two")));
        assert!(catalogue.clone().is_empty(), "what one server declares says nothing of another");
        catalogue.learn("t", &[]);
        assert!(catalogue.is_empty());
        assert_eq!(catalogue.read().bytes, 0);
    }

    #[test]
    fn memory_is_bounded() {
        let catalogue = Catalogue::default();
        for tool in 0..20_000 {
            catalogue.learn(&tool.to_string(), &declared("Region"));
            assert!(catalogue.read().bytes <= Catalogue::MAX_BYTES);
        }
        assert!(catalogue.get("19999").is_some(), "the newest is known");
        assert!(catalogue.read().declared.len() < 20_000);
        catalogue.learn(&"x".repeat(Catalogue::MAX_BYTES), &declared("Region"));
        assert!(catalogue.get("19999").is_some(), "one that never fits drives nobody out");
    }
}
