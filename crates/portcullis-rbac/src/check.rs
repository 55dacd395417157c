//! Checks a rule on its own and makes it ready to apply.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use portcullis_core::{Challenge, Method, Network, Text, ToolHints};

use crate::argument::check::Check;
use crate::argument::find::Pointer;
use crate::bits::Bits;
use crate::condition::{Conditions, Right, TASKS_CREATE, Via};
use crate::judge::Law;
use crate::rule::{Effect, Through, Word};
use crate::who::{ANONYMOUS, FIRST, SIGNED_IN};
use crate::window::{self, Hours};
use crate::{ConfigError, DenialStyle, Rule, intern};

/// The longest explanation, in bytes.
const MAX_EXPLANATION: usize = 1024;

/// The names that rules may use, and their numbers.
pub(crate) struct Names<'a> {
    pub(crate) roles: &'a HashMap<&'a str, usize>,
    pub(crate) servers: &'a HashMap<&'a str, usize>,
    pub(crate) agents: &'a HashMap<&'a str, usize>,
    pub(crate) wanted: &'a [String],
}

/// Checks a rule on its own.
pub(crate) fn law(rule: &Rule, names: &Names<'_>) -> Result<Law, ConfigError> {
    let id = &rule.id.text;
    let fail = |message: String| Err(ConfigError::new(message));
    let methods = methods(rule)?;
    let without_targets =
        rule.tools.is_empty() && rule.prompts.is_empty() && rule.resources.is_empty();
    let tools_alone = !without_targets && rule.prompts.is_empty() && rule.resources.is_empty();
    let sets_level = methods.contains(&Right::Use(Method::LoggingSetLevel));
    if without_targets && methods.is_empty() {
        return fail(format!("rule {id} names no tools, prompts, resources or methods"));
    }
    if sets_level && !(without_targets && methods.len() == 1) {
        return fail(format!(
            "rule {id}: logging/setLevel has no target: give it a rule of its own"
        ));
    }
    if without_targets && rule.effect == Effect::Allow && !sets_level {
        return fail(format!(
            "rule {id} allows methods and must say on what: tools, prompts or resources"
        ));
    }
    if rule.roles.is_empty() && !rule.everyone {
        return fail(format!("rule {id} applies to nobody: give it roles or everyone"));
    }
    if rule.effect == Effect::Deny && !rule.requires_scopes.is_empty() {
        return fail(format!("rule {id} denies, so it cannot require scopes"));
    }
    if rule.denial == Some(DenialStyle::ToolResult) && !tools_alone {
        return fail(format!(
            "rule {id} is not about tools alone, so it cannot deny by a tool result"
        ));
    }
    if rule.annotations != ToolHints::default() && !tools_alone {
        return fail(format!("rule {id} has annotations, so it must be about tools alone"));
    }
    if !rule.arguments.is_empty() && (without_targets || !rule.resources.is_empty()) {
        return fail(format!(
            "rule {id} has arguments, so it must be about tools or prompts alone"
        ));
    }
    if let Some(limit) = rule.emptied.first() {
        return fail(format!(
            "rule {id}: its {limit} name nothing: leave them out if there is to be no limit"
        ));
    }
    let explanation = explanation(rule)?;
    let mut scopes = Bits::new(names.wanted.len());
    let mut scope_names: Vec<String> = Vec::new();
    for Word { text, place } in &rule.requires_scopes {
        Challenge::check_scope(text)
            .map_err(|error| ConfigError::new(format!("rule {id}: {error}")).at(*place))?;
        if let Some(bit) = names.wanted.iter().position(|scope| scope == text) {
            scopes.insert(bit);
        }
        if !scope_names.contains(text) {
            scope_names.push(text.clone());
        }
    }
    let conditions = conditions(rule, methods, names)?;
    Ok(Law {
        effect: rule.effect,
        roles: roles(rule, names)?,
        scopes,
        scope_names,
        denial: rule.denial,
        explanation,
        conditions: (!conditions.is_empty()).then(|| Box::new(conditions)),
    })
}

fn roles(rule: &Rule, names: &Names<'_>) -> Result<Bits, ConfigError> {
    let mut roles = Bits::new(FIRST + names.roles.len());
    for word in &rule.roles {
        roles.insert(known(rule, "role", word, names.roles)?);
    }
    if rule.everyone {
        roles.insert(SIGNED_IN);
        // Whoever must not do it signed in must not do it otherwise either.
        if rule.effect == Effect::Deny {
            roles.insert(ANONYMOUS);
        }
    }
    Ok(roles)
}

fn known(
    rule: &Rule,
    what: &str,
    Word { text, place }: &Word,
    names: &HashMap<&str, usize>,
) -> Result<usize, ConfigError> {
    names.get(text.as_str()).copied().ok_or_else(|| {
        let message = format!("rule {} names the unknown {what} {text}", rule.id.text);
        ConfigError::new(message).at(*place)
    })
}

/// The methods that rules can be about: those that use something, `logging/setLevel`, and what is not quite
/// a method, to call a tool as a task.
fn methods(rule: &Rule) -> Result<Vec<Right>, ConfigError> {
    let method = |Word { text, place }: &Word| match Method::parse(text) {
        None if text == TASKS_CREATE => Ok(Right::BeginTask),
        // Subscribing begins and ends with one right.
        Some(Method::ResourcesUnsubscribe) => Ok(Right::Use(Method::ResourcesSubscribe)),
        Some(
            method @ (Method::ToolsCall
            | Method::PromptsGet
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::SubscriptionsListen
            | Method::CompletionComplete
            | Method::LoggingSetLevel),
        ) => Ok(Right::Use(method)),
        _ => {
            let message = format!(
                "rule {}: {text:?} is no method that rules decide about: tools/call, prompts/get, \
                 resources/read, resources/subscribe, subscriptions/listen, completion/complete, \
                 logging/setLevel or tasks/create",
                rule.id.text
            );
            Err(ConfigError::new(message).at(*place))
        }
    };
    rule.methods.iter().map(method).collect()
}

fn explanation(rule: &Rule) -> Result<Option<Text>, ConfigError> {
    let Some(Word { text, place }) = &rule.explanation else { return Ok(None) };
    let fail = |message: String| Err(ConfigError::new(message).at(*place));
    let id = &rule.id.text;
    if text.is_empty() || text.len() > MAX_EXPLANATION {
        return fail(format!("rule {id}: an explanation has 1 to {MAX_EXPLANATION} bytes"));
    }
    if matches!(rule.denial, None | Some(DenialStyle::Hide)) {
        return fail(format!(
            "rule {id} has an explanation that nobody would see: set denial to explain or tool_result"
        ));
    }
    Ok(Some(intern::text(text)))
}

fn conditions(
    rule: &Rule,
    methods: Vec<Right>,
    names: &Names<'_>,
) -> Result<Conditions, ConfigError> {
    let numbers = |what, words: &[Word], names| {
        words.iter().map(|word| known(rule, what, word, names)).collect::<Result<Vec<_>, _>>()
    };
    let servers = numbers("server", &rule.servers, names.servers)?;
    let through = match &rule.through {
        None => None,
        Some(Through::Direct) => Some(Via::Direct),
        Some(Through::Agent) => Some(Via::Agent),
        Some(Through::Named(agents)) => {
            let numbers = numbers("agent", agents, names.agents)?;
            if numbers.is_empty() {
                let message = format!("rule {}: through names no agent", rule.id.text);
                return Err(ConfigError::new(message));
            }
            let mut bits = Bits::new(names.agents.len());
            numbers.into_iter().for_each(|number| bits.insert(number));
            Some(Via::Named(bits))
        }
    };
    let (from, until) = (moment(rule, rule.from.as_ref())?, moment(rule, rule.until.as_ref())?);
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        let place = rule.until.as_ref().and_then(|word| word.place);
        let message = format!("rule {} ends before it begins", rule.id.text);
        return Err(ConfigError::new(message).at(place));
    }
    let windows = rule.windows.iter().map(|(window, place)| {
        Hours::new(window).map_err(|message| {
            ConfigError::new(format!("rule {}: {message}", rule.id.text)).at(*place)
        })
    });
    let arguments = rule.arguments.iter().map(|(Word { text, place }, asked)| {
        let fail = |message: String| {
            ConfigError::new(format!("rule {}: argument {text}: {message}", rule.id.text))
                .at(*place)
        };
        Ok((Pointer::parse(text).map_err(fail)?, Check::new(asked).map_err(fail)?))
    });
    Ok(Conditions {
        methods: (!methods.is_empty()).then(|| methods.into()),
        servers: (!servers.is_empty()).then(|| servers.into()),
        hints: rule.annotations,
        through,
        networks: rule.networks.iter().map(|word| network(rule, word)).collect::<Result<_, _>>()?,
        windows: windows.collect::<Result<_, _>>()?,
        from,
        until,
        arguments: arguments.collect::<Result<_, _>>()?,
    })
}

/// A network, or one address.
fn network(rule: &Rule, Word { text, place }: &Word) -> Result<Network, ConfigError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => Network::parse(text).map_err(|error| {
            ConfigError::new(format!("rule {}: {error}", rule.id.text)).at(*place)
        }),
    }
}

fn moment(rule: &Rule, word: Option<&Word>) -> Result<Option<Duration>, ConfigError> {
    let Some(Word { text, place }) = word else { return Ok(None) };
    let fail = |message| ConfigError::new(format!("rule {}: {message}", rule.id.text)).at(*place);
    window::moment(text).map(Some).map_err(fail)
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
