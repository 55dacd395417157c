//! The same for whatever a policy file can say: the file is written, read and decided by, and each question
//! is worked out by hand from what the file says, rule by rule.

mod file;
mod hand;

use portcullis_core::{
    Actor, AnonymousReason, Arguments, Caller, Method, Principal, TargetKind, ToolHints, Version,
};
use portcullis_rbac::{Decision, DenialStyle, Policy, Query};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

use crate::{ADDRESSES, TOOLS, TUESDAY};
use file::File;
use hand::Hand;

/// Draws from bytes; none left is zero, which says nothing where that is possible. So small cases are simple.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % limit
    }

    fn once_in(&mut self, many: usize) -> bool {
        self.below(many) + 1 == many
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of these, once in so many times.
    fn perhaps<T: Copy>(&mut self, many: usize, from: &[T]) -> Option<T> {
        self.once_in(many).then(|| self.one(from))
    }

    fn some<T: Copy + PartialEq>(&mut self, most: usize, from: &[T]) -> Vec<T> {
        let mut some = Vec::new();
        for _ in 0..self.below(most + 1) {
            let one = self.one(from);
            if !some.contains(&one) {
                some.push(one);
            }
        }
        some
    }

    fn hint(&mut self, many: usize) -> Option<bool> {
        self.perhaps(many, &[false, true])
    }
}

const ISSUERS: [&str; 2] = ["https://id.example", "https://two.example"];
const SUBJECTS: [&str; 2] = ["alice", "bob"];
const TENANTS: [&str; 2] = ["t0", "t1"];
const CLIENTS: [&str; 2] = ["web", "app"];
const ACTORS: [&str; 2] = ["agent-7", "other"];
const GROUPS: [&str; 5] = ["g0", "g1", "id0", "id00", "id1"];
const SCOPES: [&str; 4] = ["s0", "s1", "s2", "top"];
const CLAIMED: [&str; 2] = ["c0", "c1"];
const SERVERS: [&str; 2] = ["main", "side"];
const VALUES: [&str; 19] = [
    "0",
    "1.0",
    "2",
    "1e0",
    "\"1\"",
    "\"ab\"",
    "\"ba\"",
    "\"\\u0061b\"",
    "null",
    "true",
    "{}",
    "[]",
    "[0,2]",
    "[1,\"a\",1]",
    "\"/srv\"",
    "\"/srv/a/\"",
    "\"/srvx\"",
    "\"/srv/../a\"",
    "\"srv/a\"",
];

/// A URI, what it is in normal form if it is any, and what else servers may take it for.
struct Uri {
    sent: &'static str,
    normal: Option<&'static str>,
    as_read: &'static [&'static str],
    /// Where it is a template it is one in normal form.
    template: bool,
    refused: bool,
}

const fn uri(
    sent: &'static str,
    normal: Option<&'static str>,
    as_read: &'static [&'static str],
) -> Uri {
    Uri { sent, normal, as_read, template: false, refused: false }
}

const URIS: [Uri; 13] = [
    uri("note:///a/b", Some("note:///a/b"), &[]),
    uri("note:///a", Some("note:///a"), &[]),
    uri("note:///a/", Some("note:///a/"), &["note:///a"]),
    uri("note:///a/b?q=1", Some("note:///a/b?q=1"), &["note:///a/b"]),
    uri("NOTE:///a/b", Some("note:///a/b"), &[]),
    uri("note:///a/%62", Some("note:///a/b"), &[]),
    uri("note:///a;v/b", Some("note:///a;v/b"), &["note:///a/b"]),
    uri("note:///a%2Cb", Some("note:///a%2Cb"), &["note:///a,b"]),
    uri("note:///a//b", None, &[]),
    uri("other:///a/b", Some("other:///a/b"), &[]),
    uri("file://host/a/b", Some("file://host/a/b"), &["file:///a/b"]),
    Uri { template: true, ..uri("note:///{x}/b", None, &[]) },
    Uri { refused: true, ..uri("note:///a/../b", None, &[]) },
];

struct Who {
    issuer: &'static str,
    subject: &'static str,
    tenant: Option<&'static str>,
    client: Option<&'static str>,
    groups: Vec<&'static str>,
    groups_unknown: bool,
    claimed: Vec<&'static str>,
    scopes: Vec<&'static str>,
    dept: Option<&'static str>,
    teams: Vec<u8>,
    actors: Vec<(Option<&'static str>, &'static str)>,
}

struct Question {
    who: Option<Who>,
    method: Method,
    target: Option<(TargetKind, &'static str)>,
    /// By its number.
    uri: Option<usize>,
    x: Option<&'static str>,
    inner: Option<&'static str>,
    /// Beside the argument there is one that some servers take for it.
    odd: bool,
    listing: bool,
    as_task: bool,
    server: Option<&'static str>,
    hints: Option<[Option<bool>; 4]>,
    /// Minutes since a Tuesday began.
    minute: u64,
    address: Option<&'static str>,
}

impl Question {
    fn draw(dice: &mut Dice<'_>) -> Self {
        let who = (!dice.once_in(8)).then(|| Who {
            issuer: dice.one(&ISSUERS),
            subject: dice.one(&SUBJECTS),
            tenant: dice.perhaps(2, &TENANTS),
            client: dice.perhaps(2, &CLIENTS),
            groups: dice.some(2, &GROUPS),
            groups_unknown: dice.once_in(5),
            claimed: dice.some(1, &CLAIMED),
            scopes: dice.some(2, &SCOPES),
            dept: dice.perhaps(2, &["d0", "d1"]),
            teams: dice.some(2, &[1, 2]),
            actors: (0..dice.below(3))
                .map(|_| (dice.perhaps(3, &ISSUERS), dice.one(&ACTORS)))
                .collect(),
        });
        let uri = dice.below(URIS.len());
        let uri_kind = |dice: &mut Dice<'_>| {
            if URIS[uri].template && dice.below(3) > 0 {
                TargetKind::ResourceTemplate
            } else {
                TargetKind::Resource
            }
        };
        let (method, kind) = match dice.below(12) {
            0..=2 => (Method::ToolsCall, Some(TargetKind::Tool)),
            3 => (Method::PromptsGet, Some(TargetKind::Prompt)),
            4 => (Method::CompletionComplete, Some(TargetKind::Prompt)),
            5 => (Method::CompletionComplete, Some(uri_kind(dice))),
            6 => (Method::ResourcesSubscribe, Some(TargetKind::Resource)),
            7 => (Method::ResourcesUnsubscribe, Some(TargetKind::Resource)),
            8 => (Method::SubscriptionsListen, Some(TargetKind::Resource)),
            9 => (Method::LoggingSetLevel, None),
            _ => (Method::ResourcesRead, Some(uri_kind(dice))),
        };
        let name = dice.one(&TOOLS);
        let of_uri = matches!(kind, Some(TargetKind::Resource | TargetKind::ResourceTemplate))
            .then_some(uri);
        Self {
            who,
            method,
            target: kind.map(|kind| (kind, of_uri.map_or(name, |uri| URIS[uri].sent))),
            uri: of_uri,
            x: dice.perhaps(2, &VALUES),
            inner: dice.perhaps(2, &VALUES),
            odd: dice.once_in(12),
            listing: dice.once_in(4),
            as_task: kind == Some(TargetKind::Tool) && dice.once_in(3),
            server: dice.perhaps(2, &["main", "side", "third"]),
            hints: dice.once_in(2).then(|| [(); 4].map(|()| dice.hint(2))),
            minute: (dice.below(7) * 24 * 60 + dice.below(24) * 60 + dice.one(&[0, 29, 30, 59]))
                as u64,
            address: dice.perhaps(2, &ADDRESSES),
        }
    }

    fn caller(&self) -> Caller {
        let Some(who) = &self.who else {
            return Caller::Anonymous(AnonymousReason::NoCredentials);
        };
        let strings = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let actor = |(issuer, subject): &(Option<&str>, &str)| {
            Actor::new(issuer.map(str::to_owned), *subject)
        };
        let claims = json!({ "dept": who.dept, "org": { "teams": who.teams } });
        let mut builder = Principal::builder(who.issuer, who.subject)
            .groups(strings(&who.groups))
            .roles(strings(&who.claimed))
            .scopes(strings(&who.scopes))
            .actors(who.actors.iter().map(actor).collect())
            .claims(claims.as_object().unwrap().clone());
        if let Some(tenant) = who.tenant {
            builder = builder.tenant(tenant);
        }
        if let Some(client) = who.client {
            builder = builder.client_id(client);
        }
        if who.groups_unknown {
            builder = builder.groups_unknown();
        }
        Caller::Verified(builder.build().into())
    }

    fn ask(&self, policy: &Policy) -> Decision {
        let caller = self.caller();
        let members = [
            self.x.map(|value| format!("\"x\":{value}")),
            self.inner.map(|value| format!("\"o\":{{\"y\":0,\"x\":{value}}}")),
            self.odd.then(|| "\"X\":1".to_owned()),
        ];
        let members: Vec<_> = members.into_iter().flatten().collect();
        let arguments = Arguments::new(format!("{{{}}}", members.join(",")).into());
        let mut query = Query::new(&caller, Version::V2026_07_28, self.method)
            .at(Duration::from_secs(TUESDAY + self.minute * 60));
        if let Some((kind, name)) = self.target {
            query = query.on(kind, name);
        }
        if !members.is_empty() {
            query = query.with_arguments(&arguments);
        }
        if let Some(server) = self.server {
            query = query.of_server(server);
        }
        if let Some(all) = self.hints {
            let mut hints = ToolHints::default();
            [hints.read_only, hints.destructive, hints.idempotent, hints.open_world] = all;
            query = query.with_hints(hints);
        }
        if let Some(address) = self.address {
            query = query.from_address(address.parse().unwrap());
        }
        if self.as_task {
            query = query.as_task();
        }
        policy.decide(&if self.listing { query.in_a_list() } else { query })
    }
}

/// What is to be seen of a decision and the rules that it may name.
fn check(file: &File, question: &Question, decision: &Decision) -> Result<(), String> {
    let by_hand = Hand { file, question }.decide();
    let number = |rule: &str| rule.parse::<usize>().unwrap();
    let holds = match decision {
        Decision::Allow { rule } if rule.as_str() == "protocol" => by_hand.by_protocol,
        Decision::Allow { rule } => by_hand.allowing.contains(&number(rule.as_str())),
        Decision::NeedsScopes { rule, scopes } => {
            let missing = by_hand.scopes.iter().all(|scope| scopes.iter().any(|s| s == scope));
            let known = scopes.iter().all(|scope| by_hand.may_name.contains(&&**scope));
            by_hand.lacking == Some(number(rule.as_str())) && missing && known
        }
        Decision::Deny { rule: Some(rule), reason, style, explanation } => {
            let rule = number(rule.as_str());
            let shown = file.rules[rule].denial.filter(|_| question.who.is_some());
            by_hand.denying.contains(&rule)
                && reason.as_str() == "policy_denied"
                && *style == shown.map_or(DenialStyle::Hide, file::style)
                && explanation.is_some() == shown.is_some_and(|denial| denial != "hide")
        }
        Decision::Deny { rule: None, reason, style, .. } => {
            // Of the forms of a URI the first that nothing allows decides, whatever denies another.
            let named = by_hand.reason.is_some() && !by_hand.denying.is_empty();
            by_hand.denied
                && !named
                && by_hand.reason.is_none_or(|expected| reason.as_str() == expected)
                && by_hand.style.is_none_or(|expected| *style == expected)
        }
        _ => false,
    };
    if holds { Ok(()) } else { Err(format!("{decision:?} where by hand it is {by_hand:?}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_a_file_says_is_the_reference(
        policy in prop::collection::vec(any::<u8>(), 0..320),
        questions in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..48), 1..24),
    ) {
        let file = File::draw(&mut Dice(policy.iter()));
        let text = file.text();
        let policy = Policy::from_yaml(&text)
            .unwrap_or_else(|error| panic!("{error} in {text}"));
        for question in &questions {
            let question = Question::draw(&mut Dice(question.iter()));
            let decision = question.ask(&policy);
            if let Err(why) = check(&file, &question, &decision) {
                let Question { method, target, server, minute, .. } = &question;
                let arguments = (question.x, question.inner, question.odd);
                prop_assert!(false, "{why}\n{text}\n{method:?} {target:?} {arguments:?} {server:?} {minute} {:?}", question.caller());
            }
        }
    }
}
