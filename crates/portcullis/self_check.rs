//! Whether clients will be able to sign in, asked at start rather than by users.

use std::fmt;

use portcullis_jwt::{IssuerMetadata, JwtLayer, fetch_json};
use serde_json::Value;

use crate::PortcullisLayer;

/// Something that keeps clients from signing in; see
/// [`self_check`](PortcullisLayer::self_check).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    about: String,
    field: String,
    problem: String,
}

impl Finding {
    fn new(about: &str, field: &str, problem: impl Into<String>) -> Self {
        Self { about: about.to_owned(), field: field.to_owned(), problem: problem.into() }
    }

    /// Where the fault is: an issuer, or the URL of the gate's own metadata.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The member of that document which is missing or wrong, such as
    /// `code_challenge_methods_supported`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it, in words for the operator. May name URLs.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.about, self.field, self.problem)
    }
}

impl<A> PortcullisLayer<A, JwtLayer> {
    /// Looks for what would keep clients from signing in (R-173), and warns of it in the log. Empty
    /// when nothing was found. Call it once at start; it changes nothing, and refuses nothing.
    ///
    /// For each issuer: its keys, and with discovery its metadata, can be fetched; the `issuer` in
    /// it is the very same; clients find what they need (`authorization_endpoint`,
    /// `token_endpoint`, `code` in `response_types_supported`, `S256` in
    /// `code_challenge_methods_supported`). For the gate: its metadata names the issuers whose
    /// tokens it accepts and no others, and its challenges lead to its metadata.
    ///
    /// Waits for each issuer's first answer: at most about 5 seconds. Of issuers without discovery
    /// only the keys are looked at.
    ///
    /// ```no_run
    /// # async fn start(gate: portcullis::PortcullisLayer<portcullis::Policy>) -> Result<(), String> {
    /// if let Some(finding) = gate.self_check().await.first() {
    ///     // It has been logged. To refuse to start is yours to decide.
    ///     return Err(finding.to_string());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn self_check(&self) -> Vec<Finding> {
        let mut findings = self.own_findings();
        let mut issuers = self.verifier().issuers();
        issuers.sort_unstable();
        for issuer in &issuers {
            self.check_issuer(issuer, &mut findings).await;
        }
        warn(&findings);
        findings
    }

    /// [`self_check`](Self::self_check), and fetches the gate's own metadata through its public URL,
    /// as clients will: once the server is reachable there. It must be this gate's, byte for byte.
    pub async fn self_check_in_public(&self) -> Vec<Finding> {
        let mut findings = self.self_check().await;
        let public = self.check_in_public().await;
        warn(public.as_slice());
        findings.extend(public);
        findings
    }

    /// What can be known without asking anybody.
    fn own_findings(&self) -> Vec<Finding> {
        let url = self.metadata.url();
        let mut findings = Vec::new();
        if self.sign_in.challenge().resource_metadata() != Some(url) {
            let problem = "the challenges of refused requests lead elsewhere";
            findings.push(Finding::new(url, "resource_metadata", problem));
        }
        if self.verifier().resource() != self.metadata.resource() {
            let problem = "tokens are verified for another resource";
            findings.push(Finding::new(url, "resource", problem));
        }
        let trusted = self.verifier().issuers();
        for named in self.named_issuers().iter().filter(|named| !trusted.contains(named)) {
            let problem = format!("clients are sent to {named}, whose tokens are not accepted");
            findings.push(Finding::new(url, "authorization_servers", problem));
        }
        findings
    }

    async fn check_issuer(&self, issuer: &str, findings: &mut Vec<Finding>) {
        let fault = self.verifier().fetch_fault(issuer).await;
        let metadata = self.verifier().issuer_metadata(issuer);
        if let Some(fault) = fault {
            // Without metadata nobody has vouched for the issuer's name.
            let field = if fault.starts_with("no metadata") { "issuer" } else { "jwks_uri" };
            findings.push(Finding::new(issuer, field, fault));
        }
        let Some(metadata) = metadata else { return };
        for field in metadata.shortcomings() {
            let problem = "missing, or without what MCP clients need to sign in";
            findings.push(Finding::new(issuer, field, problem));
        }
        let wanted = self.verifier().is_listed(issuer) && signs_people_in(&metadata);
        if wanted && !self.named_issuers().iter().any(|named| named == issuer) {
            let problem = format!("does not name {issuer}, so that clients do not find it");
            findings.push(Finding::new(self.metadata.url(), "authorization_servers", problem));
        }
    }

    async fn check_in_public(&self) -> Option<Finding> {
        let url = self.metadata.url();
        let found = match fetch_json(url).await {
            Ok(found) => found,
            Err(error) => {
                let problem = format!("cannot be fetched through its public URL: {error}");
                return Some(Finding::new(url, "resource_metadata", problem));
            }
        };
        if found == self.metadata.document() {
            return None;
        }
        let found: Value = serde_json::from_slice(&found).unwrap_or_default();
        let (field, problem) = match found.get("resource") {
            Some(resource) if resource == self.metadata.resource() => {
                ("resource_metadata", "is not this gate's, but another's for the same resource")
            }
            _ => ("resource", "is another resource's: clients will refuse it"),
        };
        Some(Finding::new(url, field, format!("what the public URL leads to {problem}")))
    }

    /// The authorization servers that the gate's metadata names.
    fn named_issuers(&self) -> Vec<String> {
        let document: Value = serde_json::from_slice(self.metadata.document()).unwrap_or_default();
        let servers = document.get("authorization_servers").and_then(Value::as_array);
        let names = servers.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }
}

fn signs_people_in(metadata: &IssuerMetadata) -> bool {
    metadata.document().contains_key("authorization_endpoint")
}

fn warn(findings: impl AsRef<[Finding]>) {
    for Finding { about, field, problem } in findings.as_ref() {
        tracing::warn!(about, field, problem, "clients may not be able to sign in");
    }
}
