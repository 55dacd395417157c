//! Whether the service behind asks the client only for what it said it can give (R-080).

use portcullis_core::Reason;

use crate::config::ServerRequests;
use crate::filter::{expect, skip};
use crate::json::{JsonLimits, Kind, Scanner};
use crate::names::{INPUT, META_CAPABILITIES as CAPABILITIES, TASKS, is_unclear};
use crate::violation::{BAD_RPC, Violation};
use crate::{server, task};

/// What says that a client can send people to a URL.
pub(crate) const URL: &str = r#"{"elicitation":{"url":{}}}"#;

/// What a client declared: with a modern request, or when its session began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Declared {
    pub(crate) form: bool,
    pub(crate) url: bool,
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
}

impl Declared {
    /// Where nobody saw what the client declared: what every client of 2025-06-18 may have. People are sent nowhere.
    pub(crate) const UNSEEN: Self = Self { form: true, url: false, sampling: true, roots: true };

    /// What the client says in `initialize` that it can give.
    pub(crate) fn at_start(initialize: &[u8], limits: JsonLimits) -> Result<Self, Violation> {
        let mut declared = Self::default();
        let mut scanner = Scanner::new(initialize, limits)?;
        read(&mut scanner, &mut declared, &["params", "capabilities"])?;
        Ok(declared)
    }

    /// What the client says with a modern `request` that it can give.
    pub(crate) fn with(request: &[u8], limits: JsonLimits) -> Result<Self, Violation> {
        let mut declared = Self::default();
        let mut scanner = Scanner::new(request, limits)?;
        read(&mut scanner, &mut declared, &["params", "_meta", CAPABILITIES])?;
        Ok(declared)
    }

    /// Whether a client with these can answer `message`, a request of `method` from the service.
    pub(crate) fn can_answer(
        self,
        method: &str,
        message: &[u8],
        limits: JsonLimits,
    ) -> Result<bool, Violation> {
        Ok(match method {
            "sampling/createMessage" => self.sampling,
            "roots/list" => self.roots,
            "elicitation/create" => {
                let mode = task::find(message, &["params", "mode"], limits)?;
                if mode.is_some_and(|(_, mode)| mode == "url") { self.url } else { self.form }
            }
            _ => true,
        })
    }

    /// As a number below 16.
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.form)
            | u8::from(self.url) << 1
            | u8::from(self.sampling) << 2
            | u8::from(self.roots) << 3
    }

    /// What [`bits`](Self::bits) made.
    pub(crate) fn from_bits(bits: u8) -> Self {
        let has = |bit: u8| bits & 1 << bit != 0;
        Self { form: has(0), url: has(1), sampling: has(2), roots: has(3) }
    }
}

/// Refuses `input_requests`, a part of an answer, that go beyond what `request` declared, or beyond
/// what the deployment lets the service ask (R-215).
pub(crate) fn check(
    request: &[u8],
    input_requests: &[u8],
    allowed: &ServerRequests,
    limits: JsonLimits,
) -> Result<(), Violation> {
    let declared = Declared::with(request, limits)?;
    let mut scanner = Scanner::new(input_requests, limits)?;
    expect(&mut scanner, Kind::Object)?;
    scanner.object(|scanner, _| {
        expect(scanner, Kind::Object)?;
        let mut method = None;
        let mut mode = None;
        let mut url = None;
        let mut twin = None;
        scanner.object(|scanner, name| {
            match &*name.decoded() {
                "method" => {
                    expect(scanner, Kind::String)?;
                    method = Some(scanner.string()?.decoded());
                }
                "params" if scanner.peek()? == Kind::Object => {
                    scanner.object(|scanner, name| {
                        if name.eq("mode") {
                            expect(scanner, Kind::String)?;
                            mode = Some(scanner.string()?.decoded());
                        } else if name.eq("url") {
                            expect(scanner, Kind::String)?;
                            url = Some(scanner.string()?.decoded());
                        } else {
                            twin = twin.or(server::check_name(&name.decoded()).err());
                            scanner.skip()?;
                        }
                        Ok::<_, Violation>(())
                    })?;
                }
                other if is_unclear(other, &INPUT) => return Err(Violation::new(Reason::DupKey)),
                _ => skip(scanner)?,
            }
            Ok::<_, Violation>(())
        })?;
        let is_allowed = match method.as_deref() {
            Some("elicitation/create") => {
                if let Some(twin) = twin {
                    return Err(twin);
                }
                // Whatever the mode: some clients take what has a URL for one of that mode.
                let may_go = url.map(|url| allowed.urls.allow(&url));
                let is_url = mode.as_deref() == Some("url");
                may_go.unwrap_or(!is_url) && (is_url || allowed.forms)
            }
            Some("sampling/createMessage") => allowed.sampling,
            Some("roots/list") => allowed.roots,
            _ => return Err(BAD_RPC),
        };
        if !is_allowed {
            return Err(Violation::new(Reason::PolicyDenied));
        }
        let (declared, needed) = match (method.as_deref(), mode.as_deref()) {
            (Some("elicitation/create"), None | Some("form")) => {
                (declared.form, r#"{"elicitation":{}}"#)
            }
            (Some("elicitation/create"), Some("url")) => (declared.url, URL),
            (Some("sampling/createMessage"), _) => (declared.sampling, r#"{"sampling":{}}"#),
            (Some("roots/list"), _) => (declared.roots, r#"{"roots":{}}"#),
            _ => return Err(BAD_RPC),
        };
        if declared { Ok(()) } else { Err(Violation::requires(needed)) }
    })
}

/// Whether `request` declares that its client knows the tasks of 2026-07-28.
pub(crate) fn knows_tasks(request: &[u8], limits: JsonLimits) -> Result<bool, Violation> {
    let path = ["params", "_meta", CAPABILITIES, "extensions", TASKS];
    Ok(task::object(request, &path, limits)?.is_some())
}

fn read(
    scanner: &mut Scanner<'_>,
    declared: &mut Declared,
    path: &[&str],
) -> Result<(), Violation> {
    scanner.object(|scanner, name| {
        if scanner.peek()? != Kind::Object {
            scanner.skip()?;
            return Ok(());
        }
        match path {
            [next, rest @ ..] if name.eq(next) => return read(scanner, declared, rest),
            [] if name.eq("elicitation") => {
                let mut modes = 0_usize;
                scanner
                    .object(|scanner, mode| {
                        // A setting is no mode, and neither is what is null.
                        let (form, url) = (mode.eq("form"), mode.eq("url"));
                        if (form || url) && scanner.peek()? == Kind::Object {
                            modes += 1;
                            declared.form |= form;
                            declared.url |= url;
                        }
                        scanner.skip().map(drop)
                    })
                    .map_err(Violation::from)?;
                // No mode inside means forms only.
                declared.form |= modes == 0;
                return Ok(());
            }
            [] if name.eq("sampling") => declared.sampling = true,
            [] if name.eq("roots") => declared.roots = true,
            _ => {}
        }
        scanner.skip()?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::UrlHosts;

    fn all() -> ServerRequests {
        let urls = UrlHosts::new(["idp.example.com"]).unwrap();
        ServerRequests { urls, ..ServerRequests::default() }
    }

    fn verdict(declared: &str, requests: &str) -> Result<(), Violation> {
        verdict_of(&all(), declared, requests)
    }

    fn verdict_of(
        allowed: &ServerRequests,
        declared: &str,
        requests: &str,
    ) -> Result<(), Violation> {
        let request = format!(
            r#"{{"id":1,"params":{{"_meta":{{"{CAPABILITIES}":{declared}}},"name":"x"}},"method":"tools/call"}}"#
        );
        let limits = JsonLimits { depth: 64, values: 1_000 };
        check(request.as_bytes(), requests.as_bytes(), allowed, limits)
    }

    #[test]
    fn input_is_asked_only_of_clients_that_can_give_it() {
        let form = r#"{"a":{"method":"elicitation/create","params":{"message":"?"}}}"#;
        let url = r#"{"a":{"method":"elicitation/create","params":{"mode":"url","url":"https://idp.example.com/"}}}"#;
        let sampling = r#"{"a":{"method":"sampling/createMessage","params":{}}}"#;
        let roots = r#"{"a":{"method":"roots/list"}}"#;
        let cases = [
            ("a form to a client with an empty declaration", r#"{"elicitation":{}}"#, form, true),
            ("a form to a client with forms", r#"{"elicitation":{"form":{}}}"#, form, true),
            ("a form to a client with URLs only", r#"{"elicitation":{"url":{}}}"#, form, false),
            ("a URL to a form-only client (X-149)", r#"{"elicitation":{}}"#, url, false),
            ("a URL to a client with URLs", r#"{"elicitation":{"url":{}}}"#, url, true),
            ("sampling undeclared", r#"{"elicitation":{}}"#, sampling, false),
            ("sampling declared", r#"{"sampling":{}}"#, sampling, true),
            ("roots undeclared", "{}", roots, false),
            ("roots declared", r#"{"roots":{}}"#, roots, true),
            ("an unknown kind", r#"{"roots":{}}"#, r#"{"a":{"method":"tools/call"}}"#, false),
            ("no object", r#"{"roots":{}}"#, r#"[{"method":"roots/list"}]"#, false),
        ];
        for (name, declared, requests, passes) in cases {
            assert_eq!(verdict(declared, requests).is_ok(), passes, "{name}");
        }
    }

    /// R-215.
    #[test]
    fn what_the_deployment_does_not_allow_is_not_asked() {
        let able = r#"{"elicitation":{},"sampling":{},"roots":{}}"#;
        let rows = [
            ("elicitation/create", ServerRequests { forms: false, ..all() }),
            ("sampling/createMessage", ServerRequests { sampling: false, ..all() }),
            ("roots/list", ServerRequests { roots: false, ..all() }),
        ];
        for (method, allowed) in &rows {
            let asked = format!(r#"{{"a":{{"method":"{method}"}}}}"#);
            let refused = Err(Violation::new(Reason::PolicyDenied));
            let verdict_of = |declared, asked: &str| verdict_of(allowed, declared, asked);
            assert_eq!(verdict_of(able, &asked), refused, "{method}");
            assert_eq!(verdict_of("{}", &asked), refused, "{method}: before all else");
            for (other, _) in rows.iter().filter(|(other, _)| other != method) {
                let asked = format!(r#"{{"a":{{"method":"{other}"}}}}"#);
                assert_eq!(verdict_of(able, &asked), Ok(()), "{method}: {other}");
            }
        }
        let able = r#"{"elicitation":{"url":{}}}"#;
        let form = r#"{"elicitation":{}}"#;
        for (able, params) in [
            (able, r#"{"mode":"url","url":"https://evil.example/"}"#),
            (able, r#"{"mode":"url"}"#),
            (form, r#"{"url":"https://evil.example/"}"#),
            (form, r#"{"mode":"form","url":"https://evil.example/"}"#),
        ] {
            let asked = format!(r#"{{"a":{{"method":"elicitation/create","params":{params}}}}}"#);
            let refused = Err(Violation::new(Reason::PolicyDenied));
            assert_eq!(verdict(able, &asked), refused, "{params}");
        }
        for params in [r#"{"URL":"https://evil.example/"}"#, r#"{"Mode":"url","url":"x"}"#] {
            let asked = format!(r#"{{"a":{{"method":"elicitation/create","params":{params}}}}}"#);
            assert_eq!(verdict(form, &asked), Err(Violation::new(Reason::DupKey)), "{params}");
        }
    }
}
