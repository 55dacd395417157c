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
use serde_json::Value;

mod wide;

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
    /// Of `x`, and of the `x` in `o`.
    arguments: Vec<(bool, Asked)>,
    through: Option<Via>,
    windows: Vec<When>,
    from: bool,
    until: bool,
    about: About,
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
    OneOf,
    Min(i64),
    Max(i64),
    Prefix,
    Suffix,
    Matches,
    MaxLength(u64),
    EachMax(i64),
    Present(bool),
}

/// Parts of the week; the days and hours that they are.
#[derive(Clone, Copy, Debug)]
enum When {
    Night,
    /// Of Wednesday, into Thursday.
    OneNight,
    Weekend,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum About {
    Tools,
    Prompts,
    Both,
}

/// A Tuesday, and moments from it on at which rules begin and end.
const TUESDAY: u64 = 1_700_000_000 / 86_400 * 86_400;
const FROM: (&str, u64) = ("2023-11-15T12:00:00Z", 86_400 + 12 * 3_600);
const UNTIL: (&str, u64) = ("2023-11-17T02:00:00+02:00", 3 * 86_400);

#[derive(Clone, Copy, Debug)]
enum Via {
    Direct,
    Agent,
    Bot,
}

#[derive(Clone, Debug)]
struct Question {
    tool: usize,
    /// It is a prompt of that name.
    prompt: bool,
    held: Option<Vec<usize>>,
    groups_unknown: bool,
    scopes: Vec<usize>,
    /// Nothing, the named agent, another actor.
    actor: u8,
    argument: Option<&'static str>,
    inner: Option<&'static str>,
    /// Another member beside the argument, which some servers take for it.
    odd: Option<&'static str>,
    listing: bool,
    day: u64,
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
        Just(Asked::OneOf),
        (0..3_i64).prop_map(Asked::Min),
        (0..3_i64).prop_map(Asked::Max),
        Just(Asked::Prefix),
        Just(Asked::Suffix),
        Just(Asked::Matches),
        (0..3_u64).prop_map(Asked::MaxLength),
        (0..3_i64).prop_map(Asked::EachMax),
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
        (
            indexes(3, 2),
            prop_oneof![
                5 => Just(Vec::new()),
                2 => asked().prop_map(|asked| vec![(false, asked)]),
                1 => (any::<bool>(), asked(), asked()).prop_map(|(both, one, other)| {
                    let inner = (true, one);
                    if both { vec![(false, other), inner] } else { vec![inner] }
                }),
            ],
            prop_oneof![6 => Just(About::Tools), 1 => Just(About::Prompts), 1 => Just(About::Both)],
        ),
        (
            prop::option::weighted(
                0.2,
                prop_oneof![Just(Via::Direct), Just(Via::Agent), Just(Via::Bot)],
            ),
            (
                prop_oneof![
                    5 => Just(Vec::new()),
                    1 => prop::collection::vec(
                        prop_oneof![Just(When::Night), Just(When::OneNight), Just(When::Weekend)],
                        1..3,
                    ),
                ],
                prop::bool::weighted(0.1),
                prop::bool::weighted(0.1),
            ),
            prop::bool::weighted(0.15),
            prop::option::weighted(0.15, any::<bool>()),
            prop::bool::weighted(0.1),
            prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(0..NETWORKS.len(), 1..3)],
            any::<bool>(),
        ),
    )
        .prop_map(|((allow, patterns, roles, everyone), (scopes, arguments, about), more)| {
            let (through, (windows, from, until), server, read_only, only_calls, networks, plain) =
                more;
            let everyone = everyone || roles.is_empty();
            let scopes = if allow { scopes } else { Vec::new() };
            let read_only = read_only.filter(|_| about == About::Tools);
            let model = Model {
                allow,
                patterns,
                roles,
                everyone,
                scopes,
                arguments,
                through,
                windows,
                from,
                until,
                about,
                server,
                read_only,
                only_calls,
                networks,
            };
            if plain {
                // Most rules of most policies.
                return Model {
                    arguments: Vec::new(),
                    through: None,
                    windows: Vec::new(),
                    from: false,
                    until: false,
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

fn value() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some("0")),
        1 => Just(Some("1.0")),
        1 => Just(Some("2")),
        1 => Just(Some("3")),
        1 => Just(Some("\"1\"")),
        1 => Just(Some("\"ab\"")),
        1 => Just(Some("\"ba\"")),
        1 => Just(Some("null")),
        1 => Just(Some("1e0")),
        1 => Just(Some("true")),
        1 => Just(Some("\"\\u0061b\"")),
        1 => Just(Some("{}")),
        1 => Just(Some("[]")),
        1 => Just(Some("[0,2]")),
        1 => Just(Some("[1,\"a\",1]")),
        1 => Just(Some("[2,\"a\"]")),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    (
        (0..TOOLS.len(), prop::option::weighted(0.9, prop::collection::vec(0..3_usize, 0..3))),
        (prop::bool::weighted(0.2), prop::collection::vec(0..3_usize, 0..3), 0..3_u8),
        (
            (value(), value()),
            prop::option::weighted(0.1, prop_oneof![Just("X"), Just("__proto__")]),
            (any::<bool>(), prop::bool::weighted(0.2)),
            (0..7_u64, 0..24_u64),
            0..3_u8,
            prop::option::of(prop::option::of(any::<bool>())),
            prop::option::weighted(0.8, 0..ADDRESSES.len()),
        ),
    )
        .prop_map(|((tool, held), (groups_unknown, scopes, actor), more)| {
            let ((argument, inner), odd, (listing, prompt), (day, hour), server, hints, address) =
                more;
            Question {
                tool,
                prompt,
                held,
                groups_unknown,
                scopes,
                actor,
                argument,
                inner,
                odd,
                listing,
                day,
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
            .roles(model.roles.iter().map(|role| ROLES[*role]))
            .requires_scopes(model.scopes.iter().map(|scope| SCOPES[*scope]));
        let patterns = || model.patterns.iter().map(|pattern| PATTERNS[*pattern]);
        if model.about != About::Prompts {
            rule = rule.tools(patterns());
        }
        if model.about != About::Tools {
            rule = rule.prompts(patterns());
        }
        if model.everyone {
            rule = rule.everyone();
        }
        for (inner, asked) in &model.arguments {
            let new = Argument::new();
            rule = rule.argument(
                if *inner { "/o/x" } else { "x" },
                match *asked {
                    Asked::Equals(number) => new.equals(number),
                    Asked::OneOf => new.one_of(["ab", "1"]),
                    Asked::Min(number) => new.min(number),
                    Asked::Max(number) => new.max(number),
                    Asked::Prefix => new.prefix("a"),
                    Asked::Suffix => new.suffix("a"),
                    Asked::Matches => new.matches("b."),
                    Asked::MaxLength(most) => new.max_length(most),
                    Asked::EachMax(number) => new.each(Argument::new().max(number)),
                    Asked::Present(present) => new.present(present),
                },
            );
        }
        rule = match model.through {
            None => rule,
            Some(Via::Direct) => rule.directly(),
            Some(Via::Agent) => rule.through_any_agent(),
            Some(Via::Bot) => rule.through(["bot"]),
        };
        for window in &model.windows {
            let utc = Window::new("UTC");
            rule = rule.during(match window {
                When::Night => utc.hours("22:00-06:00"),
                When::OneNight => utc.days(["wed"]).hours("22:00-06:00"),
                When::Weekend => utc.days(["sat-sun"]),
            });
        }
        if model.from {
            rule = rule.valid_from(FROM.0);
        }
        if model.until {
            rule = rule.valid_until(UNTIL.0);
        }
        if model.server {
            rule = rule.servers(["main"]);
        }
        if !model.networks.is_empty() {
            rule = rule.networks(model.networks.iter().map(|network| NETWORKS[*network].0));
        }
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

fn argument(asked: Asked, value: Option<&Value>) -> Truth {
    if let Asked::Present(present) = asked {
        return known(value.is_some() == present);
    }
    let number = |value: &Value| value.is_number().then(|| value.as_f64().unwrap());
    let (text, list) = (value.and_then(Value::as_str), value.and_then(Value::as_array));
    let holds = match asked {
        Asked::Present(_) => None,
        Asked::Equals(wanted) => value.and_then(number).map(|n| n == wanted as f64),
        Asked::Min(least) => value.and_then(number).map(|n| n >= least as f64),
        Asked::Max(most) => value.and_then(number).map(|n| n <= most as f64),
        Asked::OneOf => text.map(|text| text == "ab" || text == "1"),
        Asked::Prefix => text.map(|text| text.starts_with('a')),
        Asked::Suffix => text.map(|text| text.ends_with('a')),
        Asked::Matches => text.map(|text| text.len() == 2 && text.starts_with('b')),
        Asked::MaxLength(most) => {
            text.map(str::len).or(list.map(Vec::len)).map(|length| length as u64 <= most)
        }
        Asked::EachMax(most) => {
            let above = |item| number(item).is_some_and(|n| n > most as f64);
            match list {
                Some(list) if list.iter().any(above) => Some(false),
                Some(list) if list.iter().all(Value::is_number) => Some(true),
                _ => None,
            }
        }
    };
    holds.map_or(Truth::Unknown, known)
}

/// What a rule finds where it looks for an argument, if there is one answer.
fn sent(inner: bool, question: &Question) -> Option<Option<Value>> {
    let json = |text: &str| serde_json::from_str(text).unwrap();
    match (question.odd, inner) {
        (Some("X"), false) | (Some("__proto__"), _) => None,
        (_, false) => Some(question.argument.map(json)),
        (_, true) => Some(question.inner.map(json)),
    }
}

fn is_in(window: When, question: &Question) -> bool {
    let (day, hour) = (question.day, question.hour);
    match window {
        When::Night => !(6..22).contains(&hour),
        When::OneNight => day == 1 && hour >= 22 || day == 2 && hour < 6,
        When::Weekend => day == 4 || day == 5,
    }
}

/// Whether a rule's conditions let it apply.
fn conditions_hold(model: &Model, question: &Question) -> bool {
    let mut truths = Vec::new();
    for (inner, asked) in &model.arguments {
        truths.push(match sent(*inner, question) {
            _ if question.listing => known(model.allow),
            None => Truth::Unknown,
            Some(value) => argument(*asked, value.as_ref()),
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
    if !model.windows.is_empty() {
        truths.push(known(model.windows.iter().any(|window| is_in(*window, question))));
    }
    let now = question.day * 86_400 + question.hour * 3_600;
    truths.extend(model.from.then(|| known(now >= FROM.1)));
    truths.extend(model.until.then(|| known(now < UNTIL.1)));
    truths.extend(model.only_calls.then(|| known(!question.prompt)));
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
    let other = if question.prompt { About::Tools } else { About::Prompts };
    let about = |model: &&(usize, &Model)| {
        model.1.about != other
            && model.1.patterns.iter().any(|p| matches(PATTERNS[*p], TOOLS[question.tool]))
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
    let members = [
        question.argument.map(|value| format!("\"x\":{value}")),
        question.inner.map(|value| format!("\"o\":{{\"y\":0,\"x\":{value}}}")),
        question.odd.map(|name| format!("\"{name}\":{{\"x\":1}}")),
    ];
    let members: Vec<_> = members.into_iter().flatten().collect();
    let json = (!members.is_empty()).then(|| format!("{{\"y\":0,{}}}", members.join(",")));
    let arguments = json.map(|json| Arguments::new(json.into()));
    let (method, kind) = if question.prompt {
        (Method::PromptsGet, TargetKind::Prompt)
    } else {
        (Method::ToolsCall, TargetKind::Tool)
    };
    let mut query = Query::new(&caller, Version::V2026_07_28, method)
        .on(kind, TOOLS[question.tool])
        .at(Duration::from_secs(TUESDAY + question.day * 86_400 + question.hour * 3_600));
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
