//! `--check`: what the file would enforce, for whom, in plain words.

use std::fmt::Write as _;

use portcullis::rbac::{Outline, RuleOutline};
use portcullis::settings::{Dpop, Identity, Listener, Problem, Proofs, Sources, socket_address};
use portcullis::{AuditLayer, Policy, SessionKeys};

use crate::config::{Authentication, Config, File, Upstream};
use crate::gate::Shared;
use crate::plan::Plan;
use crate::{audit, gate, local};

/// Builds everything as a start would, but takes no port, opens no audit sink and asks nobody on the network.
pub fn check(file: &File) -> Result<String, Problem> {
    let config = file.config();
    let sources = file.sources(&config.secrets);
    places(config, &sources)?;
    audit::check(config, &sources)?;
    let shared = Shared {
        audit: AuditLayer::danger_off(),
        proofs: Proofs::default(),
        #[cfg(feature = "roster")]
        roster: None,
    };
    let mut told = Told::default();
    let (mut taken, plans) = (Vec::new(), Plan::all(config)?);
    for plan in &plans {
        let draft = gate::draft(plan, &sources, &shared, SessionKeys::random());
        let draft = draft.map_err(|problem| {
            problem.at(&plan.server).about(format_args!("server {}", plan.name))
        })?;
        for path in draft.paths {
            if taken.contains(&path) {
                return Err(Problem::new(format!("two servers answer at {path}")).at(&plan.server));
            }
            taken.push(path);
        }
        told.server(plan, &draft.policy.current());
    }
    told.gateway(config);
    Ok(told.finish())
}

/// Whether there is somewhere to listen, and nobody is let in there who should not be.
pub fn places(config: &Config, sources: &Sources) -> Result<(), Problem> {
    if config.listen.is_empty() {
        return Err(Problem::new("there is nowhere to listen"));
    }
    for place in &config.listen {
        place.check(sources).map_err(|problem| problem.at(place))?;
    }
    if let Some(address) = &config.admin {
        socket_address(address)?;
    }
    if let Some(roster) = &config.roster {
        roster.check(sources).map_err(|problem| problem.at(roster))?;
    }
    local::check(config)
}

#[derive(Default)]
struct Told {
    text: String,
    /// What makes the gateway weaker than its defaults.
    dangers: Vec<String>,
}

impl Told {
    fn line(&mut self, name: &str, text: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "  {name:<12} {}", printable(&text.to_string()));
    }

    fn danger(&mut self, text: impl AsRef<str>) {
        self.dangers.push(printable(text.as_ref()));
    }

    fn server(&mut self, plan: &Plan, policy: &Policy) {
        let _ = writeln!(self.text, "server {}: {}", plan.name, printable(&plan.resource));
        self.upstream(plan);
        self.sign_in(plan);
        self.policy(policy);
        if let Some(pins) = &plan.server.tool_pins {
            self.line("offers", format!("tools as {} has them, and no others", pins.display()));
        }
        match plan.identity.as_deref() {
            Some(Identity::Signed(signed)) => {
                let audience = signed.audience.as_ref().unwrap_or(&plan.resource);
                let text = format!("who is calling, in a header signed for {audience}");
                self.line("it learns", text);
            }
            Some(Identity::Headers(_)) => {
                self.line("it learns", "who is calling, in plain headers: whoever else reaches it");
                self.line("", "can say that they are anybody");
            }
            _ => self.line("it learns", "nothing of who is calling"),
        }
        if let Some(calls) = plan.limits.as_ref().and_then(|limits| limits.calls_per_minute) {
            self.line("at most", format!("{calls} calls of one caller in a minute"));
        }
        if !plan.origins.is_empty() {
            let origins: Vec<&str> = plan.origins.iter().map(|it| it.as_str()).collect();
            self.line("web pages of", origins.join(", "));
        }
        self.text.push('\n');
    }

    fn upstream(&mut self, plan: &Plan) {
        match &*plan.server.upstream {
            Upstream::Http(http) => {
                self.line("is at", &http.url);
                if http.danger_plain_http {
                    self.danger(format!(
                        "server {}: requests cross the network in the clear",
                        plan.name
                    ));
                }
                if let Some(credential) = &http.danger_shared_credential {
                    let secret = credential.secret.as_str();
                    self.line("gets", format!("the secret {secret}, whoever is calling"));
                    self.danger(format!(
                        "server {}: everybody acts there with all that the secret {secret} allows",
                        plan.name
                    ));
                }
            }
            Upstream::Stdio(stdio) => {
                self.line("is", format!("the command {}", stdio.command.display()));
                self.line("", "in processes of each caller's own");
                for (name, secret) in &stdio.secret_env {
                    self.line(
                        "",
                        format!("whose variable {name} is the secret {}", secret.as_str()),
                    );
                }
            }
            Upstream::Demo => self.line("is", "the demo in this process"),
        }
    }

    fn sign_in(&mut self, plan: &Plan) {
        match &*plan.authentication {
            Authentication::Tokens(tokens) => {
                for issuer in &tokens.issuers {
                    let mut audiences = vec![plan.resource.clone()];
                    audiences.extend(issuer.audiences.clone());
                    let text = format!("with tokens of {}", **issuer);
                    self.line("people enter", text);
                    self.line("", format!("that are for {}", audiences.join(" or ")));
                    for (claim, values) in &issuer.require_claims {
                        self.line("", format!("whose {claim} is {}", values.0.join(" or ")));
                    }
                    if issuer.introspection.is_some() {
                        self.line("", "and it is asked about tokens that say nothing themselves");
                    }
                }
                match tokens.dpop {
                    Some(Dpop::Accepted) => self.line("", "bound to a key or not (DPoP)"),
                    Some(_) => self.line("", "each bound to a key (DPoP), and no others"),
                    None => {}
                }
            }
            Authentication::Sidecar(sidecar) => {
                self.line("people enter", format!("as {sidecar}"));
                if sidecar.shared_secret.is_some() {
                    self.line("", "if it sends the shared secret");
                }
            }
            Authentication::DangerDevelopment(development) => {
                let people: Vec<&str> = development.people.keys().map(String::as_str).collect();
                self.line("people enter", format!("by saying that they are {}", people.join(", ")));
                self.danger(format!("server {}: nobody is asked for a password", plan.name));
            }
        }
    }

    fn policy(&mut self, policy: &Policy) {
        let Outline { roles, rules, .. } = policy.outline();
        for role in roles {
            self.line("role", format!("{}: {}", role.name, role.sources.join(", ")));
        }
        for rule in rules {
            let word = if rule.allows { "may" } else { "must not" };
            self.line(word, sentence(&rule));
        }
        self.line("", "and nothing else is allowed");
        for warning in policy.warnings() {
            self.danger(format!("policy: {}", warning.message()));
        }
    }

    fn gateway(&mut self, config: &Config) {
        self.text.push_str("the gateway\n");
        for listener in &config.listen {
            self.line("listens on", &**listener);
            if let Listener::Http(address) = &**listener
                && !listener.is_local().unwrap_or(false)
            {
                let address = address.as_str();
                self.danger(format!(
                    "{address} is without TLS: put something before it that has it"
                ));
            }
        }
        if let Some(admin) = &config.admin {
            if !socket_address(admin).is_ok_and(|it| it.ip().is_loopback()) {
                let admin = admin.as_str();
                self.danger(format!("{admin} tells everybody who reaches it how the gateway is"));
            }
            self.line("health", format!("http://{}/ready, /live and /metrics", admin.as_str()));
        }
        match &config.audit {
            None => self.line("records go to", "standard error"),
            Some(audit) => {
                for sink in &audit.sinks {
                    self.line("records go to", &**sink);
                }
                if audit.danger_fail_open {
                    self.danger("calls run although they cannot be recorded");
                }
            }
        }
        if let Some(roster) = &config.roster {
            self.line("people are in", &**roster);
            self.line("", "and who is blocked there is refused");
        }
        for (name, secret) in &config.secrets {
            self.line("secret", format!("{name}, from {secret}"));
        }
    }

    fn finish(mut self) -> String {
        if !self.dangers.is_empty() {
            self.text.push_str("\nBEWARE\n");
            for danger in &self.dangers {
                let _ = writeln!(self.text, "  {danger}");
            }
        }
        self.text
    }
}

/// Who may do what, and when, of one rule.
fn sentence(rule: &RuleOutline) -> String {
    let mut who = rule.roles.join(" or ");
    if rule.everyone || who.is_empty() {
        who = "everyone".into();
    }
    let kinds =
        [("tools", &rule.tools), ("prompts", &rule.prompts), ("resources", &rule.resources)];
    let things = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let things: Vec<_> =
        things.map(|(kind, names)| format!("{kind} {}", names.join(", "))).collect();
    let things = if things.is_empty() { "anything".into() } else { things.join("; ") };
    let mut text = format!("{who}: {things}");
    if !rule.scopes.is_empty() {
        let _ = write!(text, ", with the scope {}", rule.scopes.join(" and "));
    }
    if !rule.conditions.is_empty() {
        let _ = write!(text, ", where {}", rule.conditions.join(" and "));
    }
    format!("{text} ({})", rule.id)
}

/// Policies are written by many: no control character of theirs reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
