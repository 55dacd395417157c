//! What looks like something that is filtered, and is not.

use super::*;

#[test]
fn members_mean_something_in_their_revision_only() {
    for (name, result) in [
        ("a time", r#"{"tools":[],"ttlMs":99999999999,"cacheScope":"public"}"#),
        ("versions", r#"{"supportedVersions":["2099-01-01"]}"#),
        ("a kind of result", r#"{"resultType":5}"#),
        ("instructions", r#"{"instructions":"secret"}"#),
        ("messages", r#"{"messages":5}"#),
        ("metadata that is none", r#"{"_meta":5}"#),
        ("an error that is none", r#"{"isError":"true"}"#),
        ("a version that is none", r#"{"protocolVersion":5}"#),
    ] {
        assert_filtered(name, LEGACY, result, None);
    }
}

#[test]
fn a_result_says_whether_it_failed() {
    for (said, expected) in [("true", true), ("false", false), ("1", false), ("\"true\"", false)] {
        let eyes = eyes(Version::V2025_11_25);
        let mut judge = Judge::new(&eyes, None, true);
        let source = answer(&format!(r#"{{"content":[],"isError":{said}}}"#));
        let document = document(source.as_bytes(), LEGACY, &mut judge).unwrap();
        let Document::One(Message { shape: Shape::Response(answer), .. }) = document else {
            panic!("{said}: no response")
        };
        assert_eq!(answer.is_error, expected, "{said}");
    }
}

/// Where the content is stands fast, whether its links were looked at or not.
#[test]
fn content_is_found_where_it_stands() {
    let source = answer(r#"{"a":1,"content":[ {"type":"text"} ],"b":2}"#);
    for facets in [LEGACY, CHECKED] {
        let eyes = eyes(Version::V2025_11_25);
        let mut judge = Judge::new(&eyes, None, true);
        let document = document(source.as_bytes(), facets, &mut judge).unwrap();
        let Document::One(Message { shape: Shape::Response(answer), .. }) = document else {
            panic!("no response")
        };
        assert_eq!(source.get(answer.content.unwrap()).unwrap(), r#"[ {"type":"text"} ]"#);
    }
}

/// Only the very member that names an item is mistaken for it in another letter case.
#[test]
fn members_as_long_as_a_name_are_no_twins() {
    assert_filtered("a tool", LEGACY, r#"{"tools":[{"name":"a","icon":1,"NOTE":2}]}"#, None);
    assert_filtered("a resource", LEGACY, r#"{"resources":[{"uri":"a","url":"secret"}]}"#, None);
}

#[test]
fn lists_of_content_pass_when_all_of_it_may() {
    let link = |uri: &str| format!(r#"{{"type":"resource_link","uri":"{uri}","name":"n"}}"#);
    let (open, secret) = (link("file:///a"), link("file:///secret"));
    for (name, message) in [
        ("a list", format!(r#"{{"role":"user","content":[{{"type":"text"}},{open}]}}"#)),
        ("an empty list", r#"{"role":"user","content":[]}"#.into()),
        ("another list", format!(r#"{{"role":"user","x":[{secret}],"content":{open}}}"#)),
        ("another member", format!(r#"{{"role":"user","x":{secret},"content":{open}}}"#)),
    ] {
        assert_filtered(name, CHECKED, &format!(r#"{{"messages":[{message}]}}"#), None);
    }
}

/// What is hidden is counted, whether it has a name or not.
#[test]
fn what_has_no_name_is_told_as_hidden() {
    for (name, facets, result, hidden) in [
        ("a tool without a name", LEGACY, r#"{"tools":[{"x":1},{"name":"a"}]}"#, 1),
        ("a task of others", LEGACY, r#"{"tasks":[{"taskId":"a"}]}"#, 1),
        ("a link to nowhere", CHECKED, r#"{"content":[{"type":"resource_link"}]}"#, 1),
        ("nothing", CHECKED, r#"{"content":[{"type":"text"}]}"#, 0),
    ] {
        let eyes = eyes(Version::V2025_11_25);
        let mut judge = Judge::new(&eyes, None, true);
        drop(document(answer(result).as_bytes(), facets, &mut judge).unwrap());
        let (_, told) = judge.finish();
        assert_eq!(told.len(), hidden, "{name}");
    }
}
