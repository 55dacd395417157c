//! Lists that a server gave, from files.

use std::path::Path;

use portcullis_core::{TargetKind, ToolHints};
use serde_json::Value;

use crate::input;
use crate::problem::Problem;

/// What a server has, as far as a file says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    /// The result of `tools/list`, as JSON, for the gate to see.
    pub(crate) result: Value,
    pub(crate) items: Vec<Item>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: TargetKind,
    pub(crate) name: String,
    pub(crate) hints: ToolHints,
}

impl Lists {
    /// Reads the answer to `tools/list`, its `result`, or the list alone. Prompts, resources and
    /// resource templates may stand beside the tools.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let fail = |message: &str| Problem::new(message).in_file(input::name(path));
        let text = input::text(path)?;
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            fail("is not JSON").at(Some(error.line() as u64), Some(error.column() as u64))
        })?;
        let result = match value {
            Value::Array(tools) => serde_json::json!({ "tools": tools }),
            Value::Object(mut answer) if answer.contains_key("result") => {
                answer.remove("result").unwrap_or_default()
            }
            other => other,
        };
        let members = [
            ("tools", TargetKind::Tool, "name"),
            ("prompts", TargetKind::Prompt, "name"),
            ("resources", TargetKind::Resource, "uri"),
            ("resourceTemplates", TargetKind::ResourceTemplate, "uriTemplate"),
        ];
        let mut items = Vec::new();
        let mut found = false;
        for (member, kind, name) in members {
            let Some(list) = result.get(member) else { continue };
            found = true;
            for item in list.as_array().ok_or_else(|| fail("has a list that is no array"))? {
                let named = item.get(name).and_then(Value::as_str);
                let named = named.ok_or_else(|| fail(&format!("has {member} without a {name}")))?;
                items.push(Item { kind, name: named.to_owned(), hints: hints(item) });
            }
        }
        if !found {
            return Err(fail("is not the answer to tools/list: it has no tools"));
        }
        Ok(Self { result, items })
    }

    /// What the server says about a tool.
    pub(crate) fn hints(&self, kind: TargetKind, name: &str) -> Option<ToolHints> {
        let tool =
            |item: &&Item| kind == TargetKind::Tool && item.kind == kind && item.name == name;
        self.items.iter().find(tool).map(|item| item.hints)
    }
}

fn hints(tool: &Value) -> ToolHints {
    let hint = |name| tool.pointer(&format!("/annotations/{name}")).and_then(Value::as_bool);
    let mut hints = ToolHints::default();
    hints.read_only = hint("readOnlyHint");
    hints.destructive = hint("destructiveHint");
    hints.idempotent = hint("idempotentHint");
    hints.open_world = hint("openWorldHint");
    hints
}
