//! Files that cannot be used: what is said, and where.

use std::process::Stdio;

use crate::rig::{FILE, Folder, POLICY, program};

/// What `--check` says of a file.
pub async fn check(folder: &Folder, name: &str) -> (bool, String) {
    let mut command = program();
    command.arg("--config").arg(folder.path(name)).arg("--check").stdin(Stdio::null());
    let output = command
        .env_remove("MISSING")
        .env("KEYCLOAK_CLIENT_SECRET", "open-sesame")
        .env("EMPTY", "")
        .output()
        .await
        .unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(text).unwrap())
}

const ISSUER: &str = r#"- { issuer: "https://auth.example.com", jwks_file: jwks.json }"#;

/// A change of a good file, and what is said of the outcome after the file's name.
const FAULTS: &[(&str, &str, &str)] = &[
    ("policy: policy.yaml", "polizy: policy.yaml", "8:1: unknown field `polizy`"),
    ("    path: /notes", "    path: /notes\n    colour: red", "14:5: unknown field `colour`"),
    ("    path: /notes", "    path: [/notes]", "13:11: expected a string"),
    ("    path: /notes\n", "", "13:5: missing field `path`"),
    ("    path: /notes", "    path:", "13:5: expected a value; leave the key out for the default"),
    ("    path: /notes", "    path: /notes\n    path: /notes", "14:5: duplicate mapping key: path"),
    (
        "http: { url:",
        "htpp: { url:",
        "14:17: unknown variant `htpp`, expected one of http, stdio, demo",
    ),
    (
        "http: { url:",
        "http: { danger_plain_htpp: true, url:",
        "14:25: unknown field `danger_plain_htpp`",
    ),
    ("grace_seconds: 20", "grace_seconds: yes", "10:16: expected a whole number"),
    ("grace_seconds: 20", "grace_seconds: -1", "10:16: expected a whole number"),
    ("listen:", "listen: [", "3:3: \"-\" is only valid inside a block"),
    ("listen:\n  - http: 127.0.0.1:0", "listen: []", " there is nowhere to listen"),
    (
        "listen:\n  - http: 127.0.0.1:0",
        "listen: [{ http: nowhere }]",
        "2:18: not an address with a port, such as 127.0.0.1:8800",
    ),
    (
        "public_url: https://mcp.example.com",
        "public_url: https://mcp.example.com/mcp",
        "1:13: public_url is an origin, such as https://mcp.example.com",
    ),
    (
        "public_url: https://mcp.example.com",
        "public_url: http://mcp.example.com",
        "1:13: public_url is http, which is for loopback only",
    ),
    (
        "    path: /notes",
        "    path: notes",
        "13:11: server notes: the path does not begin with /, or is one of the gateway's own",
    ),
    (
        "    path: /notes",
        "    path: /.well-known/notes",
        "13:11: server notes: the path does not begin with /, or is one of the gateway's own",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "http: { url: \"https://MCP.example.com:443/notes\" }",
        "14:15: server notes: the server is the gateway itself, which would ask itself for ever",
    ),
    (
        "http: 127.0.0.1:0",
        "http: 127.0.0.1:9",
        "14:15: server notes: the server is the gateway itself, which would ask itself for ever",
    ),
    (
        "http: 127.0.0.1:0",
        "http: \"0.0.0.0:9\"",
        "14:15: server notes: the server is the gateway itself, which would ask itself for ever",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "http: { url: \"https://tools.example.com/${PATH}\" }",
        "14:15: server notes: the URL of the upstream has characters that no URL has",
    ),
    (
        "    path: /notes",
        "    path: /notes\n    tool_pins: policy.yaml",
        "14:16: server notes: the pins are not JSON as it should be",
    ),
    (
        "    path: /notes",
        "    path: /notes\n    tool_pins: none",
        "14:16: server notes: cannot read none: No such file or directory (os error 2)",
    ),
    (
        "  notes:\n",
        "  Notes:\n",
        "13:5: server Notes: the name has others than a-z, 0-9 and hyphens",
    ),
    (
        "servers:\n  notes:\n    path: /notes\n    upstream: ",
        "servers: {}\n# ",
        " there are no servers",
    ),
    (
        "http://UPSTREAM/mcp",
        "http://mcp.internal/mcp",
        "14:15: server notes: the URL of the upstream is plain http and leads to another machine",
    ),
    (
        "http://UPSTREAM/mcp",
        "https://user:word@mcp.internal/mcp",
        "14:15: server notes: the URL of the upstream holds credentials",
    ),
    (
        "http://UPSTREAM/mcp",
        "not a url",
        "14:15: server notes: the URL of the upstream cannot be read",
    ),
    (ISSUER, "[]", "5:3: server notes: there are no issuers"),
    (
        ISSUER,
        "- { profile: entra }",
        "7:9: server notes: no profile \"entra\": there are entra-v2, entra-v1, okta, keycloak, auth0, ping-one, ping-federate, cognito, google, github-actions, gitlab, spiffe",
    ),
    (
        ISSUER,
        "- { profile: entra-v2 }",
        "7:9: server notes: the profile entra-v2 needs the setting tenant",
    ),
    (
        ISSUER,
        "- { profile: okta, settings: { colour: red } }",
        "7:9: server notes: the profile okta has no \"colour\": it has issuer, group",
    ),
    (
        ISSUER,
        "- { profile: okta, issuer: \"https://auth.example.com\" }",
        "7:9: server notes: either a `profile` or an `issuer` is needed, and not both",
    ),
    (
        ISSUER,
        "- { issuer: \"http://auth.example.com\" }",
        "13:5: server notes: the gate cannot be built: the configuration of metadata is not valid: authorization_servers: \"http://auth.example.com\" must be https, except on a loopback host",
    ),
    (
        "jwks.json }",
        "none.json }",
        "7:58: server notes: cannot read none.json: No such file or directory (os error 2)",
    ),
    ("jwks.json }", "policy.yaml }", "7:58: server notes: the JWK set is not a strict JSON object"),
    ("policy: policy.yaml\n", "", "12:5: server notes: has no policy, and the file has none"),
    (
        "policy: policy.yaml\n",
        "policy: none.yaml\n",
        "8:9: server notes: none.yaml: cannot be read: No such file or directory (os error 2)",
    ),
    (
        "policy: policy.yaml\n",
        "policy: jwks.json\n",
        "8:9: server notes: jwks.json: line 1, column 2: unknown key keys, expected one of name, servers, groups, agents, scope_hierarchy, grantable_scopes, roles, rules",
    ),
    (
        ISSUER,
        "- { issuer: \"https://auth.example.com\", jwks_file: jwks.json, introspection: { client_id: us, client_secret: \"it\" } }",
        "7:116: server notes: the secret \"it\" is not among `secrets`",
    ),
    (
        ISSUER,
        "- { issuer: \"https://auth.example.com\", jwks_file: jwks.json, introspection: { client_id: us, client_secret: it } }\nsecrets: { it: { env: MISSING } }",
        "7:116: server notes: the secret \"it\": the variable MISSING is not set",
    ),
    (
        ISSUER,
        "- { issuer: \"https://auth.example.com\", jwks_file: jwks.json, introspection: { client_id: us, client_secret: it } }\nsecrets: { it: { env: EMPTY } }",
        "7:116: server notes: the secret \"it\" is empty",
    ),
    (
        ISSUER,
        "- { issuer: \"https://auth.example.com\", jwks_file: jwks.json, introspection: { client_id: us, client_secret: it } }\nsecrets: { it: { file: none } }",
        "7:116: server notes: the secret \"it\": cannot read none: No such file or directory (os error 2)",
    ),
    (
        ISSUER,
        "- { issuer: \"https://auth.example.com\", jwks_file: jwks.json, introspection: { client_id: us, client_secret: it } }\nsecrets: { it: { env: A, file: b } }",
        "8:26: one key too many",
    ),
    ("sinks: [{ file: { path: audit.jsonl } }]", "sinks: []", "9:8: there are no sinks"),
    (
        "path: audit.jsonl",
        "path: none/audit.jsonl",
        "9:18: there is no folder for none/audit.jsonl",
    ),
    (
        "path: audit.jsonl",
        "path: audit.jsonl, signing_key: policy.yaml",
        "9:18: not an Ed25519 key in PEM (PKCS#8, SubjectPublicKeyInfo) or JWK",
    ),
    (
        "policy: policy.yaml",
        "policy: policy.yaml\nidentity: { signed: { key: none.pem } }",
        "9:28: server notes: cannot read none.pem: No such file or directory (os error 2)",
    ),
    (
        "policy: policy.yaml",
        "policy: policy.yaml\nidentity: { signed: { key: policy.yaml } }",
        "9:28: server notes: policy.yaml holds no private key, P-256 or Ed25519, as PKCS#8",
    ),
    (
        "http: 127.0.0.1:0",
        "tls: { address: \"127.0.0.1:0\", certificate: none.pem, key: none.pem }",
        "3:5: cannot read none.pem: No such file or directory (os error 2)",
    ),
    (
        "http: 127.0.0.1:0",
        "tls: { address: \"127.0.0.1:0\", certificate: policy.yaml, key: policy.yaml }",
        "3:5: policy.yaml holds no certificate",
    ),
    (
        "http: 127.0.0.1:0",
        "unix: { path: socket, mode: rw }",
        "3:33: the mode is not octal, such as \"0660\"",
    ),
    (
        "tokens:\n    issuers:\n      ",
        "danger_development: { address: \"0.0.0.0:8801\", people: {} }\n# ",
        "5:34: server notes: the identity provider for development needs an address on loopback, with a port",
    ),
    (
        "http: 127.0.0.1:0\nauthentication:\n  tokens:\n    issuers:\n      ",
        "http: 0.0.0.0:0\nauthentication:\n  danger_development: { address: \"127.0.0.1:8801\", people: { rita: {} } }\n# ",
        "3:5: danger_development lets anybody in, and so is for loopback addresses only",
    ),
    (
        "tokens:\n    issuers:\n      ",
        "sidecar: { profile: vouch, issuer: \"https://auth.example.com\", trusted_peers: [], authorization_servers: [\"https://auth.example.com\"] }\n# ",
        "12:5: server notes: the gate cannot be built: the configuration of sidecar is not valid: no peer is trusted",
    ),
    (
        "tokens:\n    issuers:\n      ",
        "sidecar: { profile: vouch, issuer: \"https://auth.example.com\", trusted_peers: [everybody], authorization_servers: [\"https://auth.example.com\"] }\n# ",
        "5:82: server notes: \"everybody\" is not a network: the prefix length is missing",
    ),
    (
        "tokens:\n    issuers:\n      ",
        "sidecar: { profile: vouch, issuer: \"https://auth.example.com\", trusted_peers: [\"0.0.0.0/0\"], authorization_servers: [\"https://auth.example.com\"] }\n# ",
        "5:82: server notes: \"0.0.0.0/0\" is not a network: it is everywhere",
    ),
    (
        "tokens:\n    issuers:\n      ",
        "sidecar: { profile: nginx, issuer: \"https://auth.example.com\", trusted_peers: [unix], authorization_servers: [] }\n# ",
        "5:23: unknown variant `nginx`, expected one of oauth2-proxy, forwarded-user, vouch, apache-openidc, apache-mellon, remote-user, authentik, envoy",
    ),
    (
        "policy: policy.yaml",
        "policy: policy.yaml\norigins: [\"*\"]",
        "14:5: server notes: the gate cannot be built: the configuration of edge is not valid: \"*\" is not an origin",
    ),
    (
        "policy: policy.yaml",
        "policy: policy.yaml\nlimits: { calls_per_minute: 0 }",
        "9:9: server notes: a rate is at least one call a day and at most one a microsecond",
    ),
    (
        "grace_seconds: 20",
        "max_connections: 0",
        "10:1: invalid value: integer `0`, expected a whole number above 0",
    ),
    (
        "grace_seconds: 20",
        "admin: everywhere",
        "10:8: not an address with a port, such as 127.0.0.1:8800",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "stdio: { command: cat }",
        "14:15: server notes: the program of a command is not the absolute path of an executable file",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "stdio: { command: /none }",
        "14:15: server notes: the program of a command is not the absolute path of an executable file",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "stdio: { command: /bin/cat, max_processes: 0 }",
        "14:15: server notes: a limit of a command is zero",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" }",
        "stdio: { command: /bin/cat, start_seconds: 0 }",
        "14:15: server notes: a limit of a command is zero",
    ),
    (
        "http: { url: \"http://UPSTREAM/mcp\" } }",
        "stdio: { command: /bin/cat } }\n    identity: { headers: { family: auth-request } }",
        "15:15: server notes: a command is told nothing: every caller has processes of their own",
    ),
    (
        "/mcp\" }",
        "/mcp\", danger_shared_credential: { header: Authorization, secret: it } }",
        "14:115: server notes: the secret \"it\" is not among `secrets`",
    ),
    (
        "/mcp\" } }",
        "/mcp\", danger_shared_credential: { header: \"a b\", secret: it } } }\nsecrets: { it: { file: jwks.json } }",
        "14:92: server notes: that is no name of a header",
    ),
    (
        "/mcp\" } }",
        "/mcp\", danger_shared_credential: { header: Host, secret: it } } }\nsecrets: { it: { file: jwks.json } }",
        "14:15: server notes: the header host cannot carry a credential",
    ),
];

#[tokio::test]
async fn faults_are_told_with_their_place() {
    let folder = Folder::new();
    folder.write("policy.yaml", POLICY);
    let mut wrong = String::new();
    for (from, to, expected) in FAULTS {
        assert!(FILE.contains(from) && !expected.is_empty(), "{from:?}");
        let text = FILE.replacen(from, to, 1).replace("UPSTREAM", "127.0.0.1:9");
        folder.write("gateway.yaml", &text);
        let (good, said) = check(&folder, "gateway.yaml").await;
        let root = folder.path("");
        let said = said.replace(&*root.to_string_lossy(), "");
        if good
            || !said.starts_with(&format!("gateway.yaml:{expected}"))
            || said.lines().count() != 1
        {
            wrong += &format!("{from:?} => {to:?}\n    {said:?}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
