use proptest::prelude::*;

use super::*;

/// Lines as a client, a sidecar and everything between may leave them.
fn line() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        4 => Just("x-auth-request-user"),
        1 => Just("x_auth_request_user"),
        1 => Just("x-auth_request-user"),
        2 => Just("x-auth-request-groups"),
        1 => Just("x.auth.request.groups"),
        1 => Just("x-auth-request-email"),
        2 => Just("x-forwarded-user"),
        1 => Just("oidc_claim_sub"),
        1 => Just("connection"),
        1 => Just("accept"),
    ];
    let value = prop_oneof![
        3 => "[ -~]{0,12}",
        1 => Just(String::new()),
        2 => Just("alice".to_owned()),
        1 => Just("a@b@c".to_owned()),
        1 => Just("close, X_Auth_Request_Groups".to_owned()),
        1 => Just("алиса".to_owned()),
    ];
    (name.prop_map(str::to_owned), value)
}

proptest! {
    /// Somebody is named only by the one line of the user header, and by nothing else.
    #[test]
    fn one_line_names_the_caller(lines in prop::collection::vec(line(), 0..6)) {
        let mut headers = HeaderMap::new();
        for (name, value) in &lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value);
        }
        let plain = |name: &str| name.replace(['_', '.'], "-");
        let with = |wanted: &str| -> Vec<_> {
            lines.iter().filter(|(name, _)| plain(name) == wanted).collect()
        };
        let family = ["x-auth-request-user", "x-auth-request-groups", "x-auth-request-email"];
        let mut single = family.iter().all(|name| {
            with(name).len() <= 1 && with(name).iter().all(|(spelt, _)| spelt == name)
        });
        for (_, options) in with("connection") {
            single &= !options.split(',').any(|it| {
                family.contains(&plain(&it.trim().to_ascii_lowercase()).as_str())
            });
        }
        match read(&Profile::oauth2_proxy(), "i", &headers) {
            Ok(Some(principal)) => {
                prop_assert!(single);
                prop_assert_eq!(principal.subject(), with(family[0])[0].1.trim());
                prop_assert_eq!(principal.groups_unknown(), with(family[1]).is_empty());
            }
            Ok(None) => {
                prop_assert!(single);
                let user = with(family[0]).first().map_or("", |(_, user)| user.trim());
                prop_assert!(matches!(user, "" | "-" | "(null)"), "{user}");
            }
            Err(error) => {
                let repeated = matches!(error.kind(), Kind::Repeated | Kind::HopByHop);
                prop_assert_eq!(repeated, !single);
            }
        }
    }
}
