//! A change of policy in one line, for records.

use std::fmt;

use super::{Audience, Changes, Direction};
use crate::error::one_line;

/// The most changes that are said one by one.
const MAX_SAID: usize = 50;

/// In one line, such as `role admin gains tool purge (rule purges); new: role admin: group it`. What changes for
/// everyone who has signed in is said of them, and not of each role again.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everyone = |change: &&super::AccessChange| change.audience == Audience::Everyone;
        let of_all: Vec<_> = self.access.iter().filter(everyone).collect();
        let is_said = |change: &&super::AccessChange| {
            !matches!(change.audience, Audience::Role(_))
                || !of_all
                    .iter()
                    .any(|all| all.before == change.before && all.after == change.after)
        };
        let access = self.access.iter().filter(is_said).filter_map(|change| {
            let access = change.after.as_ref().or(change.before.as_ref())?;
            let who = match &change.audience {
                Audience::Anonymous => "who has not signed in".to_owned(),
                Audience::Everyone => "everyone".to_owned(),
                Audience::Role(role) => format!("role {role}"),
                Audience::Both(one, other) => format!("who has the roles {one} and {other}"),
            };
            let both = change.before.is_some() && change.after.is_some();
            let what = match (change.direction, both) {
                (Direction::Gained, false) => "gains",
                (Direction::Gained, true) => "gains more of",
                (Direction::Lost, false) => "loses",
                (Direction::Lost, true) => "loses some of",
                (Direction::Changed, _) => "has under other conditions",
            };
            let rules: Vec<&str> = access.grants.iter().map(|grant| grant.rule.as_str()).collect();
            let (kind, target) = (access.kind.as_str(), &access.target);
            Some(format!("{who} {what} {kind} {target} (rule {})", rules.join(", ")))
        });
        let defined = self.defined.iter().map(|line| format!("new: {line}"));
        let undefined = self.undefined.iter().map(|line| format!("gone: {line}"));
        let mut lines = access.chain(defined).chain(undefined);
        let said: Vec<String> = lines.by_ref().take(MAX_SAID).map(one_line).collect();
        let rest = lines.count();
        if said.is_empty() {
            f.write_str("nobody gains or loses access")?;
        }
        f.write_str(&said.join("; "))?;
        if rest > 0 {
            write!(f, "; and {rest} more")?;
        }
        if self.incomplete {
            f.write_str("; there was too much to compare all of it")?;
        }
        Ok(())
    }
}
