//! Identities of CI jobs: GitHub Actions and GitLab.

use super::{Kind, Profile, Values, one, several};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, ConfigError, Issuer};

/// A setting, and the claim that must have one of its values.
type Rule = (&'static str, &'static str);

pub(super) static GITHUB_ACTIONS: Kind = Kind {
    name: "github-actions",
    settings: &[
        one("issuer"),
        several("owner_id"),
        several("repository_id"),
        several("subject"),
        several("environment"),
        several("workflow"),
        several("ref"),
    ],
    issuer: |values| {
        const RULES: [Rule; 5] = [
            ("owner_id", "repository_owner_id"),
            ("repository_id", "repository_id"),
            ("environment", "environment"),
            ("workflow", "job_workflow_ref"),
            ("ref", "ref"),
        ];
        let mut issuer = job(values, "https://token.actions.githubusercontent.com", &RULES)?
            .accept_jwt_typ(["repository_id"])
            .tenant_claim("repository_owner_id");
        issuer.rules.identifying = &["sub", "repository_owner_id", "repository_id"];
        Ok(issuer)
    },
};

pub(super) static GITLAB: Kind = Kind {
    name: "gitlab",
    settings: &[
        one("issuer"),
        several("namespace_id"),
        several("project_id"),
        several("subject"),
        several("environment"),
        several("ref"),
        one("ref_protected"),
    ],
    issuer: |values| {
        const RULES: [Rule; 5] = [
            ("namespace_id", "namespace_id"),
            ("project_id", "project_id"),
            ("environment", "environment"),
            ("ref", "ref_path"),
            ("ref_protected", "ref_protected"),
        ];
        let mut issuer = job(values, "https://gitlab.com", &RULES)?
            .accept_jwt_typ(["project_id"])
            .tenant_claim("namespace_id");
        issuer.rules.identifying = &["sub", "namespace_id", "project_id"];
        Ok(issuer)
    },
};

/// What both have in common. There is no client, and no person answers for a job.
fn job(values: &Values, usual: &str, rules: &[Rule]) -> Result<Issuer, ConfigError> {
    let name = if values.has("issuer") { values.url("issuer")?.0 } else { usual };
    let mut issuer = Issuer::new(name)
        .usual_keys(UsualKeys::Discovery)
        .algorithms([Algorithm::Rs256])
        .client_id_claims::<&str>([])
        .client_only_when([ClaimRule::present("sub")])
        .unlisted();
    for (setting, claim) in rules {
        let accepted = values.all(setting);
        if !accepted.is_empty() {
            issuer = issuer.require_claim(ClaimRule::one_of(claim, accepted.iter().cloned()));
        }
    }
    let subjects = values.all("subject");
    if !subjects.is_empty() {
        issuer = issuer.require_claim(ClaimRule::matches("sub", subjects));
    }
    Ok(issuer)
}

impl Profile {
    /// Jobs of GitHub Actions, by the token that a workflow asks for with the URL of the MCP server
    /// as audience (`core.getIDToken`).
    ///
    /// * Settings `owner_id`, `repository_id`, `subject`, each several: the `repository_owner_id`,
    ///   `repository_id` and `sub` accepted. `sub` may be a pattern such as `repo:acme/notes:*`: see
    ///   [`ClaimRule::matches`](crate::ClaimRule::matches). Prefer ids: names can be given up and
    ///   taken by others.
    /// * Settings `environment`, `workflow` (`job_workflow_ref`), `ref`, optional, each several.
    /// * Setting `issuer`, optional: that of your enterprise.
    ///
    /// Every workflow in the world can have a token for this audience: without a rule on
    /// `repository_owner_id`, `repository_id` or `sub` no verifier builds. What is set must all hold.
    /// Clients are not sent there to sign in ([`Issuer::unlisted`]).
    ///
    /// Source: GitHub, "OpenID Connect reference".
    pub fn github_actions() -> Self {
        Self::of(&GITHUB_ACTIONS, &[])
    }

    /// Jobs of GitLab CI, by the token that `id_tokens` in the job makes with the URL of the MCP
    /// server as `aud`.
    ///
    /// * Settings `namespace_id`, `project_id`, `subject`, each several: those accepted. `sub` may be
    ///   a pattern such as `project_path:acme/notes:*`. Prefer ids.
    /// * Settings `environment`, `ref` (`ref_path`, such as `refs/heads/main`), optional, several, and
    ///   `ref_protected`, optional (`true`).
    /// * Setting `issuer`, optional: the URL of your own instance.
    ///
    /// Without a rule on `namespace_id`, `project_id` or `sub` no verifier builds. What is set must
    /// all hold. Clients are not sent there to sign in ([`Issuer::unlisted`]).
    ///
    /// Source: GitLab, "OpenID Connect (OIDC) Authentication Using ID Tokens".
    pub fn gitlab() -> Self {
        Self::of(&GITLAB, &[])
    }
}
