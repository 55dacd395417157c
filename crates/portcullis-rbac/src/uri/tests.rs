use proptest::prelude::*;

use super::*;

fn normal(uri: &str) -> Option<String> {
    match read(uri, false) {
        Reading::Plain { normal, .. } => Some(normal.into_owned()),
        Reading::Refused | Reading::Odd => None,
    }
}

///
#[test]
fn tricks_are_refused() {
    let rows = [
        ("dot segments", "file:///x/../y"),
        ("dot segment at the end", "file:///x/.."),
        ("single dot", "file:///x/./y"),
        ("encoded dots", "file:///x/%2e%2E/y"),
        ("half encoded dots", "file:///x/.%2e/y"),
        ("dots with parameters", "file:///x/..;a=b/y"),
        ("dots right after the scheme", "file:../y"),
        ("dots in the query", "note:///a?/../b"),
        ("dots in the fragment", "note:///a#/../b"),
        ("encoded slash", "file:///a%2fb"),
        ("encoded backslash", "file:///a%5Cb"),
        ("backslash", "file:///a\\..\\b"),
        ("encoded NUL", "file:///a%00.png"),
        ("NUL", "file:///a\0.png"),
        ("encoded line break", "file:///a%0d%0ab"),
        ("double encoding", "file:///%252e%252e/y"),
        ("truncated encoding", "file:///a%2"),
        ("not hexadecimal", "file:///a%zz"),
        ("a sign is not hexadecimal", "file:///a%+1"),
        ("overlong UTF-8 slash", "file:///a%c0%afb"),
        ("not UTF-8", "file:///a%ff"),
    ];
    for (name, uri) in rows {
        assert_eq!(read(uri, false), Reading::Refused, "{name}");
        assert_eq!(read(uri, true), Reading::Refused, "{name}, as a template");
    }
}

#[test]
fn what_a_pattern_cannot_judge_is_odd() {
    let rows = [
        ("no scheme", "etc/passwd"),
        ("empty", ""),
        ("scheme starts with a digit", "1a:///x"),
        ("user information", "https://good.example@evil.example/x"),
        ("fragment", "file:///pub/secret#x"),
        ("empty segment", "file:///pub//secret"),
        ("international host", "https://ex\u{e4}mple.com/x"),
        ("encoded host", "https://ex%61mple.com/x"),
        ("port that is none", "https://a.example:8o/x"),
        ("letters outside ASCII", "note:///\u{dc}berblick"),
        ("space", "note:///a b"),
        ("zero-width", "note:///a\u{200b}b"),
        ("line break", "note:///a\nb"),
        ("half a template", "note:///{id"),
        ("a template with a fragment", "note:///{id}#x"),
    ];
    for (name, uri) in rows {
        assert_eq!(read(uri, false), Reading::Odd, "{name}");
    }
    assert_eq!(read("note:///{id}", false), Reading::Refused, "a template");
}

#[test]
fn normal_forms() {
    let rows = [
        ("as it is", "note:///a/b", "note:///a/b"),
        ("scheme and host", "HTTPS://EXAMPLE.com/Path", "https://example.com/Path"),
        ("default port", "https://a.example:443/x", "https://a.example/x"),
        ("empty port", "https://a.example:/x", "https://a.example/x"),
        ("other port", "https://a.example:8443/x", "https://a.example:8443/x"),
        ("the default of another scheme", "http://a.example:443/x", "http://a.example:443/x"),
        ("unreserved", "note:///%7euser/%41", "note:///~user/A"),
        ("upper case digits", "note:///a%c3%a4", "note:///a%C3%A4"),
        ("address", "http://[::1]:80/x", "http://[::1]/x"),
        ("no authority", "urn:isbn:123", "urn:isbn:123"),
        ("host of a file", "FILE://HOST/x", "file://host/x"),
    ];
    for (name, uri, expected) in rows {
        assert_eq!(normal(uri).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn the_bare_form_is_what_a_careless_server_would_open() {
    let rows = [
        ("note:///secret?x=/y", "note:///secret"),
        ("note:///secret/", "note:///secret"),
        ("note:///secret", "note:///secret"),
        ("note:///", "note:///"),
        ("https://a.example/", "https://a.example"),
        ("NOTE:///secret?x", "note:///secret"),
    ];
    for (uri, expected) in rows {
        let Reading::Plain { normal, bare } = read(uri, false) else { panic!("{uri}") };
        assert_eq!(normal.get(..bare), Some(expected), "{uri}");
    }
}

#[test]
fn templates_keep_their_expressions() {
    for uri in ["note:///{id}", "note:///{+path}", "note:///a{?q*}", "note:///a{#f}"] {
        assert_eq!(
            read(uri, true),
            Reading::Plain { normal: Cow::Borrowed(uri), bare: uri.len() },
            "{uri}"
        );
    }
    for uri in ["note:///{id", "note:///id}", "note:///{a{b}}", "note:///{}"] {
        assert_eq!(read(uri, true), Reading::Odd, "{uri}");
    }
}

proptest! {
    /// The normal form is its own normal form, and never one that is refused.
    #[test]
    fn normal_forms_are_stable(uri in "[a-zA-Z]{1,5}:(//[a-zA-Z.:0-9]{0,8})?(/[a-z%0-9A-F.;?]{0,6}){0,4}") {
        if let Some(once) = normal(&uri) {
            prop_assert_eq!(normal(&once), Some(once.clone()), "{}", uri);
        }
    }

    #[test]
    fn any_text_is_read(text in "\\PC*", template: bool) {
        let _ = read(&text, template);
    }

    /// However the dots are written, they are seen.
    #[test]
    fn no_way_up(dots in "(\\.|%2e|%2E){1,2}", before in "[a-z]{1,3}", after in "(/[a-z]{0,3})?") {
        let uri = format!("file:///{before}/{dots}{after}");
        prop_assert_eq!(read(&uri, false), Reading::Refused);
    }
}
