//! Checks a rule on its own and makes it ready to apply.

use std::collections::HashMap;

use portcullis_core::{Challenge, Text};

use crate::bits::Bits;
use crate::judge::Law;
use crate::rule::{Effect, Word};
use crate::who::{ANONYMOUS, FIRST, SIGNED_IN};
use crate::{ConfigError, DenialStyle, Rule};

/// Checks a rule on its own.
pub(crate) fn law(
    rule: &Rule,
    role_bits: &HashMap<&str, usize>,
    wanted: &[String],
) -> Result<Law, ConfigError> {
    let id = &rule.id.text;
    let fail = |message: String| Err(ConfigError::new(message));
    if rule.tools.is_empty() && rule.prompts.is_empty() && rule.resources.is_empty() {
        return fail(format!("rule {id} names no tools, prompts or resources"));
    }
    if rule.roles.is_empty() && !rule.everyone {
        return fail(format!("rule {id} applies to nobody: give it roles or everyone"));
    }
    if rule.effect == Effect::Deny && !rule.requires_scopes.is_empty() {
        return fail(format!("rule {id} denies, so it cannot require scopes"));
    }
    if rule.denial == Some(DenialStyle::ToolResult)
        && !(rule.prompts.is_empty() && rule.resources.is_empty())
    {
        return fail(format!(
            "rule {id} is not about tools alone, so it cannot deny by a tool result"
        ));
    }
    let mut roles = Bits::new(FIRST + role_bits.len());
    for Word { text, place } in &rule.roles {
        let Some(bit) = role_bits.get(text.as_str()) else {
            let message = format!("rule {id} names the unknown role {text}");
            return Err(ConfigError::new(message).at(*place));
        };
        roles.insert(*bit);
    }
    if rule.everyone {
        roles.insert(SIGNED_IN);
        // Whoever must not do it signed in must not do it otherwise either.
        if rule.effect == Effect::Deny {
            roles.insert(ANONYMOUS);
        }
    }
    let mut scopes = Bits::new(wanted.len());
    let mut scope_names: Vec<String> = Vec::new();
    for Word { text, place } in &rule.requires_scopes {
        Challenge::check_scope(text)
            .map_err(|error| ConfigError::new(format!("rule {id}: {error}")).at(*place))?;
        if let Some(bit) = wanted.iter().position(|scope| scope == text) {
            scopes.insert(bit);
        }
        if !scope_names.contains(text) {
            scope_names.push(text.clone());
        }
    }
    Ok(Law {
        id: Text::from(id.as_str()),
        effect: rule.effect,
        roles,
        scopes,
        scope_names,
        denial: rule.denial,
    })
}

/// What goes into records is short and visible.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.len() > 128 || text.chars().any(char::is_control) {
        return Err(format!("{what} is longer than 128 bytes or has control characters"));
    }
    Ok(())
}
