use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

#[test]
fn text_is_printable_ascii() {
    for (name, value, expected) in [
        ("plain", &b"alice"[..], Ok("alice")),
        ("space inside", b"Alice A", Ok("Alice A")),
        ("white space around", b" \talice\t ", Ok("alice")),
        ("empty", b"", Ok("")),
        ("Apache's unset variable", b"(null)", Ok("")),
        ("a dash for nothing", b"-", Ok("")),
        ("tab inside", b"ali\tce", Err(Kind::NotText)),
        ("line feed", b"alice\n", Err(Kind::NotText)),
        ("NUL", b"alice\0", Err(Kind::NotText)),
        ("DEL", b"alice\x7f", Err(Kind::NotText)),
        ("UTF-8", "алиса".as_bytes(), Err(Kind::NotText)),
        ("Latin-1", b"Zo\xeb", Err(Kind::NotText)),
        ("no-break space", b"alice\xa0", Err(Kind::NotText)),
        ("too long", b"1234567890123", Err(Kind::TooLarge)),
    ] {
        assert_eq!(text(value, 12), expected, "{name}");
    }
}

#[test]
fn addresses() {
    for good in
        ["alice@example.com", "a.b+c@x-y.example", "root@localhost", "o'neil@example.com", ""]
    {
        assert_eq!(email(good.as_bytes()), Ok(good), "{good}");
    }
    for bad in [
        "alice",
        "@example.com",
        "alice@",
        "alice@evil.example@example.com",
        "a@b,c@d",
        "a b@c.d",
        "\"a@evil.example\"@b.c",
        "a@b..c",
        ".a@b.c",
        "a.@b.c",
        "a@b.c.",
        "<a@b.c>",
        "a@[10.0.0.1]",
        "a@b_c",
        "a@b.c;root@b.c",
    ] {
        assert_eq!(email(bad.as_bytes()), Err(Kind::Malformed), "{bad}");
    }
    assert_eq!(email(format!("{}@b.c", "a".repeat(251)).as_bytes()), Err(Kind::TooLarge));
}

#[test]
fn subjects_have_one_at_sign_at_most() {
    assert_eq!(subject(b"uid=alice,ou=people"), Ok("uid=alice,ou=people"));
    assert_eq!(subject(b"alice@example.com"), Ok("alice@example.com"));
    assert_eq!(subject(b"alice@evil.example@example.com"), Err(Kind::Malformed));
    assert_eq!(subject(&[b'a'; 256]), Err(Kind::TooLarge));
    assert!(subject(&[b'a'; 255]).is_ok());
}

#[test]
fn scopes_are_separated_by_spaces() {
    assert_eq!(scopes(b"mcp:read mcp:write").unwrap(), ["mcp:read", "mcp:write"]);
    assert_eq!(scopes(b"mcp:read,admin").unwrap(), ["mcp:read,admin"], "never by commas");
    assert_eq!(scopes(b"").unwrap(), [""; 0]);
    for bad in ["a  b", "a\"b", "a\\b"] {
        assert_eq!(scopes(bad.as_bytes()), Err(Kind::Malformed), "{bad}");
    }
}

#[test]
fn delimited_lists() {
    let semicolons = ListFormat::Delimited(';');
    assert_eq!(list(b"staff;site ops;a,b", semicolons).unwrap(), ["staff", "site ops", "a,b"]);
    assert_eq!(list(b"", semicolons).unwrap(), [""; 0]);
    assert_eq!(list(b"(null)", semicolons).unwrap(), [""; 0]);
    for bad in [";", "a;", ";a", "a;;b", "a; b", "a ;b"] {
        assert_eq!(list(bad.as_bytes(), semicolons), Err(Kind::Malformed), "{bad}");
    }
    let many = vec!["g"; MAX_ITEMS].join(";");
    assert_eq!(list(many.as_bytes(), semicolons).unwrap().len(), MAX_ITEMS);
    assert_eq!(list(format!("{many};g").as_bytes(), semicolons), Err(Kind::TooLarge));
    assert_eq!(list(&[b'g'; 256], semicolons), Err(Kind::TooLarge), "one long name");
    assert_eq!(list(&[b';'; MAX_LIST + 1], semicolons), Err(Kind::TooLarge));
}

#[test]
fn quoted_lists() {
    let quoted = |value: &str| list(value.as_bytes(), ListFormat::Quoted);
    assert_eq!(quoted(r#""Website Users","Test Group""#).unwrap(), ["Website Users", "Test Group"]);
    assert_eq!(quoted(r#""a,b""#).unwrap(), ["a,b"]);
    assert_eq!(quoted("staff").unwrap(), ["staff"]);
    assert_eq!(quoted("staff,admins").unwrap(), ["staff,admins"], "a single claim is not split");
    assert_eq!(quoted("").unwrap(), [""; 0]);
    for bad in
        [r#"""#, r#""""#, r#""a"#, r#"a""#, r#""a",b"#, r#""a", "b""#, r#""a"b""#, r#""a","""#]
    {
        assert_eq!(quoted(bad), Err(Kind::Malformed), "{bad}");
    }
}

#[test]
fn json_lists() {
    let read = |value: &str| list(value.as_bytes(), ListFormat::Base64UrlJson);
    let json = r#"["staff","a,b"]"#;
    assert_eq!(read(&URL_SAFE.encode(json)).unwrap(), ["staff", "a,b"]);
    assert_eq!(read(&URL_SAFE_NO_PAD.encode(json)).unwrap(), ["staff", "a,b"]);
    assert_eq!(read("").unwrap(), [""; 0]);
    for (bad, kind) in [
        (r#"["a",1]"#, Kind::Malformed),
        (r#"{"a":1}"#, Kind::Malformed),
        (r#""a""#, Kind::Malformed),
        (r#"["a"] x"#, Kind::Malformed),
        (r#"["größe"]"#, Kind::NotText),
        (r#"["a\nb"]"#, Kind::NotText),
        (r#"[""]"#, Kind::NotText),
    ] {
        assert_eq!(read(&URL_SAFE.encode(bad)), Err(kind), "{bad}");
    }
    assert_eq!(read("***"), Err(Kind::Malformed));
    assert_eq!(read(json), Err(Kind::Malformed), "not encoded");
}

fn formats() -> impl Strategy<Value = ListFormat> {
    prop_oneof![
        Just(ListFormat::Delimited(',')),
        Just(ListFormat::Delimited(';')),
        Just(ListFormat::Quoted),
        Just(ListFormat::Base64UrlJson),
    ]
}

proptest! {
    #[test]
    fn whatever_is_read_is_bounded_text(
        value in prop::collection::vec(any::<u8>(), 0..80),
        format in formats(),
    ) {
        let items = list(&value, format).into_iter().flatten();
        for item in items.chain(email(&value).map(str::to_owned)).chain(subject(&value).map(str::to_owned)) {
            prop_assert!(item.len() <= MAX_NAME);
            prop_assert!(item.bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }

    #[test]
    fn unambiguous_lists_come_back(items in prop::collection::vec("[a-z][a-z .:/]{0,8}[a-z]", 1..9)) {
        prop_assert_eq!(list(items.join(",").as_bytes(), ListFormat::Delimited(',')).unwrap(), items.clone());
        let quoted: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
        prop_assert_eq!(list(quoted.join(",").as_bytes(), ListFormat::Quoted).unwrap(), items.clone());
        let json = URL_SAFE_NO_PAD.encode(serde_json::to_string(&items).unwrap());
        prop_assert_eq!(list(json.as_bytes(), ListFormat::Base64UrlJson).unwrap(), items);
    }
}
