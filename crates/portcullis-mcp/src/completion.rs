//! Values that a server proposes for the variable of a resource template, and where they lead
//! (requirements 2.5).

use std::borrow::Cow;

use portcullis_core::TargetKind;

use crate::filter::skip;
use crate::json::{JsonLimits, Kind, Scanner};
use crate::task;
use crate::violation::Violation;

/// What is completed.
#[derive(Debug)]
pub(crate) struct Completion {
    template: String,
    variable: String,
    /// Variables that have their value already.
    known: Vec<(String, String)>,
}

impl Completion {
    /// What `request`, a `completion/complete`, wants to know; `None` when it is not about a template.
    /// Inspection has read these bytes before.
    pub(crate) fn of(request: &[u8], limits: JsonLimits) -> Option<Self> {
        let text = |path: &[&str]| task::find(request, path, limits).ok()?.map(|(_, text)| text);
        if text(&["params", "ref", "type"])? != "ref/resource" {
            return None;
        }
        let template = text(&["params", "ref", "uri"])?;
        // Without a name no value leads anywhere.
        let variable = text(&["params", "argument", "name"]).unwrap_or_default();
        let known = known(request, limits).unwrap_or_default();
        Some(Self { template, variable, known })
    }

    /// Where `value` leads: to a resource, or to what is still a template. `None` where that cannot be
    /// said.
    pub(crate) fn with(&self, value: &str) -> Option<(TargetKind, String)> {
        let mut out = String::with_capacity(self.template.len() + value.len());
        let mut kind = TargetKind::Resource;
        let mut used = false;
        let mut rest = self.template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (expression, after) = after.split_once('}')?;
            rest = after;
            out.push_str(before);
            let (name, reserved) = match expression.strip_prefix('+') {
                Some(name) => (name, true),
                None => (expression, false),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return None;
            }
            let known = || self.known.iter().find(|(known, _)| known == name);
            let value = if name == self.variable {
                used = true;
                Some(value)
            } else {
                known().map(|(_, value)| value.as_str())
            };
            match value {
                Some(value) if reserved => out.push_str(value),
                Some(value) => out.push_str(&escaped(value)),
                None => {
                    kind = TargetKind::ResourceTemplate;
                    out.push('{');
                    out.push_str(expression);
                    out.push('}');
                }
            }
        }
        out.push_str(rest);
        used.then_some((kind, out))
    }
}

/// The arguments in `params.context`.
fn known(request: &[u8], limits: JsonLimits) -> Result<Vec<(String, String)>, Violation> {
    let mut known = Vec::new();
    let path = ["params", "context", "arguments"];
    let Some(range) = task::object(request, &path, limits)? else { return Ok(known) };
    let mut scanner = Scanner::new(request.get(range).unwrap_or_default(), limits)?;
    scanner.object(|scanner, name| {
        if scanner.peek()? != Kind::String {
            return skip(scanner);
        }
        let value = scanner.string()?.decoded().into_owned();
        known.push((name.decoded().into_owned(), value));
        Ok::<_, Violation>(())
    })?;
    Ok(known)
}

/// As RFC 6570 fills it in: all but unreserved characters are escaped.
fn escaped(value: &str) -> Cow<'_, str> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if value.bytes().all(unreserved) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use TargetKind::{Resource, ResourceTemplate};

    use super::*;

    fn completion(template: &str, variable: &str, known: &str) -> Option<Completion> {
        let request = format!(
            r#"{{"params":{{"ref":{{"type":"ref/resource","uri":"{template}"}},"argument":{{"name":"{variable}","value":""}},"context":{{"arguments":{known}}}}}}}"#
        );
        Completion::of(request.as_bytes(), JsonLimits { depth: 8, values: 100 })
    }

    #[test]
    fn where_values_lead() {
        let rows = [
            ("file:///{path}", "path", "{}", "a.txt", Some((Resource, "file:///a.txt"))),
            ("file:///{path}", "path", "{}", "a/b c", Some((Resource, "file:///a%2Fb%20c"))),
            ("file:///{+path}/x", "path", "{}", "a/b", Some((Resource, "file:///a/b/x"))),
            ("f:///{a}/{b}", "b", r#"{"a":"1"}"#, "2", Some((Resource, "f:///1/2"))),
            ("f:///{a}/{b}", "b", "{}", "2", Some((ResourceTemplate, "f:///{a}/2"))),
            ("f:///{a}/{b}", "b", r#"{"a":1}"#, "2", Some((ResourceTemplate, "f:///{a}/2"))),
            ("f:///{a}{a}", "a", "{}", "2", Some((Resource, "f:///22"))),
            ("f:///{a}", "b", "{}", "2", None),
            ("f:///{?a}", "a", "{}", "2", None),
            ("f:///{a*}", "a", "{}", "2", None),
            ("f:///{a,b}", "a", "{}", "2", None),
            ("f:///{a", "a", "{}", "2", None),
            ("f:///{}", "", "{}", "2", None),
        ];
        for (template, variable, known, value, expected) in rows {
            let leads = completion(template, variable, known).unwrap().with(value);
            let leads = leads.as_ref().map(|(kind, uri)| (*kind, uri.as_str()));
            assert_eq!(leads, expected, "{template} {known}");
        }
    }

    #[test]
    fn prompts_have_no_templates() {
        let request = br#"{"params":{"ref":{"type":"ref/prompt","name":"p"}}}"#;
        assert!(Completion::of(request, JsonLimits { depth: 8, values: 100 }).is_none());
    }
}
