//! A policy file, drawn.

use portcullis_rbac::DenialStyle;
use serde_json::{Map, Value, json};

use super::{CLAIMED, CLIENTS, Dice, ISSUERS, SCOPES, SERVERS, SUBJECTS, TENANTS};
use crate::{FROM, NETWORKS, PATTERNS, TOOLS, UNTIL};

pub(super) const ROLES: [&str; 4] = ["r0", "r1", "r2", "r3"];
/// Where groups have names, and the ids that they stand for.
pub(super) const NAMED: [(&str, &[&str]); 2] = [("g0", &["id0", "id00"]), ("g1", &["id1"])];
pub(super) const METHODS: [&str; 7] = [
    "tools/call",
    "tasks/create",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "subscriptions/listen",
    "completion/complete",
];
const RESOURCES: [&str; 12] = [
    "note:///a/b",
    "note:///a",
    "note:///a/*",
    "note:///*/b",
    "note:///**",
    "note:///**/b",
    "note:///a//b",
    "note:///{x}/b",
    "NOTE:///a/b",
    "note:///a,b",
    "file:///a/*",
    "file:///**",
];
pub(super) const HINTS: [&str; 4] =
    ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Group(&'static str),
    Scope(&'static str),
    Claimed(&'static str),
    Client(&'static str),
    Subject(&'static str),
    Dept(&'static str),
    Team(u8),
}

pub(super) struct Role {
    pub(super) sources: Vec<Source>,
    pub(super) issuers: Vec<&'static str>,
    pub(super) tenants: Vec<&'static str>,
    pub(super) anonymous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Asked {
    Equals(u8),
    In,
    Min(u8),
    Max(u8),
    Prefix,
    Suffix,
    Under,
    Matches,
    MinLength(u8),
    MaxLength(u8),
    EachMax(u8),
    Present(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Night,
    OneNight,
    Weekend,
    Kolkata,
}

pub(super) struct Rule {
    pub(super) allow: bool,
    pub(super) tools: Vec<&'static str>,
    pub(super) prompts: Vec<&'static str>,
    pub(super) resources: Vec<&'static str>,
    pub(super) methods: Vec<&'static str>,
    pub(super) servers: Vec<&'static str>,
    pub(super) hints: [Option<bool>; 4],
    pub(super) roles: Vec<&'static str>,
    pub(super) everyone: bool,
    pub(super) through: Vec<&'static str>,
    pub(super) networks: Vec<usize>,
    pub(super) scopes: Vec<&'static str>,
    /// Of `x`, and of the `x` in `o`.
    pub(super) x: Option<Asked>,
    pub(super) inner: Option<Asked>,
    pub(super) windows: Vec<When>,
    pub(super) from: bool,
    pub(super) until: bool,
    pub(super) denial: Option<&'static str>,
}

pub(super) struct File {
    pub(super) trusted: [bool; 2],
    /// What the first server says of `ab` is this.
    pub(super) stated: Option<[Option<bool>; 4]>,
    pub(super) named_groups: bool,
    /// Who vouches for the agents `bot`, an actor, and `app`, a client.
    pub(super) vouching: [Option<&'static str>; 2],
    pub(super) hierarchy: bool,
    pub(super) grantable: Option<Vec<&'static str>>,
    pub(super) roles: Vec<Role>,
    pub(super) rules: Vec<Rule>,
}

impl Role {
    fn draw(dice: &mut Dice<'_>) -> Self {
        let mut role = Self {
            sources: (0..=dice.below(2)).map(|_| Source::draw(dice)).collect(),
            issuers: if dice.once_in(6) { vec![dice.one(&ISSUERS)] } else { Vec::new() },
            tenants: if dice.once_in(6) { dice.some(2, &TENANTS) } else { Vec::new() },
            anonymous: false,
        };
        let limited = !role.issuers.is_empty() || !role.tenants.is_empty();
        role.anonymous = !limited && dice.once_in(5);
        if (limited || role.anonymous) && dice.once_in(2) {
            role.sources.clear();
        }
        role
    }
}

impl Source {
    fn draw(dice: &mut Dice<'_>) -> Self {
        match dice.below(10) {
            0..=3 => Self::Group(NAMED[dice.below(2)].0),
            4 => Self::Scope(dice.one(&SCOPES)),
            5 => Self::Claimed(dice.one(&CLAIMED)),
            6 => Self::Client(dice.one(&CLIENTS)),
            7 => Self::Subject(dice.one(&SUBJECTS)),
            8 => Self::Dept(dice.one(&["d0", "d1"])),
            _ => Self::Team(dice.one(&[1, 2])),
        }
    }
}

impl Asked {
    fn draw(dice: &mut Dice<'_>) -> Self {
        let number = dice.below(3) as u8;
        match dice.below(12) {
            0 => Self::Equals(number),
            1 => Self::In,
            2 => Self::Min(number),
            3 => Self::Max(number),
            4 => Self::Prefix,
            5 => Self::Suffix,
            6 => Self::Under,
            7 => Self::Matches,
            8 => Self::MinLength(number),
            9 => Self::MaxLength(number),
            10 => Self::EachMax(number),
            _ => Self::Present(number > 0),
        }
    }

    fn text(self) -> Value {
        match self {
            Self::Equals(number) => json!({ "equals": number }),
            Self::In => json!({ "in": ["ab", "1"] }),
            Self::Min(number) => json!({ "min": number }),
            Self::Max(number) => json!({ "max": number }),
            Self::Prefix => json!({ "prefix": "a" }),
            Self::Suffix => json!({ "suffix": "a" }),
            Self::Under => json!({ "under": "/srv" }),
            Self::Matches => json!({ "matches": "b." }),
            Self::MinLength(number) => json!({ "min_length": number }),
            Self::MaxLength(number) => json!({ "max_length": number }),
            Self::EachMax(number) => json!({ "each": { "max": number } }),
            Self::Present(present) => json!({ "present": present }),
        }
    }
}

impl When {
    fn text(self) -> Value {
        match self {
            Self::Night => json!({ "time_zone": "UTC", "hours": "22:00-06:00" }),
            Self::OneNight => {
                json!({ "time_zone": "UTC", "days": ["wed"], "hours": "22:00-06:00" })
            }
            Self::Weekend => json!({ "time_zone": "UTC", "days": "sat-sun" }),
            Self::Kolkata => {
                json!({ "time_zone": "Asia/Kolkata", "days": ["tue", "fri-sat"], "hours": "09:00-17:30" })
            }
        }
    }
}

impl Rule {
    fn draw(dice: &mut Dice<'_>) -> Self {
        let allow = !dice.once_in(3);
        let (mut tools, mut prompts, mut resources) = (Vec::new(), Vec::new(), Vec::new());
        let mut methods = Vec::new();
        match dice.below(10) {
            0..=4 => tools = vec![dice.one(&PATTERNS), dice.one(&PATTERNS)],
            5 => prompts = vec![dice.one(&PATTERNS)],
            6 | 7 => resources = vec![dice.one(&RESOURCES), dice.one(&RESOURCES)],
            8 if allow => (tools, resources) = (vec!["*"], vec![dice.one(&RESOURCES)]),
            8 => resources = vec!["**"],
            _ if allow || dice.once_in(2) => methods = vec!["logging/setLevel"],
            _ => methods = vec![dice.one(&METHODS)],
        }
        let (on_tools, on_prompts) = (!tools.is_empty(), !prompts.is_empty());
        let tools_alone = on_tools && !on_prompts && resources.is_empty();
        let plain = dice.once_in(2);
        let seldom = |dice: &mut Dice<'_>, many| !plain && dice.once_in(many);
        if methods.is_empty() && seldom(dice, 3) {
            methods = dice.some(3, &METHODS);
        }
        let denials: &[&str] =
            if tools_alone { &["hide", "explain", "tool_result"] } else { &["hide", "explain"] };
        let arguments = resources.is_empty() && (on_tools || on_prompts);
        let asked = |dice: &mut Dice<'_>| (arguments && seldom(dice, 3)).then(|| Asked::draw(dice));
        let roles = dice.some(2, &ROLES);
        Self {
            allow,
            everyone: roles.is_empty() || dice.once_in(5),
            roles,
            methods,
            servers: if seldom(dice, 5) { dice.some(2, &SERVERS) } else { Vec::new() },
            hints: [(); 4].map(
                |()| {
                    if tools_alone && seldom(dice, 6) { dice.hint(1) } else { None }
                },
            ),
            through: match dice.below(12) {
                7 => vec!["direct"],
                8 => vec!["agent"],
                9 => vec!["bot"],
                10 => vec!["app"],
                11 => vec!["bot", "app"],
                _ => Vec::new(),
            },
            networks: if seldom(dice, 5) { dice.some(2, &[0, 1, 2]) } else { Vec::new() },
            scopes: if allow && seldom(dice, 2) { dice.some(2, &SCOPES[..3]) } else { Vec::new() },
            x: asked(dice),
            inner: asked(dice),
            windows: if seldom(dice, 5) {
                dice.some(2, &[When::Night, When::OneNight, When::Weekend, When::Kolkata])
            } else {
                Vec::new()
            },
            from: seldom(dice, 8),
            until: seldom(dice, 8),
            denial: dice.perhaps(3, denials),
            tools,
            prompts,
            resources,
        }
    }

    fn text(&self, number: usize) -> Value {
        let mut targets = Map::new();
        let mut rule = Map::new();
        let put = |into: &mut Map<String, Value>, key: &str, list: &[&str]| {
            if !list.is_empty() {
                into.insert(key.to_owned(), json!(list));
            }
        };
        put(&mut targets, "tools", &self.tools);
        put(&mut targets, "prompts", &self.prompts);
        put(&mut targets, "resources", &self.resources);
        put(&mut targets, "methods", &self.methods);
        put(&mut targets, "servers", &self.servers);
        put(&mut rule, "roles", &self.roles);
        put(&mut rule, "requires_scopes", &self.scopes);
        put(&mut rule, "through", &self.through);
        let networks: Vec<_> = self.networks.iter().map(|network| NETWORKS[*network].0).collect();
        put(&mut rule, "networks", &networks);
        let hints = hints(self.hints);
        if !hints.is_empty() {
            targets.insert("annotations".into(), hints.into());
        }
        rule.insert("id".into(), number.to_string().into());
        rule.insert(if self.allow { "allow" } else { "deny" }.into(), targets.into());
        if self.everyone {
            rule.insert("everyone".into(), true.into());
        }
        let arguments: Map<_, _> = [("x", self.x), ("/o/x", self.inner)]
            .into_iter()
            .filter_map(|(name, asked)| Some((name.to_owned(), asked?.text())))
            .collect();
        if !arguments.is_empty() {
            rule.insert("arguments".into(), arguments.into());
        }
        if !self.windows.is_empty() {
            rule.insert("when".into(), self.windows.iter().map(|when| when.text()).collect());
        }
        let valid =
            [("from", self.from.then_some(FROM.0)), ("until", self.until.then_some(UNTIL.0))];
        let valid: Map<_, _> =
            valid.into_iter().filter_map(|(key, at)| Some((key.to_owned(), at?.into()))).collect();
        if !valid.is_empty() {
            rule.insert("valid".into(), valid.into());
        }
        if let Some(denial) = self.denial {
            rule.insert("denial".into(), denial.into());
            if denial != "hide" {
                rule.insert("explanation".into(), "Ask for it.".into());
            }
        }
        rule.into()
    }
}

fn hints(hints: [Option<bool>; 4]) -> Map<String, Value> {
    let pairs = HINTS.into_iter().zip(hints);
    pairs.filter_map(|(name, hint)| Some((name.to_owned(), hint?.into()))).collect()
}

pub(super) fn style(denial: &str) -> DenialStyle {
    match denial {
        "explain" => DenialStyle::Explain,
        "tool_result" => DenialStyle::ToolResult,
        _ => DenialStyle::Hide,
    }
}

impl File {
    pub(super) fn draw(dice: &mut Dice<'_>) -> Self {
        Self {
            trusted: [dice.once_in(2), dice.once_in(2)],
            stated: dice.once_in(3).then(|| [(); 4].map(|()| dice.hint(2))),
            named_groups: dice.once_in(3),
            vouching: [dice.perhaps(3, &ISSUERS), dice.perhaps(3, &ISSUERS)],
            hierarchy: dice.once_in(3),
            grantable: dice.once_in(3).then(|| dice.some(2, &SCOPES)),
            roles: ROLES.iter().map(|_| Role::draw(dice)).collect(),
            rules: (0..=dice.below(7)).map(|_| Rule::draw(dice)).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut servers = json!({});
        for (name, trusted) in SERVERS.into_iter().zip(self.trusted) {
            servers[name] = json!({ "trust_annotations": trusted });
        }
        if let Some(stated) = self.stated {
            servers[SERVERS[0]]["annotations"] = json!({ TOOLS[0]: hints(stated) });
        }
        let mut agents = json!({ "bot": { "actors": ["agent-7"] }, "app": { "clients": ["app"] } });
        for (name, issuer) in ["bot", "app"].into_iter().zip(self.vouching) {
            if let Some(issuer) = issuer {
                agents[name]["issuer"] = issuer.into();
            }
        }
        let mut roles = json!({});
        for (name, role) in ROLES.into_iter().zip(&self.roles) {
            roles[name] = role.text();
        }
        let rules: Vec<_> =
            self.rules.iter().enumerate().map(|(number, rule)| rule.text(number)).collect();
        let mut file =
            json!({ "servers": servers, "agents": agents, "roles": roles, "rules": rules });
        if self.named_groups {
            file["groups"] = json!(NAMED.into_iter().collect::<std::collections::BTreeMap<_, _>>());
        }
        if self.hierarchy {
            file["scope_hierarchy"] = json!({ "top": ["s0"], "s0": ["s1"] });
        }
        if let Some(grantable) = &self.grantable {
            file["grantable_scopes"] = json!(grantable);
        }
        file.to_string()
    }
}

impl Role {
    fn text(&self) -> Value {
        let mut role = json!({ "anonymous": self.anonymous });
        let mut add = |key: &str, value: Value| match &mut role[key] {
            Value::Array(values) => values.push(value),
            none => *none = json!([value]),
        };
        let (mut dept, mut team) = (Vec::new(), Vec::new());
        for source in &self.sources {
            match source {
                Source::Group(group) => add("groups", json!(group)),
                Source::Scope(scope) => add("scopes", json!(scope)),
                Source::Claimed(role) => add("roles", json!(role)),
                Source::Client(client) => add("clients", json!(client)),
                Source::Subject(subject) => add("subjects", json!(subject)),
                Source::Dept(value) => dept.push(json!(value)),
                Source::Team(value) => team.push(json!(value)),
            }
        }
        let claims = [("dept", dept), ("/org/teams", team)];
        let claims = claims.into_iter().filter(|(_, values)| !values.is_empty());
        let claims: Map<_, _> =
            claims.map(|(claim, values)| (claim.to_owned(), values.into())).collect();
        if !claims.is_empty() {
            role["claims"] = claims.into();
        }
        for (key, names) in [("issuers", &self.issuers), ("tenants", &self.tenants)] {
            if !names.is_empty() {
                role["from"][key] = json!(names);
            }
        }
        role
    }
}
