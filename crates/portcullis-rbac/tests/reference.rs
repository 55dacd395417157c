//! The engine decides as the rules read, worked out rule by rule for random policies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::time::Duration;

use portcullis_core::{
    Actor, AnonymousReason, Arguments, Caller, Method, Principal, TargetKind, ToolHints, Version,
};
use portcullis_rbac::{Agent, Argument, Decision, Policy, Query, Role, Rule, Server, Window};
use proptest::prelude::*;

const ROLES: [&str; 3] = ["r0", "r1", "r2"];
const SCOPES: [&str; 3] = ["s0", "s1", "s2"];
const TOOLS: [&str; 5] = ["ab", "abc", "b", "ba", "zz"];
const PATTERNS: [&str; 8] = ["ab", "b", "zz", "*", "a*", "*b", "b*", "a*c"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Truth {
    No,
    Unknown,
    Yes,
}

#[derive(Clone, Debug)]
struct Model {
    allow: bool,
    patterns: Vec<usize>,
    roles: Vec<usize>,
    everyone: bool,
    scopes: Vec<usize>,
    argument: Option<Asked>,
    through: Option<Via>,
    night: bool,
    server: bool,
    read_only: Option<bool>,
    only_calls: bool,
    networks: Vec<usize>,
}

/// Networks that rules name, and what the addresses of callers begin with where they are in one.
const NETWORKS: [(&str, &str); 3] =
    [("10.1.0.0/16", "10.1."), ("10.1.2.3", "10.1.2.3"), ("2001:db8::/32", "2001:db8:")];
const ADDRESSES: [&str; 6] =
    ["10.1.2.3", "10.1.2.4", "10.2.0.0", "::ffff:10.1.2.3", "2001:db8::1", "2001:db9::1"];

#[derive(Clone, Copy, Debug)]
enum Asked {
    Equals(i64),
    Max(i64),
    Prefix,
    Present(bool),
}

#[derive(Clone, Copy, Debug)]
enum Via {
    Direct,
    Agent,
    Bot,
}

#[derive(Clone, Debug)]
struct Question {
    tool: usize,
    held: Option<Vec<usize>>,
    groups_unknown: bool,
    scopes: Vec<usize>,
    /// Nothing, the named agent, another actor.
    actor: u8,
    argument: Option<&'static str>,
    listing: bool,
    hour: u64,
    /// No name, the server that rules name, another one.
    server: u8,
    hints: Option<Option<bool>>,
    /// By its number; nobody knows it of some.
    address: Option<usize>,
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        (0..3_i64).prop_map(Asked::Equals),
        (0..3_i64).prop_map(Asked::Max),
        Just(Asked::Prefix),
        any::<bool>().prop_map(Asked::Present),
    ]
}

fn rule() -> impl Strategy<Value = Model> {
    let indexes = |limit: usize, most: usize| prop::collection::vec(0..limit, 0..=most);
    (
        (
            any::<bool>(),
            prop::collection::vec(0..PATTERNS.len(), 1..3),
            indexes(3, 2),
            prop::bool::weighted(0.3),
        ),
        (indexes(3, 2), prop::option::weighted(0.3, asked())),
        (
            prop::option::weighted(
                0.2,
                prop_oneof![Just(Via::Direct), Just(Via::Agent), Just(Via::Bot)],
            ),
            prop::bool::weighted(0.15),
            prop::bool::weighted(0.15),
            prop::option::weighted(0.15, any::<bool>()),
            prop::bool::weighted(0.1),
            prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(0..NETWORKS.len(), 1..3)],
            any::<bool>(),
        ),
    )
        .prop_map(|((allow, patterns, roles, everyone), (scopes, argument), more)| {
            let (through, night, server, read_only, only_calls, networks, plain) = more;
            let everyone = everyone || roles.is_empty();
            let scopes = if allow { scopes } else { Vec::new() };
            let model = Model {
                allow,
                patterns,
                roles,
                everyone,
                scopes,
                argument,
                through,
                night,
                server,
                read_only,
                only_calls,
                networks,
            };
            if plain {
                // Most rules of most policies.
                return Model {
                    argument: None,
                    through: None,
                    night: false,
                    server: false,
                    read_only: None,
                    only_calls: false,
                    networks: Vec::new(),
                    ..model
                };
            }
            model
        })
}

fn question() -> impl Strategy<Value = Question> {
    let values = prop_oneof![
        Just(None),
        Just(Some("0")),
        Just(Some("1.0")),
        Just(Some("2")),
        Just(Some("3")),
        Just(Some("\"1\"")),
        Just(Some("\"ab\"")),
        Just(Some("\"ba\"")),
        Just(Some("null")),
    ];
    (
        (0..TOOLS.len(), prop::option::weighted(0.9, prop::collection::vec(0..3_usize, 0..3))),
        (prop::bool::weighted(0.2), prop::collection::vec(0..3_usize, 0..3), 0..3_u8),
        (
            values,
            any::<bool>(),
            0..24_u64,
            0..3_u8,
            prop::option::of(prop::option::of(any::<bool>())),
            prop::option::weighted(0.8, 0..ADDRESSES.len()),
        ),
    )
        .prop_map(|((tool, held), (groups_unknown, scopes, actor), more)| {
            let (argument, listing, hour, server, hints, address) = more;
            Question {
                tool,
                held,
                groups_unknown,
                scopes,
                actor,
                argument,
                listing,
                hour,
                server,
                hints,
                address,
            }
        })
}

fn policy(models: &[Model]) -> Policy {
    let mut builder = Policy::builder()
        .add_agent(Agent::new("bot").actor("agent-7"))
        .add_server(Server::new("main").trust_annotations());
    for role in ROLES {
        builder = builder.add_role(Role::new(role).group(role));
    }
    for (number, model) in models.iter().enumerate() {
        let id = format!("{number}");
        let mut rule = if model.allow { Rule::allow(id) } else { Rule::deny(id) };
        rule = rule
            .tools(model.patterns.iter().map(|pattern| PATTERNS[*pattern]))
            .roles(model.roles.iter().map(|role| ROLES[*role]))
            .requires_scopes(model.scopes.iter().map(|scope| SCOPES[*scope]));
        if model.everyone {
            rule = rule.everyone();
        }
        if let Some(asked) = model.argument {
            rule = rule.argument(
                "x",
                match asked {
                    Asked::Equals(number) => Argument::new().equals(number),
                    Asked::Max(number) => Argument::new().max(number),
                    Asked::Prefix => Argument::new().prefix("a"),
                    Asked::Present(present) => Argument::new().present(present),
                },
            );
        }
        rule = match model.through {
            None => rule,
            Some(Via::Direct) => rule.directly(),
            Some(Via::Agent) => rule.through_any_agent(),
            Some(Via::Bot) => rule.through(["bot"]),
        };
        if model.night {
            rule = rule.during(Window::new("UTC").hours("22:00-06:00"));
        }
        if model.server {
            rule = rule.servers(["main"]);
        }
        rule = rule.networks(model.networks.iter().map(|network| NETWORKS[*network].0));
        if model.only_calls {
            rule = rule.methods(["tools/call"]);
        }
        if let Some(read_only) = model.read_only {
            let mut hints = ToolHints::default();
            hints.read_only = Some(read_only);
            rule = rule.annotations(hints);
        }
        builder = builder.add_rule(rule);
    }
    builder.build().unwrap()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}

fn known(holds: bool) -> Truth {
    if holds { Truth::Yes } else { Truth::No }
}

fn argument(asked: Asked, value: Option<&str>) -> Truth {
    let number = value.and_then(|value| value.parse::<f64>().ok());
    match asked {
        Asked::Present(present) => known(value.is_some() == present),
        Asked::Equals(wanted) => number.map_or(Truth::Unknown, |n| known(n == wanted as f64)),
        Asked::Max(most) => number.map_or(Truth::Unknown, |n| known(n <= most as f64)),
        Asked::Prefix => match value.and_then(|value| value.strip_prefix('"')) {
            Some(text) => known(text.starts_with('a')),
            None => Truth::Unknown,
        },
    }
}

/// Whether a rule's conditions let it apply.
fn conditions_hold(model: &Model, question: &Question) -> bool {
    let mut truths = Vec::new();
    if let Some(asked) = model.argument {
        truths.push(if question.listing {
            known(model.allow)
        } else {
            argument(asked, question.argument)
        });
    }
    if let Some(via) = model.through {
        truths.push(match (question.held.is_some(), via) {
            (false, _) => Truth::Unknown,
            (true, Via::Direct) => known(question.actor == 0),
            (true, Via::Agent) => known(question.actor != 0),
            (true, Via::Bot) => known(question.actor == 1),
        });
    }
    if model.night {
        truths.push(known(question.hour >= 22 || question.hour < 6));
    }
    if model.server {
        truths.push(match question.server {
            0 => Truth::Unknown,
            1 => Truth::Yes,
            _ => Truth::No,
        });
    }
    if !model.networks.is_empty() {
        truths.push(match question.address.map(|address| ADDRESSES[address]) {
            None => Truth::Unknown,
            Some(address) => {
                let address = address.trim_start_matches("::ffff:");
                known(model.networks.iter().any(|n| address.starts_with(NETWORKS[*n].1)))
            }
        });
    }
    if let Some(wanted) = model.read_only {
        truths.push(match (question.server, question.hints) {
            (1, Some(hint)) => known(hint.unwrap_or(false) == wanted),
            _ => Truth::Unknown,
        });
    }
    if model.allow {
        truths.iter().all(|truth| *truth == Truth::Yes)
    } else {
        !truths.contains(&Truth::No)
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Allow,
    Deny,
    Scopes(usize),
}

fn by_hand(models: &[Model], question: &Question) -> Outcome {
    let about = |model: &&(usize, &Model)| {
        model.1.patterns.iter().any(|p| matches(PATTERNS[*p], TOOLS[question.tool]))
            && conditions_hold(model.1, question)
    };
    let signed_in = question.held.is_some();
    let has = |model: &Model| {
        let by_role = match &question.held {
            Some(held) if !question.groups_unknown => model.roles.iter().any(|r| held.contains(r)),
            _ => false,
        };
        by_role || model.everyone && (signed_in || !model.allow)
    };
    let might_have = |model: &Model| {
        has(model) || signed_in && question.groups_unknown && !model.roles.is_empty()
    };
    let numbered: Vec<_> = models.iter().enumerate().collect();
    if numbered.iter().filter(about).any(|(_, model)| !model.allow && might_have(model)) {
        return Outcome::Deny;
    }
    let mut lacking = None;
    for (number, model) in numbered.iter().filter(about) {
        if !model.allow || !has(model) {
            continue;
        }
        if model.scopes.iter().all(|scope| signed_in && question.scopes.contains(scope)) {
            return Outcome::Allow;
        }
        lacking = lacking.or(Some(*number));
    }
    lacking.map_or(Outcome::Deny, Outcome::Scopes)
}

fn caller(question: &Question) -> Caller {
    let Some(held) = &question.held else {
        return Caller::Anonymous(AnonymousReason::NoCredentials);
    };
    let mut builder = Principal::builder("https://id.example", "alice")
        .groups(held.iter().map(|role| ROLES[*role].to_owned()).collect())
        .scopes(question.scopes.iter().map(|scope| SCOPES[*scope].to_owned()).collect());
    if question.groups_unknown {
        builder = builder.groups_unknown();
    }
    builder = match question.actor {
        0 => builder,
        1 => builder.actors(vec![Actor::new(None, "agent-7"), Actor::new(None, "other")]),
        _ => builder.actors(vec![Actor::new(None, "other"), Actor::new(None, "agent-7")]),
    };
    Caller::Verified(builder.build().into())
}

fn decide(policy: &Policy, question: &Question) -> Decision {
    let caller = caller(question);
    let json = question.argument.map(|value| format!("{{\"y\":0,\"x\":{value}}}"));
    let arguments = json.map(|json| Arguments::new(json.into()));
    let mut query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall)
        .on(TargetKind::Tool, TOOLS[question.tool])
        .at(Duration::from_secs(1_700_000_000 / 86_400 * 86_400 + question.hour * 3_600));
    if let Some(arguments) = &arguments {
        query = query.with_arguments(arguments);
    }
    query = match question.server {
        0 => query,
        1 => query.of_server("main"),
        _ => query.of_server("other"),
    };
    if let Some(read_only) = question.hints {
        let mut hints = ToolHints::default();
        hints.read_only = read_only;
        query = query.with_hints(hints);
    }
    if let Some(address) = question.address {
        query = query.from_address(ADDRESSES[address].parse().unwrap());
    }
    if question.listing {
        query = query.in_a_list();
    }
    policy.decide(&query)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_is_the_reference(
        models in prop::collection::vec(rule(), 1..7),
        questions in prop::collection::vec(question(), 1..24),
    ) {
        let policy = policy(&models);
        for question in &questions {
            let decision = decide(&policy, question);
            let expected = by_hand(&models, question);
            let found = match &decision {
                Decision::Allow { .. } => Outcome::Allow,
                Decision::Deny { .. } => Outcome::Deny,
                Decision::NeedsScopes { rule, .. } => Outcome::Scopes(rule.as_str().parse().unwrap()),
                _ => panic!("{decision:?}"),
            };
            prop_assert_eq!(found, expected, "{:?}", question);
        }
    }

    /// What may be called with these arguments, at once or after a step-up, is in the list.
    #[test]
    fn what_can_be_called_is_listed(
        models in prop::collection::vec(rule(), 1..7),
        questions in prop::collection::vec(question(), 1..24),
    ) {
        let policy = policy(&models);
        for question in &questions {
            let call = Question { listing: false, ..question.clone() };
            if !matches!(decide(&policy, &call), Decision::Deny { .. }) {
                let list = Question { listing: true, ..question.clone() };
                prop_assert!(!matches!(decide(&policy, &list), Decision::Deny { .. }), "{:?}", question);
            }
        }
    }
}
