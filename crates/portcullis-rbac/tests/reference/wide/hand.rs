//! What a file says about a question, read rule by rule.

use portcullis_core::{Method, TargetKind};
use portcullis_rbac::DenialStyle;
use serde_json::Value;

use super::file::{Asked, File, NAMED, ROLES, Rule, Source, When, style};
use super::{Question, SERVERS, URIS, Who};
use crate::{NETWORKS, TOOLS, Truth, known, matches};

pub(super) struct Hand<'a> {
    pub(super) file: &'a File,
    pub(super) question: &'a Question,
}

/// What is known of the right answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Rules that may be named as allowing.
    pub(super) allowing: Vec<usize>,
    pub(super) by_protocol: bool,
    /// The rule to name where scopes are missing, scopes that must be named, and those that may be.
    pub(super) lacking: Option<usize>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) may_name: Vec<&'static str>,
    pub(super) denied: bool,
    /// Rules that may be named as denying.
    pub(super) denying: Vec<usize>,
    /// Where no rule is named, and it is worked out.
    pub(super) reason: Option<&'static str>,
    pub(super) style: Option<DenialStyle>,
}

/// What is asked for: to use a method, or to run a call as a task.
#[derive(Clone, Copy, PartialEq)]
enum Right {
    Use(&'static str),
    BeginTask,
}

impl Hand<'_> {
    pub(super) fn decide(&self) -> Answer {
        let using = match (self.question.method, self.question.target.map(|target| target.0)) {
            (Method::CompletionComplete, Some(TargetKind::Prompt)) => "prompts/get",
            (method, _) if method.as_str().starts_with("tools") => "tools/call",
            (Method::PromptsGet, _) => "prompts/get",
            (Method::LoggingSetLevel, _) => "logging/setLevel",
            _ => "resources/read",
        };
        let own = match self.question.method {
            Method::ResourcesUnsubscribe => "resources/subscribe",
            method => method.as_str(),
        };
        let task_rules = self.file.rules.iter().any(|rule| rule.methods.contains(&"tasks/create"));
        let mut rights = vec![Right::Use(using)];
        if own != using {
            rights.push(Right::Use(own));
        }
        if self.question.as_task && task_rules {
            rights.push(Right::BeginTask);
        }
        let mut whole = Answer::default();
        for (number, right) in rights.iter().enumerate() {
            let last = number + 1 == rights.len();
            let answer = self.decide_right(*right);
            if answer.denied {
                return answer;
            }
            if whole.lacking.is_none() {
                whole.lacking = answer.lacking;
            }
            for scope in answer.scopes {
                if !whole.scopes.contains(&scope) {
                    whole.scopes.push(scope);
                }
            }
            whole.may_name.extend(answer.may_name);
            whole.by_protocol |= answer.by_protocol;
            // A task is named by the rule that lets the tool be called.
            if last && *right != Right::BeginTask || number == 0 {
                whole.allowing = answer.allowing;
            }
        }
        if whole.lacking.is_some() {
            whole.allowing.clear();
        }
        whole
    }

    fn decide_right(&self, right: Right) -> Answer {
        let mut answer = Answer::default();
        // Nothing is asked of who may run a task where no rule gives that right.
        let granting = |rule: &Rule| {
            rule.allow && rule.methods.contains(&"tasks/create") && !rule.tools.is_empty()
        };
        let free = right == Right::BeginTask && !self.file.rules.iter().any(granting);
        let rules = || self.file.rules.iter().enumerate();
        // Denials, in any form.
        let mut perhaps_denied = false;
        for (number, rule) in rules().filter(|(_, rule)| !rule.allow) {
            if !self.denied_forms().iter().any(|form| self.is_about(rule, form))
                || !self.conditions_hold(rule, right)
            {
                continue;
            }
            if self.has(rule) {
                answer.denying.push(number);
            } else {
                perhaps_denied |= self.might_have(rule);
            }
        }
        let mut perhaps_allowed = false;
        let mut in_vain = false;
        let mut all_allowed = true;
        let mut shown = None;
        for form in self.allowed_forms() {
            let (mut allowing, mut lacking) = (Vec::new(), None);
            for (number, rule) in rules().filter(|(_, rule)| rule.allow) {
                let only_exact = self.is_odd() && !rule.resources.contains(&form);
                if !self.is_about(rule, form) || only_exact {
                    continue;
                }
                if shown.is_none() {
                    shown = rule.denial;
                }
                if right == Right::BeginTask && !granting(rule)
                    || !self.conditions_hold(rule, right)
                {
                    continue;
                }
                if !self.has(rule) {
                    perhaps_allowed |= self.might_have(rule);
                } else if rule.scopes.iter().all(|scope| self.holds(scope)) {
                    answer.may_name.extend(&rule.scopes);
                    allowing.push(number);
                } else if rule.scopes.iter().all(|scope| self.can_get(scope)) {
                    lacking = lacking.or(Some(number));
                } else {
                    // By a group as well as without, and in vain: either reason will do.
                    in_vain |= self.might_have(rule);
                }
            }
            if let (true, Some(number)) = (allowing.is_empty(), lacking) {
                answer.lacking = answer.lacking.or(Some(number));
                answer.scopes.extend(&self.file.rules[number].scopes);
                answer.may_name.extend(&self.file.rules[number].scopes);
            } else if allowing.is_empty() && !free {
                all_allowed = false;
            }
            if answer.allowing.is_empty() {
                answer.allowing = allowing;
            }
        }
        let sets_level = self.question.target.is_none();
        let denied = !answer.denying.is_empty() || perhaps_denied;
        if sets_level && !denied && !all_allowed && !perhaps_allowed {
            let given = rules().any(|(_, rule)| rule.allow && rule.methods == ["logging/setLevel"]);
            answer.by_protocol = !given && self.question.who.is_some();
            all_allowed = answer.by_protocol;
        }
        answer.denied = denied || !all_allowed;
        let named =
            matches!(self.question.target, Some((TargetKind::Tool | TargetKind::Prompt, _)));
        if answer.denied && named {
            let unknown = perhaps_denied || perhaps_allowed;
            let reason = if unknown { "groups_unknown" } else { "default_deny" };
            answer.reason = (!in_vain).then_some(reason);
            let shown = shown.filter(|_| self.question.who.is_some() && !perhaps_denied);
            let about_call = right != Right::BeginTask;
            answer.style = about_call.then(|| shown.map_or(DenialStyle::Hide, style));
        }
        answer
    }

    fn is_odd(&self) -> bool {
        self.question.uri.is_some_and(|uri| URIS[uri].normal.is_none() && !self.is_template())
    }

    fn is_template(&self) -> bool {
        let as_template = self.question.method == Method::CompletionComplete
            || matches!(self.question.target, Some((TargetKind::ResourceTemplate, _)));
        as_template && self.question.uri.is_some_and(|uri| URIS[uri].template)
    }

    /// All that must be allowed: what was sent, and its normal form.
    fn allowed_forms(&self) -> Vec<&'static str> {
        match (self.question.target, self.question.uri.map(|uri| &URIS[uri])) {
            (Some(_), Some(uri)) if uri.refused || uri.template && !self.is_template() => {
                vec!["refused:"]
            }
            (Some(_), Some(uri)) => match uri.normal.filter(|normal| *normal != uri.sent) {
                Some(normal) => vec![uri.sent, normal],
                None => vec![uri.sent],
            },
            (Some((_, name)), None) => vec![name],
            (None, _) => vec![""],
        }
    }

    /// All of which none may be denied.
    fn denied_forms(&self) -> Vec<&'static str> {
        let mut forms = self.allowed_forms();
        if let Some(uri) = self.question.uri.filter(|_| forms != ["refused:"]) {
            forms.extend(URIS[uri].as_read);
        }
        forms
    }

    fn is_about(&self, rule: &Rule, form: &str) -> bool {
        let nothing = rule.tools.is_empty() && rule.prompts.is_empty() && rule.resources.is_empty();
        let sets_level = rule.methods == ["logging/setLevel"];
        match self.question.target.map(|target| target.0) {
            None => sets_level,
            Some(TargetKind::Tool) => {
                nothing && !sets_level && !rule.allow
                    || rule.tools.iter().any(|tool| matches(tool, form))
            }
            Some(TargetKind::Prompt) => {
                nothing && !sets_level && rule.methods != ["tasks/create"] && !rule.allow
                    || rule.prompts.iter().any(|prompt| matches(prompt, form))
            }
            Some(_) => {
                nothing && !sets_level && rule.methods != ["tasks/create"] && !rule.allow
                    || rule.resources.iter().any(|pattern| is_under(pattern, form))
            }
        }
    }

    fn conditions_hold(&self, rule: &Rule, right: Right) -> bool {
        let Question { who, server, address, .. } = self.question;
        let mut truths = Vec::new();
        if !rule.methods.is_empty() {
            let completes = self.question.method == Method::CompletionComplete;
            truths.push(known(match right {
                Right::BeginTask => rule.methods.contains(&"tasks/create"),
                Right::Use("completion/complete") if completes => {
                    // Completing is judged as using.
                    let using = match self.question.target {
                        Some((TargetKind::Prompt, _)) => "prompts/get",
                        _ => "resources/read",
                    };
                    rule.methods.contains(&"completion/complete") || rule.methods.contains(&using)
                }
                Right::Use(method) => rule.methods.contains(&method),
            }));
        }
        if !rule.servers.is_empty() {
            truths.push(match server {
                None => Truth::Unknown,
                Some(server) => known(rule.servers.contains(server)),
            });
        }
        let hints = self.hints();
        for (wanted, hint) in rule.hints.into_iter().zip(hints) {
            if let Some(wanted) = wanted {
                truths.push(hint.map_or(Truth::Unknown, |hint| known(hint == wanted)));
            }
        }
        if !rule.through.is_empty() {
            truths.push(match who {
                None => Truth::Unknown,
                Some(who) => known(match rule.through[..] {
                    ["direct"] => who.actors.is_empty() && self.agents(who).is_empty(),
                    ["agent"] => !who.actors.is_empty() || !self.agents(who).is_empty(),
                    _ => rule.through.iter().any(|agent| self.agents(who).contains(agent)),
                }),
            });
        }
        if !rule.networks.is_empty() {
            truths.push(match address {
                None => Truth::Unknown,
                Some(address) => {
                    let address = address.trim_start_matches("::ffff:");
                    known(rule.networks.iter().any(|n| address.starts_with(NETWORKS[*n].1)))
                }
            });
        }
        let minute = self.question.minute;
        if !rule.windows.is_empty() {
            truths.push(known(rule.windows.iter().any(|when| is_in(*when, minute))));
        }
        truths.extend(rule.from.then(|| known(minute >= (24 + 12) * 60)));
        truths.extend(rule.until.then(|| known(minute < 3 * 24 * 60)));
        let json = |text: &'static str| serde_json::from_str::<Value>(text).unwrap();
        let x = (!self.question.odd).then(|| self.question.x.map(json));
        let inner = Some(self.question.inner.map(json));
        for (asked, sent) in [(rule.x, x), (rule.inner, inner)] {
            let Some(asked) = asked else { continue };
            let completes = self.question.method == Method::CompletionComplete;
            truths.push(match sent {
                _ if self.question.listing || completes => known(rule.allow),
                None => Truth::Unknown,
                Some(sent) => argument(asked, sent.as_ref()),
            });
        }
        if rule.allow {
            truths.iter().all(|truth| *truth == Truth::Yes)
        } else {
            !truths.contains(&Truth::No)
        }
    }

    /// What is known of the tool: what the policy says, and what a server says whose word counts.
    fn hints(&self) -> [Option<bool>; 4] {
        let Some(server) = SERVERS.iter().position(|name| Some(*name) == self.question.server)
        else {
            return [None; 4];
        };
        let name = self.question.target.map(|target| target.1);
        let stated = self.file.stated.filter(|_| server == 0 && name == Some(TOOLS[0]));
        let mut hints = stated.unwrap_or_default();
        if let Some(said) = self.question.hints.filter(|_| self.file.trusted[server]) {
            // The defaults of MCP.
            let [reads, destroys, repeats, open] = said;
            hints[0] = hints[0].or(Some(reads == Some(true)));
            hints[1] = hints[1].or(destroys).or(Some(hints[0] == Some(false)));
            hints[2] = hints[2].or(Some(repeats == Some(true)));
            hints[3] = hints[3].or(Some(open != Some(false)));
        }
        hints
    }

    /// The agents through which somebody calls.
    fn agents(&self, who: &Who) -> Vec<&'static str> {
        let [bot, app] = self.file.vouching.map(|issuer| issuer.unwrap_or(who.issuer));
        let mut agents = Vec::new();
        if let Some((issuer, "agent-7")) = who.actors.first()
            && issuer.unwrap_or(who.issuer) == bot
        {
            agents.push("bot");
        }
        if who.client == Some("app") && who.issuer == app {
            agents.push("app");
        }
        agents
    }

    fn holds(&self, scope: &str) -> bool {
        let Some(who) = &self.question.who else { return false };
        let stands_for = |held: &str| {
            held == scope
                || self.file.hierarchy
                    && matches!((held, scope), ("top", "s0" | "s1") | ("s0", "s1"))
        };
        who.scopes.iter().any(|held| stands_for(held))
    }

    fn can_get(&self, scope: &&'static str) -> bool {
        self.holds(scope) || self.file.grantable.as_ref().is_none_or(|all| all.contains(scope))
    }

    fn has(&self, rule: &Rule) -> bool {
        // Whoever must not do it signed in must not do it otherwise either.
        let everyone = rule.everyone && (self.question.who.is_some() || !rule.allow);
        everyone || rule.roles.iter().any(|role| self.has_role(role, false))
    }

    fn might_have(&self, rule: &Rule) -> bool {
        rule.roles.iter().any(|role| self.has_role(role, true))
    }

    /// Whether the caller has a role, or might have it as a member of groups that nobody knows.
    fn has_role(&self, name: &str, perhaps: bool) -> bool {
        let role = &self.file.roles[ROLES.iter().position(|role| *role == name).unwrap()];
        let Some(who) = &self.question.who else { return role.anonymous };
        let from = (role.issuers.is_empty() || role.issuers.contains(&who.issuer))
            && (role.tenants.is_empty() || who.tenant.is_some_and(|t| role.tenants.contains(&t)));
        let limited = !role.issuers.is_empty() || !role.tenants.is_empty();
        let is = |source: &Source| match *source {
            Source::Group(_) if who.groups_unknown => perhaps,
            Source::Group(group) if self.file.named_groups => {
                let ids = NAMED.iter().find(|(name, _)| *name == group).unwrap().1;
                ids.iter().any(|id| who.groups.contains(id))
            }
            Source::Group(group) => who.groups.contains(&group),
            Source::Scope(scope) => self.holds(scope),
            Source::Claimed(role) => who.claimed.contains(&role),
            Source::Client(client) => who.client == Some(client),
            Source::Subject(subject) => who.subject == subject,
            Source::Dept(value) => who.dept == Some(value),
            Source::Team(team) => who.teams.contains(&team),
        };
        from && (limited && role.sources.is_empty() || role.sources.iter().any(is))
    }
}

/// Whether a pattern means this URI, or this form of one.
fn is_under(pattern: &str, uri: &str) -> bool {
    let tail = |start: &str| uri.strip_prefix(start);
    match pattern {
        "**" => true,
        "NOTE:///a/b" => uri == pattern || uri == "note:///a/b",
        "note:///a/*" => tail("note:///a/").is_some_and(|tail| !tail.contains('/')),
        "note:///*/b" => tail("note:///")
            .and_then(|tail| tail.strip_suffix("/b"))
            .is_some_and(|middle| !middle.contains('/')),
        "note:///**" => tail("note:///").is_some(),
        "note:///**/b" => tail("note:///").is_some_and(|t| t == "b" || t.ends_with("/b")),
        "file:///a/*" => tail("file:///a/").is_some_and(|tail| !tail.contains('/')),
        "file:///**" => tail("file:///").is_some(),
        exact => exact == uri,
    }
}

fn is_in(when: When, minute: u64) -> bool {
    let (day, hour) = (minute / 1440, minute / 60 % 24);
    match when {
        When::Night => !(6..22).contains(&hour),
        When::OneNight => day == 1 && hour >= 22 || day == 2 && hour < 6,
        When::Weekend => day == 4 || day == 5,
        When::Kolkata => {
            let there = minute + 330;
            let (day, of_day) = (there / 1440 % 7, there % 1440);
            matches!(day, 0 | 3 | 4) && (9 * 60..17 * 60 + 30).contains(&of_day)
        }
    }
}

fn argument(asked: Asked, value: Option<&Value>) -> Truth {
    if let Asked::Present(present) = asked {
        return known(value.is_some() == present);
    }
    let number = |value: &Value| value.is_number().then(|| value.as_f64().unwrap());
    let sent = value.and_then(number);
    let (text, list) = (value.and_then(Value::as_str), value.and_then(Value::as_array));
    let length = text.map(str::len).or(list.map(Vec::len));
    let holds = match asked {
        Asked::Present(_) => None,
        Asked::Equals(wanted) => sent.map(|n| n == f64::from(wanted)),
        Asked::Min(least) => sent.map(|n| n >= f64::from(least)),
        Asked::Max(most) => sent.map(|n| n <= f64::from(most)),
        Asked::In => text.map(|text| text == "ab" || text == "1"),
        Asked::Prefix => text.map(|text| text.starts_with('a')),
        Asked::Suffix => text.map(|text| text.ends_with('a')),
        Asked::Matches => text.map(|text| text.len() == 2 && text.starts_with('b')),
        Asked::Under => text
            .filter(|text| text.starts_with('/') && !text.contains(".."))
            .map(|text| text == "/srv" || text.starts_with("/srv/")),
        Asked::MinLength(least) => length.map(|length| length >= usize::from(least)),
        Asked::MaxLength(most) => length.map(|length| length <= usize::from(most)),
        Asked::EachMax(most) => {
            let above = |item| number(item).is_some_and(|n| n > f64::from(most));
            match list {
                Some(list) if list.iter().any(above) => Some(false),
                Some(list) if list.iter().all(Value::is_number) => Some(true),
                _ => None,
            }
        }
    };
    holds.map_or(Truth::Unknown, known)
}
