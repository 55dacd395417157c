//! The version of a policy.

use portcullis_core::Text;
use portcullis_crypto::sha256;
use serde_json::json;

use crate::rule::{Effect, Word};
use crate::{DenialStyle, PolicyBuilder};

/// The name, and the start of a digest of everything that can change a decision or a record.
pub(crate) fn version(policy: &PolicyBuilder) -> Text {
    let texts =
        |words: &[Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<String>>();
    // Arrays only: the order of an object's members depends on a feature of serde_json.
    let roles: Vec<_> = policy
        .roles
        .iter()
        .map(|r| json!([r.name, r.groups, r.scopes, r.roles, r.clients, r.anonymous]))
        .collect();
    let rules: Vec<_> = policy
        .rules
        .iter()
        .map(|r| {
            let denial = r.denial.map(|style| match style {
                DenialStyle::Hide => "hide",
                DenialStyle::Explain => "explain",
                DenialStyle::ToolResult => "tool_result",
            });
            json!([
                r.id.text,
                r.effect == Effect::Allow,
                texts(&r.tools),
                texts(&r.prompts),
                texts(&r.resources),
                texts(&r.roles),
                r.everyone,
                texts(&r.requires_scopes),
                denial,
            ])
        })
        .collect();
    let implied: Vec<_> =
        policy.implied.iter().map(|(scope, others)| json!([scope.text, texts(others)])).collect();
    let content = json!(["portcullis policy 1", roles, rules, implied]).to_string();
    let digest = sha256(content.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Text::from(match &policy.name {
        Some(name) => format!("{name}@{hex}"),
        None => hex,
    })
}
