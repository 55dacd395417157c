//! What a service may send to its client unasked (requirements 2.3, 2.4).

use portcullis_core::{Era, Reason, Version};

use crate::capability::{self, Declared};
use crate::config::ServerRequests;
use crate::filter::skip;
use crate::json::{JsonLimits, Kind, Scanner};
use crate::names::{ELSEWHERE, Known, is_unclear};
use crate::task;
use crate::violation::Violation;

/// Whether a service may send `message`, a request of `method`, on a stream of `version`.
pub(crate) fn may_request(
    allowed: &ServerRequests,
    version: Version,
    method: &str,
    message: &[u8],
    limits: JsonLimits,
) -> Result<bool, Violation> {
    Ok(match method {
        _ if version.era() == Era::Modern => false,
        "ping" => true,
        "sampling/createMessage" => allowed.sampling,
        "roots/list" => allowed.roots,
        "elicitation/create" if version >= Version::V2025_06_18 => {
            let member = |name| task::find(message, &["params", name], limits);
            check_names(message, limits)?;
            if member("url")?.is_some_and(|(_, url)| !allowed.urls.allow(&url)) {
                return Ok(false);
            }
            match member("mode")?.as_ref().map(|(_, mode)| mode.as_str()) {
                None | Some("form") => allowed.forms,
                Some("url") if version >= Version::V2025_11_25 => member("url")?.is_some(),
                Some(_) => false,
            }
        }
        _ => false,
    })
}

/// What says where an elicitation sends people. Whatever its mode, a URL must be one that they may be sent to: to the
/// Python SDK, what has a URL and no mode is of the mode `url`.
static ELICITATION: Known = Known::new(&["mode", "url"]);

/// Refuses the name of a parameter of an elicitation that some clients would take for one that counts.
pub(crate) fn check_name(name: &str) -> Result<(), Violation> {
    if is_unclear(name, &ELICITATION) { Err(Violation::new(Reason::DupKey)) } else { Ok(()) }
}

fn check_names(message: &[u8], limits: JsonLimits) -> Result<(), Violation> {
    let mut scanner = Scanner::new(message, limits)?;
    scanner.object(|scanner, name| {
        if !name.eq("params") || scanner.peek()? != Kind::Object {
            return skip(scanner);
        }
        scanner.object(|scanner, name| {
            check_name(&name.decoded())?;
            skip(scanner)
        })
    })
}

/// The code of an error which says that the user must first go to some URL (2025-11-25).
pub(crate) const GO_ELSEWHERE: i64 = -32042;

/// Refuses such an `error` with a URL to which the service may not send people (R-215), and one for a client that did
/// not say that it can send them anywhere (R-080).
pub(crate) fn check_visits(
    allowed: &ServerRequests,
    declared: Declared,
    error: &[u8],
    limits: JsonLimits,
) -> Result<(), Violation> {
    let mut scanner = Scanner::new(error, limits)?;
    let (mut any, mut all) = (false, true);
    scanner.object(|scanner, name| {
        if !name.eq("data") || scanner.peek()? != Kind::Object {
            return skip(scanner);
        }
        scanner.object(|scanner, name| {
            if !name.eq("elicitations") || scanner.peek()? != Kind::Array {
                if is_unclear(&name.decoded(), &ELSEWHERE) {
                    return Err(Violation::new(Reason::DupKey));
                }
                return skip(scanner);
            }
            scanner.array(|scanner| {
                let range = scanner.skip()?;
                let elicitation = scanner.slice(range).as_bytes();
                Scanner::new(elicitation, limits)?.object(|scanner, name| {
                    check_name(&name.decoded())?;
                    skip(scanner)
                })?;
                let url = task::find(elicitation, &["url"], limits)?;
                any = true;
                all &= url.is_some_and(|(_, url)| allowed.urls.allow(&url));
                Ok(())
            })
        })
    })?;
    if !all {
        return Err(Violation::new(Reason::PolicyDenied));
    }
    if any && !declared.url {
        return Err(Violation::requires(capability::URL));
    }
    Ok(())
}

/// Whether a deployment can switch off requests of `method`.
pub(crate) fn has_switch(method: &str) -> bool {
    matches!(method, "sampling/createMessage" | "roots/list" | "elicitation/create")
}

/// The answer to a request of `method` that the service may not send (R-215).
pub(crate) fn declined(method: &str, id: &str) -> String {
    let says = match method {
        "sampling/createMessage" => {
            r#""error":{"code":-1,"message":"User rejected sampling request"}"#
        }
        "roots/list" => r#""error":{"code":-32601,"message":"Roots not supported"}"#,
        "elicitation/create" => r#""result":{"action":"decline"}"#,
        _ => r#""error":{"code":-32601,"message":"Method not found"}"#,
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},{says}}}"#)
}

/// Whether a service may send the notification `method` on a stream of `version`, other than one
/// opened by `subscriptions/listen`.
pub(crate) fn may_notify(version: Version, method: &str) -> bool {
    let legacy = version.era() == Era::Legacy;
    match method {
        "notifications/progress" | "notifications/message" => true,
        "notifications/cancelled"
        | "notifications/resources/updated"
        | "notifications/resources/list_changed"
        | "notifications/tools/list_changed"
        | "notifications/prompts/list_changed" => legacy,
        "notifications/elicitation/complete" | "notifications/tasks/status" => {
            version == Version::V2025_11_25
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::UrlHosts;

    const LIMITS: JsonLimits = JsonLimits { depth: 8, values: 100 };

    fn none() -> ServerRequests {
        ServerRequests { sampling: false, roots: false, forms: false, urls: UrlHosts::default() }
    }

    fn may(allowed: &ServerRequests, version: Version, method: &str, params: &str) -> bool {
        let message = format!(r#"{{"method":"{method}","params":{params}}}"#);
        may_request(allowed, version, method, message.as_bytes(), LIMITS).unwrap()
    }

    #[test]
    fn servers_ask_what_the_revision_and_the_deployment_allow() {
        for (method, since) in [
            ("ping", Version::V2025_03_26),
            ("sampling/createMessage", Version::V2025_03_26),
            ("roots/list", Version::V2025_03_26),
            ("elicitation/create", Version::V2025_06_18),
        ] {
            for version in Version::ALL {
                let defined = version.era() == Era::Legacy && version >= since;
                let all = ServerRequests::default();
                assert_eq!(may(&all, version, method, "{}"), defined, "{method} {version}");
                let switched_off = defined && method == "ping";
                assert_eq!(may(&none(), version, method, "{}"), switched_off, "{method} {version}");
            }
        }
        assert!(!may(&ServerRequests::default(), Version::V2025_11_25, "tasks/get", "{}"));
    }

    /// R-215, X-173.
    #[test]
    fn people_are_sent_only_where_they_may_go() {
        let urls = UrlHosts::new(["idp.example.com"]).unwrap();
        let some = ServerRequests { urls, ..none() };
        let url = r#"{"mode":"url","url":"https://idp.example.com/x"}"#;
        let rows = [
            (Version::V2025_11_25, url, true),
            (Version::V2025_06_18, url, false),
            (Version::V2025_11_25, r#"{"mode":"url","url":"https://evil.example/"}"#, false),
            (Version::V2025_11_25, r#"{"mode":"url"}"#, false),
            (Version::V2025_11_25, r#"{"mode":"form"}"#, false),
            (Version::V2025_11_25, r#"{"mode":"page","url":"https://idp.example.com/"}"#, false),
        ];
        for (version, params, expected) in rows {
            assert_eq!(may(&some, version, "elicitation/create", params), expected, "{params}");
            let default = ServerRequests::default();
            let form = params.contains("form");
            assert_eq!(may(&default, version, "elicitation/create", params), form, "{params}");
        }
        // What has a URL sends people there, to some clients whatever its mode.
        let forms = ServerRequests { forms: true, ..some.clone() };
        for (params, expected) in [
            (r#"{"url":"https://idp.example.com/x"}"#, true),
            (r#"{"url":"https://evil.example/"}"#, false),
            (r#"{"url":"https://evil.example/","mode":"form"}"#, false),
        ] {
            for version in [Version::V2025_06_18, Version::V2025_11_25] {
                assert_eq!(
                    may(&forms, version, "elicitation/create", params),
                    expected,
                    "{params}"
                );
            }
        }
        for params in [r#"{"mode":7}"#, r#"{"url":7}"#, r#"{"URL":"x"}"#, r#"{"Mode":"url"}"#] {
            let message = format!(r#"{{"params":{params}}}"#);
            let (method, message) = ("elicitation/create", message.as_bytes());
            let verdict = may_request(&forms, Version::V2025_11_25, method, message, LIMITS);
            assert!(verdict.is_err(), "{params}");
            let error = format!(r#"{{"data":{{"elicitations":[{params}]}}}}"#);
            let able = Declared { url: true, ..Declared::default() };
            let elsewhere = check_visits(&forms, able, error.as_bytes(), LIMITS);
            assert!(elsewhere.is_err(), "{params}");
        }
    }

    #[test]
    fn unknown_notifications_stay_behind() {
        assert!(may_notify(Version::V2025_11_25, "notifications/tasks/status"));
        assert!(!may_notify(Version::V2025_06_18, "notifications/tasks/status"));
        assert!(!may_notify(Version::V2025_11_25, "vendor/tools"));
        assert!(!may_notify(Version::V2026_07_28, "notifications/tools/list_changed"));
        assert!(may_notify(Version::V2026_07_28, "notifications/progress"));
    }
}
