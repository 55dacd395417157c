//! From verdicts about rules to a decision that names them.

use portcullis_core::{Reason, Text};

use super::Tables;
use crate::Decision;
use crate::docket::add_scopes;
use crate::judge::Verdict;
use crate::who::Who;

impl Tables {
    /// Names the rules. `also` is a second rule whose scopes are needed.
    pub(crate) fn decision(&self, who: &Who, verdict: Verdict, also: Option<usize>) -> Decision {
        let id = |rule: usize| self.ids.get(rule).cloned();
        match verdict {
            Verdict::Allow(rule) => {
                id(rule).map_or_else(Decision::default_deny, |rule| Decision::Allow { rule })
            }
            Verdict::Deny(rule) => self.denial(who, id(rule), Reason::PolicyDenied, Some(rule)),
            Verdict::Nothing(reason, styled) => self.denial(who, None, reason, styled),
            Verdict::Scopes(rule) => {
                let mut scopes: Vec<String> = Vec::new();
                let rules = [Some(rule), also].into_iter().flatten();
                for scope in
                    rules.filter_map(|rule| self.laws.get(rule)).flat_map(|law| &law.scope_names)
                {
                    if !scopes.contains(scope) {
                        scopes.push(scope.clone());
                    }
                }
                Decision::NeedsScopes { rule: id(rule).unwrap_or_default(), scopes }
            }
        }
    }

    /// A denial that looks as the rule `styled` says. To somebody who has not signed in, nothing
    /// is explained.
    fn denial(
        &self,
        who: &Who,
        rule: Option<Text>,
        reason: Reason,
        styled: Option<usize>,
    ) -> Decision {
        let law = styled.and_then(|rule| self.laws.get(rule)).filter(|_| who.signed_in);
        Decision::Deny {
            rule,
            reason,
            style: law.and_then(|law| law.denial).unwrap_or_default(),
            explanation: law.and_then(|law| law.explanation.clone()),
        }
    }

    /// Both rights are needed. A challenge names the scopes of both, and is of no use where one is
    /// denied.
    pub(super) fn joined(&self, using: Decision, own: Decision) -> Decision {
        let of_rule = |rule: &Text| {
            let number = self.ids.iter().position(|id| id == rule);
            let law = number.and_then(|number| self.laws.get(number));
            law.map(|law| law.scope_names.clone()).unwrap_or_default()
        };
        match (using, own) {
            (Decision::NeedsScopes { rule, mut scopes }, Decision::Allow { rule: other }) => {
                add_scopes(&mut scopes, of_rule(&other));
                Decision::NeedsScopes { rule, scopes }
            }
            (
                Decision::NeedsScopes { rule, mut scopes },
                Decision::NeedsScopes { scopes: others, .. },
            ) => {
                add_scopes(&mut scopes, others);
                Decision::NeedsScopes { rule, scopes }
            }
            (Decision::Allow { rule: other }, Decision::NeedsScopes { rule, mut scopes }) => {
                add_scopes(&mut scopes, of_rule(&other));
                Decision::NeedsScopes { rule, scopes }
            }
            (_, own) => own,
        }
    }
}
