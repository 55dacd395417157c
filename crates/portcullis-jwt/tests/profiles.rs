//! Profiles of identity providers, with tokens as these providers write them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use portcullis_core::{Clock, Principal, Reason};
use portcullis_jwt::{Issuer, JwkSet, Profile, Verifier};
use portcullis_test::Mint;
use serde_json::{Value, json};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_700_000_000;

const TENANT: &str = "5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e";
const OTHER_TENANT: &str = "0c9f3b7a-6e1d-4b58-a2c4-1d2e3f405162";
const APPLICATION: &str = "7c9d0f4e-1a2b-4c3d-8e5f-60718293a4b5";
const CLIENT: &str = "aebc6443-996d-45c2-90f0-388ff96faa56";

/// An identity provider with a profile, and a token that it issues.
struct World {
    mint: Mint,
    verifier: Verifier,
    header: Value,
    claims: Value,
}

impl World {
    fn new(profile: &Profile, header: Value, claims: Value) -> Self {
        Self::of(profile.issuer().unwrap(), header, claims)
    }

    fn of(issuer: Issuer, header: Value, claims: Value) -> Self {
        let mint = Mint::rs256(issuer.name());
        let verifier = Verifier::builder(RESOURCE)
            .issuer(issuer.keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .clock(Clock::manual(NOW).0)
            .build()
            .unwrap();
        Self { mint, verifier, header, claims }
    }

    /// The token with other claims: `null` takes a claim away.
    async fn send(&self, header: &Value, change: &Value) -> Result<Principal, Reason> {
        let mut header = header.clone();
        header["alg"] = "RS256".into();
        header["kid"] = self.mint.kid().into();
        let mut claims = self.claims.clone();
        let members = claims.as_object_mut().unwrap();
        for (name, value) in
            json!({ "iss": self.mint.issuer(), "iat": NOW - 60, "exp": NOW + 3540 })
                .as_object()
                .unwrap()
        {
            members.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        let token = self.mint.sign_raw(&header.to_string(), &claims.to_string());
        self.verifier.verify_token(&token).await.map_err(|error| error.reason())
    }

    async fn accepts(&self, name: &str, change: Value) -> Principal {
        match self.send(&self.header, &change).await {
            Ok(principal) => principal,
            Err(reason) => panic!("{name}: {reason}"),
        }
    }

    async fn refuses(&self, rows: impl IntoIterator<Item = (&str, Value, Reason)>) {
        self.accepts("unchanged", json!({})).await;
        for (name, change, expected) in rows {
            let outcome = self.send(&self.header, &change).await;
            assert_eq!(outcome.err(), Some(expected), "{name}");
        }
    }

    async fn refuses_typ(&self, typ: &str) {
        let outcome = self.send(&json!({ "typ": typ }), &json!({})).await;
        assert_eq!(outcome.err(), Some(Reason::BadTyp), "{typ}");
    }
}

/// Subject, client, tenant, scopes, groups, roles, and whether no person is behind it.
type Facts<'a> =
    (&'a str, Option<&'a str>, Option<&'a str>, &'a [&'a str], &'a [&'a str], &'a [&'a str], bool);

fn is(principal: &Principal, expected: Facts<'_>) {
    let found = (
        principal.subject(),
        principal.client_id(),
        principal.tenant(),
        principal.scopes(),
        principal.groups(),
        principal.roles(),
        principal.is_client(),
    );
    let (subject, client, tenant, scopes, groups, roles, alone) = expected;
    assert_eq!((found.0, found.1, found.2, found.6), (subject, client, tenant, alone));
    assert_eq!((found.3, found.4, found.5), (&own(scopes)[..], &own(groups)[..], &own(roles)[..]));
}

fn own(list: &[&str]) -> Vec<String> {
    list.iter().map(|item| (*item).to_owned()).collect()
}

const OID: &str = "b1f7e2a0-9c3d-4e5f-8a6b-7c8d9e0f1a2b";
const OID_TID: &str = "b1f7e2a0-9c3d-4e5f-8a6b-7c8d9e0f1a2b.5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e";

fn entra_v2() -> World {
    let profile = Profile::entra_v2(TENANT, APPLICATION);
    let claims = json!({
        "aud": APPLICATION, "nbf": NOW - 60, "aio": "AXQAi/8TAAAA", "azp": CLIENT, "azpacr": "0",
        "groups": ["1d2f4c6e-aaaa-4bbb-8ccc-1234567890ab"], "name": "Alice", "oid": OID,
        "preferred_username": "alice@acme.example", "rh": "0.AXEA", "roles": ["Notes.Admin"],
        "scp": "notes.read notes.write", "sub": "pairwise-Qx7", "tid": TENANT, "uti": "u1", "ver": "2.0"
    });
    World::new(&profile, json!({"typ": "JWT"}), claims)
}

#[tokio::test]
async fn entra_id_v2() {
    let world = entra_v2();
    let alice = world.accepts("alice", json!({})).await;
    let group = "1d2f4c6e-aaaa-4bbb-8ccc-1234567890ab";
    let scopes = ["notes.read", "notes.write"];
    let (client, tenant) = (Some(CLIENT), Some(TENANT));
    is(&alice, (OID_TID, client, tenant, &scopes, &[group], &["Notes.Admin"], false));
    for aud in [format!("api://{APPLICATION}"), RESOURCE.to_owned()] {
        world.accepts(&aud, json!({ "aud": aud })).await;
    }
    let elsewhere = world.accepts("other pairwise sub", json!({"sub": "pairwise-9"})).await;
    assert_eq!(alice, elsewhere, "the same person by way of another application");

    let app =
        json!({"scp": null, "sub": OID, "groups": null, "preferred_username": null, "azpacr": "1"});
    let app = world.accepts("app-only", app).await;
    is(&app, (OID_TID, client, tenant, &[], &[], &["Notes.Admin"], true));
    assert!(world.accepts("idtyp", json!({"idtyp": "app"})).await.is_client());

    let overage = json!({
        "groups": null, "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x/getMemberObjects"}}
    });
    for (name, change) in
        [("overage", overage), ("implicit", json!({"groups": null, "hasgroups": true}))]
    {
        let principal = world.accepts(name, change).await;
        assert!(principal.groups_unknown() && principal.groups().is_empty(), "{name}");
    }
    world
        .refuses([
            ("ID token", json!({"azpacr": null, "azp": null, "scp": null}), Reason::BadTyp),
            ("ID token of a hybrid flow", json!({"at_hash": "x", "nonce": "n"}), Reason::BadTyp),
            ("another API", json!({"aud": "00000003-0000-0000-c000-000000000000"}), Reason::BadAud),
            ("its App ID URI", json!({"aud": "api://other"}), Reason::BadAud),
            (
                "another tenant's issuer",
                json!({"iss": format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")}),
                Reason::BadIss,
            ),
            ("another tenant", json!({"tid": OTHER_TENANT}), Reason::ClaimMismatch),
            ("no tenant", json!({"tid": null, "oid": null}), Reason::BadClaim),
            ("version 1 claims", json!({"ver": "1.0"}), Reason::ClaimMismatch),
            ("no oid", json!({"oid": null}), Reason::BadClaim),
            ("oid with a separator", json!({"oid": "a.b"}), Reason::BadClaim),
            (
                "version 1 issuer",
                json!({"iss": format!("https://sts.windows.net/{TENANT}/")}),
                Reason::BadIss,
            ),
        ])
        .await;
    world.refuses_typ("id_token+jwt").await;
}

#[tokio::test]
async fn entra_id_scopes_as_clients_ask_for_them() {
    let issuer = Profile::entra_v2(TENANT, APPLICATION)
        .set("app_id_uri", RESOURCE)
        .unwrap()
        .issuer()
        .unwrap();
    let world = World::of(issuer, json!({"typ": "JWT"}), entra_v2().claims);
    let alice = world.accepts("alice", json!({})).await;
    assert_eq!(
        alice.scopes(),
        ["https://mcp.example.com/mcp/notes.read", "https://mcp.example.com/mcp/notes.write"]
    );
}

#[tokio::test]
async fn entra_id_v1() {
    let profile = Profile::entra_v1(TENANT, APPLICATION)
        .set("app_id_uri", "api://acme.example/notes")
        .unwrap();
    let claims = json!({
        "aud": "api://acme.example/notes", "acr": "1", "amr": ["pwd", "mfa"], "appid": CLIENT,
        "appidacr": "0", "nbf": NOW - 60, "ipaddr": "192.0.2.7", "name": "Alice", "oid": OID,
        "rh": "0.AXEA", "scp": "notes.read", "sub": "pairwise-Qx7", "tid": TENANT,
        "unique_name": "alice@acme.example", "upn": "alice@acme.example", "uti": "u1", "ver": "1.0"
    });
    let world = World::new(&profile, json!({"typ": "JWT", "x5t": "k"}), claims);
    let alice = world.accepts("alice", json!({})).await;
    let scope = "api://acme.example/notes/notes.read";
    is(&alice, (OID_TID, Some(CLIENT), Some(TENANT), &[scope], &[], &[], false));
    world.accepts("by GUID", json!({ "aud": APPLICATION })).await;
    world
        .refuses([
            ("ID token", json!({"appidacr": null, "aud": APPLICATION}), Reason::BadTyp),
            ("Microsoft Graph", json!({"aud": "https://graph.microsoft.com"}), Reason::BadAud),
            ("another tenant", json!({"tid": OTHER_TENANT}), Reason::ClaimMismatch),
            (
                "no slash",
                json!({"iss": format!("https://sts.windows.net/{TENANT}")}),
                Reason::BadIss,
            ),
        ])
        .await;
}

/// several tenants of one provider, and a tenant that is not on the list.
#[tokio::test]
async fn entra_id_with_a_list_of_tenants() {
    let mint = Mint::rs256("");
    let keys = JwkSet::from_json(mint.jwks()).unwrap();
    let issuers = [TENANT, OTHER_TENANT]
        .map(|tenant| Profile::entra_v2(tenant, APPLICATION).issuer().unwrap().keys(keys.clone()));
    let verifier =
        Verifier::builder(RESOURCE).issuers(issuers).clock(Clock::manual(NOW).0).build().unwrap();
    let send = async |iss: &str, tid: &str| {
        let mut claims = entra_v2().claims;
        claims["iss"] = format!("https://login.microsoftonline.com/{iss}/v2.0").into();
        claims["tid"] = tid.into();
        claims["exp"] = (NOW + 60).into();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": mint.kid()});
        let token = mint.sign_raw(&header.to_string(), &claims.to_string());
        let principal = verifier.verify_token(&token).await.map_err(|error| error.reason())?;
        Ok::<_, Reason>(principal.tenant().unwrap().to_owned())
    };
    assert_eq!(send(TENANT, TENANT).await, Ok(TENANT.to_owned()));
    assert_eq!(send(OTHER_TENANT, OTHER_TENANT).await, Ok(OTHER_TENANT.to_owned()));
    assert_eq!(send(TENANT, OTHER_TENANT).await, Err(Reason::ClaimMismatch), "iss and tid differ");
    let third = "f0000000-0000-4000-8000-000000000000";
    assert_eq!(send(third, third).await, Err(Reason::BadIss));
}

#[tokio::test]
async fn okta() {
    let profile = Profile::okta("https://acme.okta.com/oauth2/default");
    let claims = json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": RESOURCE,
        "cid": "0oa1ide", "uid": "00u1alice", "scp": ["notes:read", "openid"],
        "auth_time": NOW - 600, "sub": "alice@acme.example", "groups": ["Everyone", "staff"]
    });
    let world = World::new(&profile, json!({}), claims);
    let alice = world.accepts("alice", json!({})).await;
    let (scopes, groups) = (["notes:read", "openid"], ["Everyone", "staff"]);
    is(&alice, ("00u1alice", Some("0oa1ide"), None, &scopes, &groups, &[], false));
    let service = json!({"uid": null, "sub": "0oa1ide", "scp": ["notes:read"], "groups": null});
    let service = world.accepts("a client", service).await;
    is(&service, ("0oa1ide", Some("0oa1ide"), None, &["notes:read"], &[], &[], true));
    world
        .refuses([
            (
                "ID token",
                json!({"cid": null, "uid": null, "scp": null, "sub": "00u1alice", "idp": "00o1"}),
                Reason::BadTyp,
            ),
            ("org server", json!({"iss": "https://acme.okta.com"}), Reason::BadIss),
            ("another server", json!({"iss": "https://acme.okta.com/oauth2/aus1"}), Reason::BadIss),
            ("audience of Okta", json!({"aud": "https://acme.okta.com"}), Reason::BadAud),
            ("default audience", json!({"aud": "api://default"}), Reason::BadAud),
            ("a person by login name", json!({"uid": null}), Reason::BadClaim),
        ])
        .await;
    world.refuses_typ("application/okta-internal-at+jwt").await;
}

#[tokio::test]
async fn keycloak() {
    let profile = Profile::keycloak("https://sso.example.com/realms/acme")
        .set("client", "mcp/notes")
        .unwrap();
    let claims = json!({
        "jti": "onrtac:1", "aud": [RESOURCE, "account"], "sub": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e",
        "typ": "Bearer", "azp": "ide", "sid": "s1", "acr": "1", "allowed-origins": ["*"],
        "realm_access": {"roles": ["offline_access", "staff"]},
        "resource_access": {
            "mcp/notes": {"roles": ["editor", "staff"]},
            "account": {"roles": ["manage-account"]}
        },
        "scope": "openid notes:read", "groups": ["/staff/dev"], "preferred_username": "alice"
    });
    let world = World::new(&profile, json!({"typ": "JWT"}), claims);
    let alice = world.accepts("alice", json!({})).await;
    let roles = ["offline_access", "staff", "editor"];
    let subject = "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e";
    let scopes = ["openid", "notes:read"];
    is(&alice, (subject, Some("ide"), None, &scopes, &["/staff/dev"], &roles, false));
    let service = json!({
        "clientHost": "192.0.2.7", "clientAddress": "192.0.2.7", "client_id": "agent", "azp": "agent",
        "preferred_username": "service-account-agent"
    });
    let service = world.accepts("service account", service).await;
    assert!(service.is_client() && service.client_id() == Some("agent"));
    let faker = json!({"preferred_username": "service-account-agent"});
    assert!(!world.accepts("a person of that name", faker).await.is_client());
    let light = json!({"realm_access": null, "resource_access": null, "groups": null});
    assert!(world.accepts("no roles", light).await.roles().is_empty());
    world
        .refuses([
            ("ID token", json!({"typ": "ID", "aud": "ide", "at_hash": "x"}), Reason::BadTyp),
            ("ID token with our audience", json!({"typ": "ID"}), Reason::BadTyp),
            ("refresh token", json!({"typ": "Refresh"}), Reason::BadTyp),
            ("offline token", json!({"typ": "Offline"}), Reason::BadTyp),
            ("logout token", json!({"typ": "Logout", "events": {}}), Reason::BadTyp),
            ("no kind", json!({"typ": null}), Reason::BadTyp),
            ("DPoP that is not bound", json!({"typ": "DPoP"}), Reason::BadTyp),
            ("DPoP as bearer", json!({"typ": "DPoP", "cnf": {"jkt": "k"}}), Reason::CnfMismatch),
            ("no mapper", json!({"aud": "account"}), Reason::BadAud),
            ("another realm", json!({"iss": "https://sso.example.com/realms/b"}), Reason::BadIss),
        ])
        .await;
    let rfc9068 = json!({"typ": "at+jwt"});
    assert!(world.send(&rfc9068, &json!({})).await.is_ok());
    let refused = world.send(&rfc9068, &json!({"typ": "ID"})).await;
    assert_eq!(refused.err(), Some(Reason::ClaimMismatch), "whatever the header says");
}

#[tokio::test]
async fn auth0() {
    let profile = Profile::auth0("acme.eu.auth0.com")
        .set("namespace", "https://acme.example/")
        .unwrap()
        .set("organization", "org_9ybsU1dN2dKfDkBi")
        .unwrap();
    let claims = json!({
        "sub": "auth0|6553da60a54af58e29493993", "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja",
        "aud": [RESOURCE, "https://acme.eu.auth0.com/userinfo"], "scope": "openid notes:read",
        "permissions": ["notes:read"], "https://acme.example/roles": ["editor"],
        "https://acme.example/groups": ["staff"], "org_id": "org_9ybsU1dN2dKfDkBi"
    });
    let world = World::new(&profile, json!({"typ": "JWT"}), claims);
    let alice = world.accepts("alice", json!({})).await;
    let (subject, client) = ("auth0|6553da60a54af58e29493993", "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja");
    let (scopes, roles) = (["openid", "notes:read"], ["notes:read", "editor"]);
    let tenant = Some("org_9ybsU1dN2dKfDkBi");
    is(&alice, (subject, Some(client), tenant, &scopes, &["staff"], &roles, false));
    let standard = json!({"azp": null, "client_id": client, "jti": "73Wa"});
    let standard = world.send(&json!({"typ": "at+jwt"}), &standard).await.unwrap();
    assert_eq!(standard, alice, "the RFC 9068 profile");

    let sub = format!("{client}@clients");
    let machine = json!({"sub": sub, "gty": "client-credentials", "permissions": null});
    assert!(world.accepts("a client", machine).await.is_client());
    assert!(world.accepts("a client without gty", json!({"sub": sub})).await.is_client());
    let faker = json!({"sub": "auth0|x@clients"});
    assert!(!world.accepts("a person with that ending", faker).await.is_client());
    world
        .refuses([
            (
                "ID token",
                json!({"aud": RESOURCE, "scope": null, "permissions": null, "sid": "s"}),
                Reason::BadTyp,
            ),
            (
                "userinfo alone",
                json!({"aud": "https://acme.eu.auth0.com/userinfo"}),
                Reason::BadAud,
            ),
            ("no slash", json!({"iss": "https://acme.eu.auth0.com"}), Reason::BadIss),
            ("another organization", json!({"org_id": "org_2"}), Reason::ClaimMismatch),
            ("no organization", json!({"org_id": null}), Reason::ClaimMismatch),
        ])
        .await;
}

#[tokio::test]
async fn ping_one() {
    let issuer = "https://auth.pingone.eu/3d9c1a3e-env/as";
    let profile = Profile::ping_one(issuer).set("environment", "3d9c1a3e-env").unwrap();
    let claims = json!({
        "client_id": "d1f5-ide", "jti": "j1", "sub": "c5a1-alice", "aud": [RESOURCE],
        "scope": "notes:read", "sid": "s1", "auth_time": NOW - 60, "acr": "Single_Factor",
        "env": "3d9c1a3e-env", "org": "o1", "p1.permissions": ["notes:edit"]
    });
    let world = World::new(&profile, json!({}), claims);
    let alice = world.accepts("alice", json!({})).await;
    let (client, tenant) = (Some("d1f5-ide"), Some("3d9c1a3e-env"));
    is(&alice, ("c5a1-alice", client, tenant, &["notes:read"], &[], &["notes:edit"], false));
    world.send(&json!({"typ": "at+jwt"}), &json!({})).await.unwrap();
    assert!(world.accepts("a client", json!({"sub": "d1f5-ide", "sid": null})).await.is_client());
    world
        .refuses([
            ("ID token", json!({"client_id": null, "aud": RESOURCE}), Reason::BadTyp),
            ("PingOne API", json!({"aud": ["https://api.pingone.eu"]}), Reason::BadAud),
            ("another environment", json!({"env": "other"}), Reason::ClaimMismatch),
            ("a client without sub", json!({"sub": null}), Reason::BadClaim),
        ])
        .await;
}

#[tokio::test]
async fn ping_federate() {
    let profile = Profile::ping_federate("https://sso.example.com")
        .set("client_id", "cid")
        .unwrap()
        .set("group", "memberOf")
        .unwrap();
    let claims = json!({
        "scope": ["notes:read", "openid"], "cid": "ide", "aud": RESOURCE, "jti": "j1",
        "sub": "b7e23ec2", "memberOf": ["staff"]
    });
    let world = World::new(&profile, json!({}), claims);
    let alice = world.accepts("alice", json!({})).await;
    is(&alice, ("b7e23ec2", Some("ide"), None, &["notes:read", "openid"], &["staff"], &[], false));
    let text = world.accepts("one string", json!({"scope": "notes:read"})).await;
    assert_eq!(text.scopes(), ["notes:read"]);
    world
        .refuses([
            ("ID token", json!({"cid": null, "scope": null, "pi.sri": "x"}), Reason::BadTyp),
            ("no audience", json!({"aud": null}), Reason::BadAud),
        ])
        .await;
}

fn cognito() -> Value {
    json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["staff"], "version": 2,
        "client_id": "xxxxideexample", "origin_jti": "o1", "event_id": "e1", "token_use": "access",
        "scope": "openid notes/read", "auth_time": NOW - 60, "jti": "j1", "username": "alice"
    })
}

#[tokio::test]
async fn cognito_with_resource_binding() {
    let world = World::new(&Profile::cognito("eu-west-1_AbCdEf123"), json!({}), {
        let mut claims = cognito();
        claims["aud"] = RESOURCE.into();
        claims
    });
    let alice = world.accepts("alice", json!({})).await;
    let subject = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    let scopes = ["openid", "notes/read"];
    is(&alice, (subject, Some("xxxxideexample"), None, &scopes, &["staff"], &[], false));
    assert!(world.accepts("a client", json!({"sub": "xxxxideexample"})).await.is_client());
    let id = json!({"token_use": "id", "at_hash": "x", "cognito:username": "alice"});
    world
        .refuses([
            ("ID token", id, Reason::BadTyp),
            ("ID token with little in it", json!({"token_use": "id"}), Reason::BadTyp),
            ("no kind", json!({"token_use": null}), Reason::BadTyp),
            ("no audience", json!({"aud": null}), Reason::BadAud),
        ])
        .await;
    let refused = world.send(&json!({"typ": "at+jwt"}), &json!({"token_use": "id"})).await;
    assert_eq!(refused.err(), Some(Reason::ClaimMismatch), "whatever the header says");
}

#[tokio::test]
async fn cognito_without_audience() {
    let profile = Profile::cognito("eu-west-1_AbCdEf123")
        .danger_clients_without_audience(["xxxxideexample"], "notes")
        .unwrap();
    let world = World::new(&profile, json!({}), cognito());
    world
        .refuses([
            ("another client", json!({"client_id": "other"}), Reason::BadAud),
            ("no client", json!({"client_id": null}), Reason::BadAud),
            ("another audience", json!({"aud": "https://other.example"}), Reason::BadAud),
            ("null audience", json!({"aud": [null]}), Reason::BadAud),
            ("no scope of ours", json!({"scope": "openid notesx/read"}), Reason::ClaimMismatch),
            ("no scope", json!({"scope": null}), Reason::ClaimMismatch),
            ("ID token", json!({"token_use": "id"}), Reason::BadTyp),
        ])
        .await;
}

#[tokio::test]
async fn google() {
    let profile = Profile::google().set("service_account", "107517467455664443765").unwrap();
    let claims = json!({
        "aud": RESOURCE, "azp": "107517467455664443765", "sub": "107517467455664443765",
        "email": "agent@acme.iam.gserviceaccount.com", "email_verified": true
    });
    let world = World::new(&profile, json!({"typ": "JWT"}), claims.clone());
    let agent = world.accepts("agent", json!({})).await;
    let id = "107517467455664443765";
    is(&agent, (id, Some(id), None, &[], &[], &[], true));
    world
        .refuses([
            ("another's", json!({"sub": "1", "azp": "1"}), Reason::ClaimMismatch),
            ("a web sign-in", json!({"at_hash": "x"}), Reason::BadTyp),
            ("for another service", json!({"aud": "https://other.run.app"}), Reason::BadAud),
        ])
        .await;
    let domain = Profile::google().set("hosted_domain", "acme.example").unwrap();
    let world = World::new(&domain, json!({"typ": "JWT"}), {
        let mut claims = claims;
        claims["hd"] = "acme.example".into();
        claims
    });
    assert_eq!(world.accepts("alice", json!({})).await.tenant(), Some("acme.example"));
    let other = json!({"hd": "evil.example", "email": "boss@acme.example"});
    let rows = [
        ("another domain", other, Reason::ClaimMismatch),
        ("none", json!({"hd": null}), Reason::ClaimMismatch),
    ];
    world.refuses(rows).await;
}

#[tokio::test]
async fn github_actions() {
    let profile = Profile::github_actions()
        .set("repository_id", "74")
        .unwrap()
        .set("subject", "repo:octo-org/octo-repo:*")
        .unwrap()
        .set("environment", "prod")
        .unwrap();
    let sub = "repo:octo-org/octo-repo:environment:prod";
    let claims = json!({
        "jti": "example-id", "sub": sub, "environment": "prod", "aud": RESOURCE,
        "ref": "refs/heads/main", "sha": "example-sha", "repository": "octo-org/octo-repo",
        "repository_owner": "octo-org", "actor_id": "12", "repository_visibility": "private",
        "repository_id": "74", "repository_owner_id": "65", "run_id": "example-run-id",
        "runner_environment": "github-hosted", "actor": "octocat", "workflow": "deploy",
        "event_name": "workflow_dispatch", "ref_type": "branch",
        "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main"
    });
    let world = World::new(&profile, json!({"typ": "JWT", "x5t": "t"}), claims);
    let job = world.accepts("job", json!({})).await;
    is(&job, (sub, None, Some("65"), &[], &[], &[], true));
    world
        .refuses([
            ("another repository", json!({"repository_id": "75"}), Reason::ClaimMismatch),
            ("the name taken over", json!({"repository_id": "9001"}), Reason::ClaimMismatch),
            (
                "a longer name",
                json!({"sub": "repo:octo-org/octo-repo-evil:ref:x"}),
                Reason::ClaimMismatch,
            ),
            ("another environment", json!({"environment": "dev"}), Reason::ClaimMismatch),
            ("no environment", json!({"environment": null}), Reason::ClaimMismatch),
            ("for another service", json!({"aud": "sts.amazonaws.com"}), Reason::BadAud),
            ("no job", json!({"repository_id": null}), Reason::BadTyp),
        ])
        .await;
}

#[tokio::test]
async fn gitlab() {
    let profile =
        Profile::gitlab().set("project_id", "22").unwrap().set("ref_protected", "true").unwrap();
    let sub = "project_path:my-group/my-project:ref_type:branch:ref:main";
    let claims = json!({
        "namespace_id": "72", "namespace_path": "my-group", "project_id": "22",
        "project_path": "my-group/my-project", "user_id": "1", "user_login": "alice",
        "user_email": "alice@acme.example", "pipeline_id": "574", "pipeline_source": "push",
        "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
        "ref_protected": "true", "groups_direct": ["my-group"], "jti": "j1", "nbf": NOW - 65,
        "sub": sub, "aud": RESOURCE
    });
    let world = World::new(&profile, json!({"typ": "JWT"}), claims);
    let job = world.accepts("job", json!({})).await;
    is(&job, (sub, None, Some("72"), &[], &[], &[], true));
    world
        .refuses([
            ("another project", json!({"project_id": "23"}), Reason::ClaimMismatch),
            ("any branch", json!({"ref_protected": "false"}), Reason::ClaimMismatch),
            ("for another service", json!({"aud": "https://vault.example"}), Reason::BadAud),
            ("no job", json!({"project_id": null}), Reason::BadTyp),
        ])
        .await;
}

#[tokio::test]
async fn spiffe() {
    let profile = Profile::spiffe("https://oidc.acme.example", "acme.example")
        .set("id", "spiffe://acme.example/ns/agents/*")
        .unwrap();
    let id = "spiffe://acme.example/ns/agents/sa/notes";
    let claims = json!({"aud": [RESOURCE], "sub": id});
    let world = World::new(&profile, json!({"typ": "JWT"}), claims.clone());
    is(&world.accepts("workload", json!({})).await, (id, None, None, &[], &[], &[], true));
    world
        .refuses([
            (
                "another workload",
                json!({"sub": "spiffe://acme.example/ns/web/sa/x"}),
                Reason::ClaimMismatch,
            ),
            ("for another service", json!({"aud": ["reports"]}), Reason::BadAud),
        ])
        .await;
    let domain = Profile::spiffe("https://oidc.acme.example", "acme.example");
    let world = World::new(&domain, json!({}), claims);
    world.accepts("any workload", json!({"sub": "spiffe://acme.example/x"})).await;
    world
        .refuses([
            ("another domain", json!({"sub": "spiffe://evil.example/x"}), Reason::ClaimMismatch),
            (
                "a longer domain",
                json!({"sub": "spiffe://acme.example.evil/x"}),
                Reason::ClaimMismatch,
            ),
            ("the domain itself", json!({"sub": "spiffe://acme.example/"}), Reason::ClaimMismatch),
            ("no SPIFFE ID", json!({"sub": "alice"}), Reason::ClaimMismatch),
        ])
        .await;
}

/// Settings that cannot be meant are refused, at the profile or when the verifier is built.
#[test]
fn set_up_is_checked() {
    let keys = JwkSet::from_json(Mint::rs256("").jwks()).unwrap();
    let builds = |profile: Result<Profile, portcullis_jwt::ConfigError>| {
        let issuer = profile?.issuer()?.keys(keys.clone());
        Verifier::builder(RESOURCE).issuer(issuer).build().map(drop)
    };
    let entra = |tenant| Ok(Profile::entra_v2(tenant, APPLICATION));
    let rows = [
        ("entra", entra(TENANT), true),
        ("entra, upper case", entra("5DBF1A52-3C0E-4A3B-9D4A-8F6D3F0A1C2E"), true),
        ("entra, common", entra("common"), false),
        ("entra, organizations", entra("organizations"), false),
        ("entra, consumers", entra("consumers"), false),
        ("entra, personal accounts", entra("9188040d-6c67-4c5b-b112-36a304b66dad"), false),
        ("entra, placeholder", entra("{tenantid}"), false),
        ("entra, domain", entra("acme.onmicrosoft.com"), false),
        ("entra, application", Ok(Profile::entra_v1(TENANT, "api://notes")), false),
        ("entra, no tenant", Profile::named("entra-v2"), false),
        (
            "entra, no application",
            Profile::named("entra-v2").and_then(|p| p.set("tenant", TENANT)),
            false,
        ),
        (
            "entra, App ID URI",
            Profile::entra_v2(TENANT, APPLICATION).set("app_id_uri", "notes"),
            false,
        ),
        ("okta", Ok(Profile::okta("https://acme.okta.com/oauth2/default")), true),
        ("okta, org server", Ok(Profile::okta("https://acme.okta.com")), false),
        ("okta, org server, slash", Ok(Profile::okta("https://acme.okta.com/")), false),
        ("okta, its endpoints", Ok(Profile::okta("https://acme.okta.com/oauth2/v1/keys")), false),
        ("okta, slash", Ok(Profile::okta("https://acme.okta.com/oauth2/")), false),
        ("keycloak", Ok(Profile::keycloak("https://sso.example.com/auth/realms/acme")), true),
        ("keycloak, no realm", Ok(Profile::keycloak("https://sso.example.com")), false),
        ("keycloak, slash", Ok(Profile::keycloak("https://sso.example.com/realms/acme/")), false),
        ("auth0", Ok(Profile::auth0("login.acme.example")), true),
        ("auth0, URL", Ok(Profile::auth0("https://acme.eu.auth0.com/")), false),
        ("auth0, namespace", Profile::auth0("a.auth0.com").set("namespace", "acme"), false),
        ("ping", Ok(Profile::ping_one("https://auth.pingone.com/env/as")), true),
        ("ping, no /as", Ok(Profile::ping_one("https://auth.pingone.com/env")), false),
        ("cognito", Ok(Profile::cognito("eu-west-1_AbC")), true),
        ("cognito, no pool", Ok(Profile::cognito("eu-west-1")), false),
        ("cognito, host", Ok(Profile::cognito("evil.example/_x")), false),
        (
            "cognito, no client",
            Profile::cognito("eu-west-1_AbC").danger_clients_without_audience([""], "notes"),
            false,
        ),
        (
            "cognito, no resource server",
            Profile::cognito("eu-west-1_AbC").set("danger_client_without_audience", "c"),
            false,
        ),
        ("danger elsewhere", Profile::google().danger_clients_without_audience(["c"], "n"), false),
        ("google, anybody", Ok(Profile::google()), false),
        ("google, some", Profile::google().set("service_account", "1"), true),
        ("google, e-mail", Profile::google().set("service_account", "a@b.example"), false),
        ("github, anybody", Ok(Profile::github_actions()), false),
        ("github, any production", Profile::github_actions().set("environment", "prod"), false),
        ("github, owner", Profile::github_actions().set("owner_id", "65"), true),
        ("github, subject", Profile::github_actions().set("subject", "repo:a/b:*"), true),
        ("github, open subject", Profile::github_actions().set("subject", "repo:a/b*"), false),
        ("gitlab, anybody", Ok(Profile::gitlab()), false),
        ("gitlab, any protected", Profile::gitlab().set("ref_protected", "true"), false),
        ("gitlab, project", Profile::gitlab().set("project_id", "22"), true),
        ("spiffe", Ok(Profile::spiffe("https://oidc.acme.example", "acme.example")), true),
        ("spiffe, no domain", Ok(Profile::spiffe("https://oidc.acme.example", "")), false),
        ("spiffe, an ID", Ok(Profile::spiffe("https://o.example", "spiffe://acme.example")), false),
        ("not a URL", Ok(Profile::ping_federate("sso.example.com")), false),
        ("query", Ok(Profile::ping_federate("https://sso.example.com/?a")), false),
    ];
    for (name, profile, good) in rows {
        let outcome = builds(profile);
        assert_eq!(outcome.is_ok(), good, "{name}: {outcome:?}");
        if let Err(error) = outcome {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
        }
    }
}

/// Users' own rules, and what overrides a profile.
#[tokio::test]
async fn all_that_a_profile_sets_can_be_set_again() {
    let issuer = Profile::entra_v2(TENANT, APPLICATION)
        .issuer()
        .unwrap()
        .subject_claims(["sub"])
        .roles_claim("wids")
        .client_only_when([])
        .require_claim(portcullis_jwt::ClaimRule::one_of("azp", [CLIENT]));
    let world = World::of(issuer, json!({"typ": "JWT"}), entra_v2().claims);
    let alice = world.accepts("alice", json!({"wids": ["w"], "scp": null})).await;
    is(
        &alice,
        (
            "pairwise-Qx7",
            Some(CLIENT),
            Some(TENANT),
            &[],
            &["1d2f4c6e-aaaa-4bbb-8ccc-1234567890ab"],
            &["w"],
            false,
        ),
    );
    let rows = [("another client", json!({"azp": OID}), Reason::ClaimMismatch)];
    world.refuses(rows).await;
}

#[test]
fn rules_of_users_are_checked_too() {
    use portcullis_jwt::ClaimRule;
    let keys = JwkSet::from_json(Mint::rs256("").jwks()).unwrap();
    let good = || Issuer::new("https://id.example.com").keys(keys.clone());
    let rows = [
        ("rule", good().require_claim(ClaimRule::equals("a", "b")), true),
        ("empty rule", good().require_claim(ClaimRule::equals("a", "")), false),
        ("empty mark", good().client_only_when([ClaimRule::matches("a", ["x*"])]), false),
        ("clients", good().danger_clients_without_audience(["c"]), true),
        ("no clients", good().danger_clients_without_audience::<&str>([]), false),
        ("an empty client", good().danger_clients_without_audience(["c", ""]), false),
    ];
    for (name, issuer, expected) in rows {
        assert_eq!(Verifier::builder(RESOURCE).issuer(issuer).build().is_ok(), expected, "{name}");
    }
}
