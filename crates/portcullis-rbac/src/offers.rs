//! Whether a caller may use anything of a kind at all.

use portcullis_core::TargetKind;

use crate::Query;
use crate::bits::Bits;
use crate::kind::Kind;
use crate::rule::Effect;
use crate::tables::Tables;
use crate::who::Who;

impl Tables {
    /// Whether some rule gives the caller something of this kind: `false` only when none can.
    pub(crate) fn offers(&self, policy: u64, query: &Query<'_>, kind: TargetKind) -> bool {
        let list = match kind {
            TargetKind::Tool => Kind::Tools,
            TargetKind::Prompt => Kind::Prompts,
            TargetKind::Resource | TargetKind::ResourceTemplate => Kind::Resources,
            _ => return true,
        };
        self.as_seen_by(policy, query, |who| self.offers_to(who, query, list))
    }

    fn offers_to(&self, who: &Who, query: &Query<'_>, list: Kind) -> bool {
        let server = query
            .server()
            .and_then(|name| self.servers.iter().position(|server| server.name == name));
        let all = if list == Kind::Resources { "**" } else { "*" };
        let mut about = self
            .laws
            .iter()
            .zip(&self.source.rules)
            .map(|(law, rule)| (law, list.words(rule)))
            .filter(|(_, words)| !words.is_empty());
        let is_all_denied = about.clone().any(|(law, words)| {
            law.effect == Effect::Deny
                && law.conditions.is_none()
                && law.roles.meets(&who.roles)
                && words.iter().any(|word| word.text == all)
        });
        // Whose groups are not known may turn out to have the role.
        let is_theirs = |roles: &Bits| roles.meets(&who.roles) || roles.meets(&who.perhaps);
        !is_all_denied
            && about.any(|(law, _)| {
                let servers = law.conditions.as_ref().and_then(|c| c.servers.as_deref());
                law.effect == Effect::Allow
                    && is_theirs(&law.roles)
                    && servers.is_none_or(|named| server.is_some_and(|it| named.contains(&it)))
            })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AnonymousReason, Caller, Principal, Version};

    use super::*;
    use crate::{Authorizer as _, Policy, Role, Rule, Server};

    fn query<'a>(caller: &'a Caller) -> Query<'a> {
        Query::new(caller, Version::V2026_07_28, portcullis_core::Method::ToolsCall).in_a_list()
    }

    fn of(group: &str) -> Caller {
        let alice = Principal::builder("https://id.example", "alice");
        Caller::Verified(alice.group(group).build().into())
    }

    #[test]
    fn what_some_rule_may_give_is_offered() {
        use TargetKind::{Prompt, Resource, ResourceTemplate, Task, Tool};

        let policy = Policy::builder()
            .add_role(Role::new("reader").group("staff"))
            .add_role(Role::new("blocked").group("blocked"))
            .add_role(Role::new("some").group("some"))
            .add_server(Server::new("notes"))
            .add_rule(
                Rule::allow("tools")
                    .tools(["get"])
                    .roles(["reader", "blocked"])
                    .requires_scopes(["s"]),
            )
            .add_rule(Rule::allow("prompts").prompts(["p*"]).roles(["reader"]).servers(["notes"]))
            .add_rule(Rule::allow("files").resources(["file:///a"]).roles(["blocked", "some"]))
            .add_rule(Rule::deny("no-tools").tools(["*"]).roles(["blocked"]))
            .add_rule(Rule::deny("no-file").resources(["file:///**"]).roles(["some"]))
            .build()
            .unwrap();
        let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
        let rows = [
            ("a reader", of("staff"), None, vec![Tool, Task]),
            ("on the server of a rule", of("staff"), Some("notes"), vec![Tool, Prompt, Task]),
            ("on another server", of("staff"), Some("mail"), vec![Tool, Task]),
            ("all tools denied", of("blocked"), None, vec![Resource, ResourceTemplate, Task]),
            ("some resources denied", of("some"), None, vec![Resource, ResourceTemplate, Task]),
            ("without a role", of("others"), None, vec![Task]),
            ("nobody", anonymous.clone(), None, vec![Task]),
        ];
        for (name, caller, server, expected) in &rows {
            let query = match server {
                Some(server) => query(caller).of_server(server),
                None => query(caller),
            };
            let kinds = [Tool, Prompt, Resource, ResourceTemplate, Task];
            let offered: Vec<_> =
                kinds.into_iter().filter(|kind| policy.offers(&query, *kind)).collect();
            assert_eq!(&offered, expected, "{name}");
            assert_eq!(
                std::sync::Arc::new(&policy).offers(&query, Tool),
                expected.contains(&Tool),
                "{name}"
            );
        }
        let all = Policy::danger_permit_all();
        assert!(all.offers(&query(&of("others")), Tool));
        assert!(!all.offers(&query(&anonymous), Tool));
        assert!(!Policy::deny_all().offers(&query(&of("staff")), Tool));
    }

    /// Groups that a token leaves out may be the right ones.
    #[test]
    fn what_turns_on_unknown_groups_is_offered() {
        let policy = Policy::builder()
            .add_role(Role::new("reader").group("staff"))
            .add_rule(Rule::allow("tools").tools(["get"]).roles(["reader"]))
            .build()
            .unwrap();
        let alice = Principal::builder("https://id.example", "alice").groups_unknown();
        let alice = Caller::Verified(alice.build().into());
        assert!(policy.offers(&query(&alice), TargetKind::Tool));
    }
}
