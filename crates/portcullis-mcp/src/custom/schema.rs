//! `x-mcp-header` in the `inputSchema` of a tool (R-057).

use std::fmt;

use http::HeaderName;

use crate::json::{JsonError, JsonLimits, Kind, Scanner};

const KEYWORD: &str = "x-mcp-header";
/// As many fields as a request may have by default.
const MAX_PARAMS: usize = 100;

/// A parameter that a header repeats.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Param {
    pub(super) header: HeaderName,
    /// The names that lead to it in `arguments`.
    pub(super) path: Vec<String>,
    pub(super) kind: ParamKind,
}

impl Param {
    /// About how much memory it takes.
    pub(super) fn cost(&self) -> usize {
        let path = self.path.iter().map(|name| name.len() + size_of::<String>()).sum::<usize>();
        size_of::<Self>() + self.header.as_str().len() + path
    }
}

/// The types of parameters that headers can repeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ParamKind {
    String,
    Integer,
    Boolean,
}

/// Why the declarations of a tool cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Invalid {
    Schema,
    Name,
    Repeated,
    Type,
    Unreachable,
    TooMany,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "the schema cannot be read",
            Self::Name => "the name of the header is not an HTTP token",
            Self::Repeated => "two parameters have the same header",
            Self::Type => "the parameter is not a string, an integer or a boolean",
            Self::Unreachable => "the parameter is not reached through properties alone",
            Self::TooMany => "more headers than a request may have",
        })
    }
}

/// The parameters of `schema` that headers repeat.
pub(crate) fn params(schema: &[u8], limits: JsonLimits) -> Result<Vec<Param>, Invalid> {
    // Nearly no schema has any. With an escape in it, only reading says so.
    let find = |what: &str| memchr::memmem::find(schema, what.as_bytes()).is_some();
    if !find(KEYWORD) && !find("\\u") {
        return Ok(Vec::new());
    }
    let mut search = Search { path: Vec::new(), found: Vec::new(), invalid: None };
    Scanner::new(schema, limits)
        .and_then(|mut scanner| search.schema(&mut scanner, true))
        .map_err(|_| Invalid::Schema)?;
    search.invalid.map_or(Ok(search.found), Err)
}

struct Search {
    path: Vec<String>,
    found: Vec<Param>,
    invalid: Option<Invalid>,
}

impl Search {
    /// Reads a schema; `plain` when only `properties` led to it.
    fn schema(&mut self, scanner: &mut Scanner<'_>, plain: bool) -> Result<(), JsonError> {
        match scanner.peek()? {
            Kind::Object => {}
            Kind::Array => return scanner.array(|scanner| self.schema(scanner, false)),
            _ => return scanner.pass(),
        }
        let mut header = None;
        let mut kind = None;
        scanner.object(|scanner, name| {
            let name = name.decoded();
            match (&*name, scanner.peek()?) {
                (KEYWORD, Kind::String) => header = Some(scanner.string()?.decoded()),
                (KEYWORD, _) => {
                    self.invalid.get_or_insert(Invalid::Name);
                    scanner.pass()?;
                }
                ("type", Kind::String) => {
                    kind = match &*scanner.string()?.decoded() {
                        "string" => Some(ParamKind::String),
                        "integer" => Some(ParamKind::Integer),
                        "boolean" => Some(ParamKind::Boolean),
                        _ => None,
                    };
                }
                // Here names lead to schemas.
                (
                    "properties" | "$defs" | "definitions" | "patternProperties"
                    | "dependentSchemas",
                    Kind::Object,
                ) => scanner.object(|scanner, property| {
                    self.path.push(property.decoded().into_owned());
                    let read = self.schema(scanner, plain && name == "properties");
                    self.path.pop();
                    read
                })?,
                // These hold values and no schemas.
                ("default" | "const" | "enum" | "examples", _) => scanner.pass()?,
                _ => self.schema(scanner, false)?,
            }
            Ok::<_, JsonError>(())
        })?;
        if let Some(header) = header
            && let Err(invalid) = self.declare(&header, kind, plain)
        {
            self.invalid.get_or_insert(invalid);
        }
        Ok(())
    }

    fn declare(
        &mut self,
        header: &str,
        kind: Option<ParamKind>,
        plain: bool,
    ) -> Result<(), Invalid> {
        // Whatever it says, it is a header of MCP's own (X-119).
        let name = format!("mcp-param-{header}");
        let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| !header.is_empty());
        let header = header.ok_or(Invalid::Name)?;
        if !plain || self.path.is_empty() {
            return Err(Invalid::Unreachable);
        }
        let kind = kind.ok_or(Invalid::Type)?;
        if self.found.iter().any(|found| found.header == header) {
            return Err(Invalid::Repeated);
        }
        if self.found.len() >= MAX_PARAMS {
            return Err(Invalid::TooMany);
        }
        self.found.push(Param { header, path: self.path.clone(), kind });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(schema: &str) -> Result<Vec<Param>, Invalid> {
        params(schema.as_bytes(), JsonLimits { depth: 64, values: 10_000 })
    }

    fn of(properties: Value) -> Result<Vec<Param>, Invalid> {
        let schema = [("type".to_owned(), json!("object")), ("properties".to_owned(), properties)];
        read(&Value::from_iter(schema).to_string())
    }

    fn param(header: &'static str, path: &[&str], kind: ParamKind) -> Param {
        let header = HeaderName::from_static(header);
        Param { header, path: path.iter().map(|&name| name.to_owned()).collect(), kind }
    }

    #[test]
    fn declarations() {
        let found = of(json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "plain": { "type": "number" },
            "deep": { "type": "object", "properties": {
                "count": { "x-mcp-header": "Authorization", "type": "integer" },
            } },
            "dry": { "type": "boolean", "x-mcp-header": "X-Dry.Run" },
        }));
        let expected = [
            param("mcp-param-region", &["region"], ParamKind::String),
            param("mcp-param-authorization", &["deep", "count"], ParamKind::Integer),
            param("mcp-param-x-dry.run", &["dry"], ParamKind::Boolean),
        ];
        let mut found = found.unwrap();
        found.sort_by_key(|param| expected.iter().position(|expected| expected == param));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_escaped_keyword_is_the_keyword() {
        let schema = r#"{"properties":{"a":{"type":"string","x\u002dmcp-header":"A"}}}"#;
        assert_eq!(read(schema).unwrap(), [param("mcp-param-a", &["a"], ParamKind::String)]);
    }

    #[test]
    fn what_looks_like_one_and_is_none() {
        let rows = [
            ("a property of that name", json!({ "x-mcp-header": { "type": "string" } })),
            ("a default", json!({ "a": { "default": { "x-mcp-header": "A" } } })),
            ("an enum", json!({ "a": { "enum": [{ "x-mcp-header": "A" }] } })),
            ("text", json!({ "a": { "description": "x-mcp-header" } })),
        ];
        for (name, properties) in rows {
            assert_eq!(of(properties), Ok(Vec::new()), "{name}");
        }
    }

    /// R-057, X-119.
    #[test]
    fn invalid_declarations() {
        let named = |header: &str| json!({ "a": { "type": "string", "x-mcp-header": header } });
        let typed = |kind: Value| json!({ "a": { "type": kind, "x-mcp-header": "A" } });
        let header = json!({ "type": "string", "x-mcp-header": "A" });
        let rows = [
            ("empty", named(""), Invalid::Name),
            ("space", named("a b"), Invalid::Name),
            ("line end", named("a\r\nb"), Invalid::Name),
            ("colon", named("a:b"), Invalid::Name),
            ("not ASCII", named("ä"), Invalid::Name),
            ("not a string", json!({ "a": { "x-mcp-header": 1 } }), Invalid::Name),
            ("number", typed(json!("number")), Invalid::Type),
            ("object", typed(json!("object")), Invalid::Type),
            ("array", typed(json!("array")), Invalid::Type),
            ("null", typed(json!("null")), Invalid::Type),
            ("several types", typed(json!(["string", "null"])), Invalid::Type),
            ("no type", json!({ "a": { "x-mcp-header": "A" } }), Invalid::Type),
            (
                "twice",
                json!({ "a": header, "b": { "type": "string", "x-mcp-header": "a" } }),
                Invalid::Repeated,
            ),
            ("items", json!({ "a": { "items": header } }), Invalid::Unreachable),
            ("prefixItems", json!({ "a": { "prefixItems": [header] } }), Invalid::Unreachable),
            ("anyOf", json!({ "a": { "anyOf": [header] } }), Invalid::Unreachable),
            (
                "if",
                json!({ "a": { "if": { "properties": { "b": header } } } }),
                Invalid::Unreachable,
            ),
            ("not", json!({ "a": { "not": header } }), Invalid::Unreachable),
            ("more", json!({ "a": { "additionalProperties": header } }), Invalid::Unreachable),
            ("$defs", json!({ "a": { "$defs": { "default": header } } }), Invalid::Unreachable),
            ("a vendor's", json!({ "a": { "x-more": [[header]] } }), Invalid::Unreachable),
        ];
        for (name, properties, expected) in rows {
            assert_eq!(of(properties), Err(expected), "{name}");
        }
        assert_eq!(read(&header.to_string()), Err(Invalid::Unreachable), "the root");
        let many: serde_json::Map<_, _> = (0..=MAX_PARAMS)
            .map(|n| (n.to_string(), json!({ "type": "string", "x-mcp-header": n.to_string() })))
            .collect();
        assert_eq!(of(Value::Object(many)), Err(Invalid::TooMany));
    }
}
