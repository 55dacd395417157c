//! Whether to send requests here: a pure function of what sources say.

use std::time::Duration;

use serde::Serialize;

use crate::report::{Expiry, Keys, Report};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $help:literal])+ $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $help])+ $variant,)+
        }

        impl $name {
            /// Every code that there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code in answers and labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

codes! {
    /// Why a gate is not ready.
    Unready {
        /// Nothing is watched: nobody knows.
        NothingWatched = "nothing_watched",
        /// Signatures of no issuer can be verified.
        NoKeys = "no_keys",
        /// A sink does not take audit records that must be on record.
        SinkNotAccepting = "sink_not_accepting",
        /// The list of blocked people is so old that nobody is let in.
        BlocksTooOld = "blocks_too_old",
        /// The process is about to end.
        ShuttingDown = "shutting_down",
    }
}

codes! {
    /// What will be trouble if nobody does anything.
    Warning {
        /// Signatures of an issuer cannot be verified; those of others can.
        KeysMissing = "keys_missing",
        /// The latest fetch of an issuer's keys failed. Older ones are in use.
        KeysNotRefreshed = "keys_not_refreshed",
        /// The newest version of the policy cannot be used. An older one is in force.
        PolicyNotReloaded = "policy_not_reloaded",
        /// The store of the roster is out of reach, or does not answer. The list of blocked people is an old one.
        BlocksNotRefreshed = "blocks_not_refreshed",
        /// The queue of a sink is more than four fifths full.
        SinkBehind = "sink_behind",
        /// A sink that requests do not wait for takes no records: they are dropped and counted.
        SinkDropping = "sink_dropping",
        /// A certificate or a key runs out soon.
        ExpiresSoon = "expires_soon",
        /// A certificate or a key has run out.
        Expired = "expired",
        /// Nobody can say when a certificate runs out.
        ExpiryUnknown = "expiry_unknown",
    }
}

/// Whether to send requests here, why not, and what will be trouble; made by
/// [`Telemetry::readiness`](crate::Telemetry::readiness). As JSON it is what `/ready` answers.
///
/// It names routes, issuers, sinks and certificates, as they are configured. There is nothing in it
/// of any request.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether requests will be served.
    pub ready: bool,
    /// Why not. Empty when they will.
    pub reasons: Vec<Finding>,
    /// What will be trouble if nobody does anything.
    pub warnings: Vec<Finding>,
}

/// One thing that is wrong, or will be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What: the word of an [`Unready`] or of a [`Warning`].
    pub code: &'static str,
    /// At which gate; `None` for the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// About what: an issuer, a sink, a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// In how many seconds it matters (`keys_not_refreshed`, `expires_soon`), or since how many
    /// (`policy_not_reloaded`, `blocks_not_refreshed`, `blocks_too_old`, `expired`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Finding {
    fn new(code: &'static str, route: &str, about: Option<&str>, time: Option<Duration>) -> Self {
        Self {
            code,
            route: Some(route.to_owned()),
            about: about.map(str::to_owned),
            seconds: time.map(|time| time.as_secs()),
        }
    }
}

/// Judges what the sources of each route say.
pub(crate) fn judge(
    reports: &[(String, Report)],
    now: Duration,
    soon: Duration,
    ending: bool,
) -> Readiness {
    let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
    let process = |unready: Unready| Finding {
        code: unready.as_str(),
        route: None,
        about: None,
        seconds: None,
    };
    if ending {
        reasons.push(process(Unready::ShuttingDown));
    }
    if reports.is_empty() {
        reasons.push(process(Unready::NothingWatched));
    }
    for (route, report) in reports {
        judge_keys(route, &report.keys, &mut reasons, &mut warnings);
        for sink in &report.sinks {
            if !sink.accepting && !sink.required {
                let code = Warning::SinkDropping.as_str();
                warnings.push(Finding::new(code, route, Some(&sink.name), None));
            } else if !sink.accepting {
                let code = Unready::SinkNotAccepting.as_str();
                reasons.push(Finding::new(code, route, Some(&sink.name), None));
            } else if sink.queued.saturating_mul(5) > sink.capacity.saturating_mul(4) {
                let code = Warning::SinkBehind.as_str();
                warnings.push(Finding::new(code, route, Some(&sink.name), None));
            }
        }
        if let Some(since) = report.policy.and_then(|policy| policy.failing) {
            let code = Warning::PolicyNotReloaded.as_str();
            warnings.push(Finding::new(code, route, None, Some(now.saturating_sub(since))));
        }
        if let Some(roster) = report.roster {
            let age = Some(roster.blocks_age);
            if roster.refusing {
                let code = Unready::BlocksTooOld.as_str();
                reasons.push(Finding::new(code, route, None, age));
            } else if roster.failing {
                let code = Warning::BlocksNotRefreshed.as_str();
                warnings.push(Finding::new(code, route, None, age));
            }
        }
        let expiries = report.expiries.iter();
        warnings.extend(expiries.filter_map(|expiry| judge_expiry(route, expiry, now, soon)));
    }
    Readiness { ready: reasons.is_empty(), reasons, warnings }
}

/// A gate without any usable keys can let nobody in. One of several issuers that is away keeps only
/// its own people out, and is no reason to send the others to another replica.
fn judge_keys(route: &str, keys: &[Keys], reasons: &mut Vec<Finding>, warnings: &mut Vec<Finding>) {
    let none = !keys.iter().any(|keys| keys.usable);
    for keys in keys {
        let about = Some(keys.issuer.as_str());
        if !keys.usable && none {
            reasons.push(Finding::new(Unready::NoKeys.as_str(), route, about, None));
        } else if !keys.usable {
            warnings.push(Finding::new(Warning::KeysMissing.as_str(), route, about, None));
        } else if keys.failing {
            let left = Some(keys.usable_for);
            warnings.push(Finding::new(Warning::KeysNotRefreshed.as_str(), route, about, left));
        }
    }
}

fn judge_expiry(route: &str, expiry: &Expiry, now: Duration, soon: Duration) -> Option<Finding> {
    let (warning, time) = match expiry.at {
        None => (Warning::ExpiryUnknown, None),
        Some(at) if at <= now => (Warning::Expired, Some(now.saturating_sub(at))),
        Some(at) if at <= now.saturating_add(soon) => {
            (Warning::ExpiresSoon, Some(at.saturating_sub(now)))
        }
        Some(_) => return None,
    };
    Some(Finding::new(warning.as_str(), route, Some(&expiry.name), time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{AuditSink, ExpiryKind, Policy, Roster};

    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const SOON: Duration = Duration::from_secs(21 * 86_400);

    fn keys(issuer: &str, usable: bool, failing: bool) -> Keys {
        let usable_for = Duration::from_secs(if usable { 90 } else { 0 });
        Keys { fetched: true, usable, failing, usable_for, ..Keys::new(issuer) }
    }

    fn words(readiness: &Readiness) -> String {
        let words = |findings: &[Finding]| {
            let word = |finding: &Finding| {
                let about = finding.about.as_deref().unwrap_or("-");
                let seconds = finding.seconds.map(|s| s.to_string()).unwrap_or_default();
                format!("{} {about} {seconds}", finding.code).trim_end().to_owned()
            };
            findings.iter().map(word).collect::<Vec<_>>().join(", ")
        };
        format!("{} | {}", words(&readiness.reasons), words(&readiness.warnings))
    }

    #[test]
    fn verdicts() {
        type Tell = fn(&mut Report);
        let rows: [(&str, Tell, &str); 16] = [
            ("nothing to say", |_| {}, " | "),
            ("keys", |r| r.keys(keys("a", true, false)), " | "),
            ("fixed keys", |r| r.keys(Keys::new("a")), " | "),
            ("no keys yet", |r| r.keys(keys("a", false, false)), "no_keys a | "),
            (
                "none of two",
                |r| {
                    r.keys(keys("a", false, true));
                    r.keys(keys("b", false, true));
                },
                "no_keys a, no_keys b | ",
            ),
            (
                "one of two",
                |r| {
                    r.keys(keys("a", false, true));
                    r.keys(keys("b", true, false));
                },
                " | keys_missing a",
            ),
            ("old keys", |r| r.keys(keys("a", true, true)), " | keys_not_refreshed a 90"),
            (
                "a full sink",
                |r| {
                    r.sink(AuditSink { accepting: false, queued: 10, ..AuditSink::new("0", 10) });
                    r.sink(AuditSink::new("1", 10));
                },
                "sink_not_accepting 0 | ",
            ),
            (
                "a full sink that may drop",
                |r| {
                    let sink = AuditSink { accepting: false, ..AuditSink::new("0", 10) };
                    r.sink(AuditSink { required: false, ..sink });
                },
                " | sink_dropping 0",
            ),
            (
                "a slow sink",
                |r| {
                    r.sink(AuditSink { queued: 8, ..AuditSink::new("0", 10) });
                    r.sink(AuditSink { queued: 9, ..AuditSink::new("1", 10) });
                },
                " | sink_behind 1",
            ),
            (
                "a broken policy",
                |r| {
                    r.policy(Policy {
                        failing: Some(NOW - Duration::from_secs(60)),
                        ..Policy::default()
                    });
                },
                " | policy_not_reloaded - 60",
            ),
            (
                "a policy",
                |r| r.policy(Policy { loads: 7, failures: 3, ..Policy::default() }),
                " | ",
            ),
            (
                "old blocks",
                |r| {
                    let blocks_age = Duration::from_secs(70);
                    r.roster(Roster { failing: true, blocks_age, ..Roster::default() });
                },
                " | blocks_not_refreshed - 70",
            ),
            (
                "blocks so old that nobody gets in",
                |r| {
                    let blocks_age = Duration::from_secs(70);
                    let roster = Roster { failing: true, refusing: true, ..Roster::default() };
                    r.roster(Roster { blocks_age, ..roster });
                },
                "blocks_too_old - 70 | ",
            ),
            ("blocks", |r| r.roster(Roster { blocked: 2, lost: 1, ..Roster::default() }), " | "),
            (
                "certificates",
                |r| {
                    let certificate = ExpiryKind::Certificate;
                    let at = |after: u64| Some(NOW + Duration::from_secs(after));
                    r.expiry(Expiry::new(certificate, "good", at(22 * 86_400)));
                    r.expiry(Expiry::new(certificate, "soon", at(21 * 86_400)));
                    r.expiry(Expiry::new(ExpiryKind::Key, "now", at(0)));
                    r.expiry(Expiry::new(certificate, "old", Some(NOW - Duration::from_secs(5))));
                    r.expiry(Expiry::new(certificate, "lost", None));
                },
                " | expires_soon soon 1814400, expired now 0, expired old 5, expiry_unknown lost",
            ),
        ];
        for (name, tell, expected) in rows {
            let mut report = Report::default();
            tell(&mut report);
            let readiness = judge(&[("notes".to_owned(), report)], NOW, SOON, false);
            assert_eq!(words(&readiness), expected, "{name}");
            assert_eq!(readiness.ready, expected.starts_with(' '), "{name}");
        }
    }

    #[test]
    fn the_process_is_not_ready_before_it_begins_and_once_it_ends() {
        let readiness = judge(&[], NOW, SOON, false);
        assert_eq!(words(&readiness), "nothing_watched - | ");
        let readiness = judge(&[("notes".to_owned(), Report::default())], NOW, SOON, true);
        assert_eq!(words(&readiness), "shutting_down - | ");
        assert!(!readiness.ready);
    }

    #[test]
    fn one_gate_does_not_speak_for_another() {
        let mut good = Report::default();
        good.keys(keys("a", true, false));
        let mut bad = Report::default();
        bad.keys(keys("a", false, true));
        let reports = [("good".to_owned(), good), ("bad".to_owned(), bad)];
        let readiness = judge(&reports, NOW, SOON, false);
        assert!(!readiness.ready);
        assert_eq!(readiness.reasons[0].route.as_deref(), Some("bad"));
        let json = serde_json::to_string(&readiness).unwrap();
        assert_eq!(
            json,
            r#"{"ready":false,"reasons":[{"code":"no_keys","route":"bad","about":"a"}],"warnings":[]}"#
        );
    }
}
