//! Who calls: from a token, from claims, or described.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portcullis_core::{Actor, Caller, Principal};
use portcullis_rbac::{Audience, Policy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::args::WhoArgs;
use crate::problem::Problem;

mod claims;

use claims::{claims, token_claims};

/// The issuer of callers of whom nobody says where they are from.
const ISSUER: &str = "https://issuer.example";

/// Who calls: `anonymous`, `everyone`, a `role`, the claims of a token in `claims_file`, or what a
/// token says, piece by piece.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Person {
    /// Somebody who has not signed in.
    pub(crate) anonymous: bool,
    /// Somebody who has signed in and has no role.
    pub(crate) everyone: bool,
    /// Somebody with this role of the policy, and nothing else.
    pub(crate) role: Option<String>,
    /// A JSON file with the claims of a token, relative to this file.
    pub(crate) claims_file: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) token_file: Option<PathBuf>,
    /// The identity provider whose claims these are, such as `entra-v2`.
    pub(crate) profile: Option<String>,
    /// The settings of the profile.
    pub(crate) settings: BTreeMap<String, OneOrMany>,
    /// The claim with the groups, for `claims_file`.
    pub(crate) groups_claim: Option<String>,
    /// The claim with the roles, for `claims_file`.
    pub(crate) roles_claim: Option<String>,
    /// The claim with the scopes, for `claims_file`.
    pub(crate) scope_claim: Option<String>,
    /// The claim with the tenant, for `claims_file`.
    pub(crate) tenant_claim: Option<String>,
    /// The name at the issuer (`sub`); `someone` if it does not matter.
    pub(crate) subject: Option<String>,
    /// Who vouches for them.
    pub(crate) issuer: Option<String>,
    /// The OAuth client that holds the token.
    pub(crate) client: Option<String>,
    /// The issuer's tenant.
    pub(crate) tenant: Option<String>,
    /// Groups, by their ids or by the policy's names for them.
    pub(crate) groups: Vec<String>,
    /// Whether the token says that there are more groups than it lists.
    pub(crate) groups_unknown: bool,
    /// Scopes.
    pub(crate) scopes: Vec<String>,
    /// Roles that the issuer assigned.
    pub(crate) roles: Vec<String>,
    /// Who acts for them, by `sub`, the current actor first.
    pub(crate) actors: Vec<String>,
    /// Other claims.
    pub(crate) claims: Map<String, Value>,
}

/// One string, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Who calls, as the report says it.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub(crate) struct CallerReport {
    /// `token`, `claims`, `described`, `role`, `everyone` or `anonymous`. Nothing is verified.
    pub(crate) from: &'static str,
    /// Who vouches for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// Their name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// The OAuth client that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The issuer's tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// The policy's role that is assumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// The scopes of the token.
    pub(crate) scopes: Vec<String>,
    /// The groups of the token.
    pub(crate) groups: Vec<String>,
    /// Whether the token says that there are more groups than it lists.
    pub(crate) groups_unknown: bool,
    /// The roles that the issuer assigned.
    pub(crate) roles: Vec<String>,
    /// Who acts for them, the current actor first.
    pub(crate) actors: Vec<String>,
    /// What a gate would hold against the token, as far as claims tell.
    pub(crate) notes: Vec<String>,
}

impl Person {
    /// As the command line has it; `None` when it says nothing of a caller.
    pub(crate) fn of(args: &WhoArgs) -> Result<Option<Self>, Problem> {
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in &args.set {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Problem::new(format!("--set {pair}: is not SETTING=VALUE")))?;
            settings.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        let mut claims = Map::new();
        for pair in &args.claim {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Problem::new(format!("--claim {pair}: is not CLAIM=VALUE")))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            claims.insert(name.to_owned(), value);
        }
        let person = Self {
            anonymous: args.anonymous,
            everyone: args.everyone,
            role: args.role.clone(),
            claims_file: args.claims.clone(),
            token_file: args.token.clone(),
            profile: args.profile.clone(),
            settings: settings
                .into_iter()
                .map(|(name, values)| (name, OneOrMany::Many(values)))
                .collect(),
            groups_claim: args.groups_claim.clone(),
            roles_claim: args.roles_claim.clone(),
            scope_claim: args.scope_claim.clone(),
            tenant_claim: args.tenant_claim.clone(),
            subject: args.subject.clone(),
            issuer: args.issuer.clone(),
            client: args.client.clone(),
            tenant: args.tenant.clone(),
            groups: args.group.clone(),
            groups_unknown: args.groups_unknown,
            scopes: args.scope.clone(),
            roles: args.role_claim.clone(),
            actors: args.actor.clone(),
            claims,
        };
        let said = person.anonymous
            || person.everyone
            || person.role.is_some()
            || person.claims_file.is_some()
            || person.token_file.is_some()
            || person.is_described();
        if !said && (person.profile.is_some() || person.reads_claims()) {
            return Err(Problem::new("there are no claims to read: add --token or --claims"));
        }
        Ok(said.then_some(person))
    }

    /// The caller, for `policy`; files are looked for in `folder`.
    pub(crate) fn caller(
        &self,
        policy: &Policy,
        folder: Option<&Path>,
    ) -> Result<(Caller, CallerReport), Problem> {
        let ways = [
            self.anonymous,
            self.everyone,
            self.role.is_some(),
            self.claims_file.is_some() || self.token_file.is_some(),
            self.is_described(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(Problem::new(
                "a caller is one of: described, from a token or claims, a role, everyone, anonymous",
            ));
        }
        let stand_in = |audience: Audience, from, role: Option<&String>| {
            let caller = policy.stand_in(&audience).ok_or_else(|| {
                let roles = policy.outline().roles.into_iter().map(|role| role.name);
                let roles = roles.collect::<Vec<_>>().join(", ");
                let role = role.map_or("", String::as_str);
                Problem::new(format!("the policy has no role {role}: it has {roles}"))
            })?;
            Ok((caller, CallerReport { from, role: role.cloned(), ..CallerReport::default() }))
        };
        if self.anonymous {
            return stand_in(Audience::Anonymous, "anonymous", None);
        }
        if self.everyone {
            return stand_in(Audience::Everyone, "everyone", None);
        }
        if let Some(role) = &self.role {
            return stand_in(Audience::Role(role.clone()), "role", Some(role));
        }
        let (principal, from, notes) = match (&self.token_file, &self.claims_file) {
            (Some(path), _) => {
                let (principal, notes) = self.of_claims(&token_claims(path)?, path)?;
                (principal, "token", notes)
            }
            (None, Some(path)) => {
                let path = folder.map_or_else(|| path.clone(), |folder| folder.join(path));
                let (principal, notes) = self.of_claims(&claims(&path)?, &path)?;
                (principal, "claims", notes)
            }
            (None, None) => (self.described(policy)?, "described", Vec::new()),
        };
        let report = CallerReport {
            from,
            issuer: Some(principal.issuer().to_owned()),
            subject: Some(principal.subject().to_owned()),
            client_id: principal.client_id().map(str::to_owned),
            tenant: principal.tenant().map(str::to_owned),
            role: None,
            scopes: principal.scopes().to_vec(),
            groups: principal.groups().to_vec(),
            groups_unknown: principal.groups_unknown(),
            roles: principal.roles().to_vec(),
            actors: principal.actors().iter().map(|actor| actor.subject().to_owned()).collect(),
            notes,
        };
        Ok((Caller::Verified(principal.into()), report))
    }

    fn is_described(&self) -> bool {
        self.subject.is_some()
            || self.issuer.is_some()
            || self.client.is_some()
            || self.tenant.is_some()
            || self.groups_unknown
            || !self.claims.is_empty()
            || [&self.groups, &self.scopes, &self.roles, &self.actors]
                .into_iter()
                .any(|list| !list.is_empty())
    }

    fn reads_claims(&self) -> bool {
        [&self.groups_claim, &self.roles_claim, &self.scope_claim, &self.tenant_claim]
            .into_iter()
            .any(Option::is_some)
    }

    fn described(&self, policy: &Policy) -> Result<Principal, Problem> {
        if self.profile.is_some() || self.reads_claims() {
            return Err(Problem::new("a profile and claims' names are for a token or its claims"));
        }
        let named = policy.outline().groups;
        let group = |group: &String| {
            let known = named.iter().find(|(name, _)| name == group);
            // Any one of the ids is the group.
            known.and_then(|(_, ids)| ids.first()).unwrap_or(group).clone()
        };
        let issuer = self.issuer.as_deref().unwrap_or(ISSUER);
        let mut principal =
            Principal::builder(issuer, self.subject.as_deref().unwrap_or("someone"))
                .groups(self.groups.iter().map(group).collect())
                .scopes(self.scopes.clone())
                .roles(self.roles.clone())
                .actors(self.actors.iter().map(|actor| Actor::new(None, actor)).collect())
                .claims(self.claims.clone());
        if let Some(client) = &self.client {
            principal = principal.client_id(client);
        }
        if let Some(tenant) = &self.tenant {
            principal = principal.tenant(tenant);
        }
        if self.groups_unknown {
            principal = principal.groups_unknown();
        }
        Ok(principal.build())
    }
}
