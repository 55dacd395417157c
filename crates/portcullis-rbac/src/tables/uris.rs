//! What is decided about a URI, in each form that it may be read in.

use portcullis_core::Reason;

use super::Tables;
use crate::condition::Case;
use crate::judge::{Verdict, denied, judge};
use crate::uri::Reading;
use crate::who::Who;
use crate::{Decision, uri};

impl Tables {
    /// Both forms must be allowed; denying any form, the careless one included, denies.
    pub(super) fn judge_uri(
        &self,
        who: &Who,
        case: &Case<'_>,
        uri: &str,
        template: bool,
    ) -> Decision {
        let nothing = Verdict::Nothing(Reason::DefaultDeny, None);
        let (normal, bare) = match uri::read(uri, template) {
            Reading::Refused => return self.decision(who, nothing, None),
            Reading::Odd => {
                let Some(entry) = self.resources.exact(uri) else {
                    return self.decision(who, nothing, None);
                };
                let loosely = self.denied_loosely(who, case, uri);
                let judged = || judge(&self.laws, who, case, std::iter::once(entry));
                return self.decision(who, loosely.unwrap_or_else(judged), None);
            }
            Reading::Plain { normal, bare } => (normal, bare),
        };
        let as_sent = self.judge_form(who, case, uri);
        if as_sent.denies() {
            return self.decision(who, as_sent, None);
        }
        if let Some(form) = normal.get(..bare).filter(|form| form.len() < normal.len())
            && let Some(denied) = self.denied_form(who, case, form)
        {
            return self.decision(who, denied, None);
        }
        if let Some(denied) = self.denied_loosely(who, case, &normal) {
            return self.decision(who, denied, None);
        }
        if normal == uri {
            return self.decision(who, as_sent, None);
        }
        let in_normal_form = self.judge_form(who, case, &normal);
        if in_normal_form.denies() {
            return self.decision(who, in_normal_form, None);
        }
        match (as_sent, in_normal_form) {
            (Verdict::Allow(rule), Verdict::Scopes(_)) => {
                self.decision(who, in_normal_form, Some(rule))
            }
            (Verdict::Scopes(_), Verdict::Allow(other) | Verdict::Scopes(other)) => {
                self.decision(who, as_sent, Some(other))
            }
            _ => self.decision(who, as_sent, None),
        }
    }

    fn judge_form(&self, who: &Who, case: &Case<'_>, uri: &str) -> Verdict {
        match self.resources.exact(uri) {
            Some(entry) => judge(&self.laws, who, case, std::iter::once(entry)),
            None => self.resources.matching(uri, |entries| judge(&self.laws, who, case, entries)),
        }
    }

    fn denied_form(&self, who: &Who, case: &Case<'_>, uri: &str) -> Option<Verdict> {
        match self.resources.exact(uri) {
            Some(entry) => denied(&self.laws, who, case, std::iter::once(entry)),
            None => self.resources.matching(uri, |entries| denied(&self.laws, who, case, entries)),
        }
    }

    fn denied_loosely(&self, who: &Who, case: &Case<'_>, uri: &str) -> Option<Verdict> {
        self.denials.as_ref()?.denied(&self.laws, who, case, uri)
    }
}
