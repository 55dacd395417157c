use super::*;

fn judge(argument: &Argument, json: Option<&str>) -> Truth {
    let value: Option<Box<RawValue>> = json.map(|json| serde_json::from_str(json).unwrap());
    Check::new(argument).unwrap().of(value.as_deref())
}

#[test]
fn values() {
    use Truth::{No, Unknown, Yes};
    let a = Argument::new;
    let long = format!("\"{}\"", "a".repeat(MAX_SUBJECT + 1));
    let rows = [
        ("equal", a().equals("x"), Some(r#""x""#), Yes),
        ("equal, however escaped", a().equals("x"), Some(r#""\u0078""#), Yes),
        ("not equal", a().equals("x"), Some(r#""y""#), No),
        ("case counts", a().equals("x"), Some(r#""X""#), No),
        ("a string is no number", a().equals(1), Some(r#""1""#), Unknown),
        ("a number is no string", a().equals("1"), Some("1"), Unknown),
        ("one number, two spellings", a().equals(1), Some("1.0"), Yes),
        ("exact past 2^53", a().equals(9_007_199_254_740_993_u64), Some("9007199254740992"), No),
        ("a list is not its item", a().equals("x"), Some(r#"["x"]"#), Unknown),
        ("null", a().equals(Value::Null), Some("null"), Yes),
        ("null is no value", a().equals("x"), Some("null"), Unknown),
        ("true", a().equals(true), Some("true"), Yes),
        ("false", a().equals(true), Some("false"), No),
        ("missing", a().equals("x"), None, Unknown),
        ("one of", a().one_of(["x", "y"]), Some(r#""y""#), Yes),
        ("none of", a().one_of(["x", "y"]), Some(r#""z""#), No),
        ("there", a().present(true), Some("null"), Yes),
        ("not there", a().present(true), None, No),
        ("must be absent", a().present(false), None, Yes),
        ("is not absent", a().present(false), Some("null"), No),
        ("missing is known where presence is asked", a().present(true).prefix("x"), None, No),
        ("min", a().min(10), Some("10"), Yes),
        ("below min", a().min(10), Some("9.999999999999999999999999"), No),
        ("max", a().max(10), Some("1e1"), Yes),
        (
            "over max by less than a float can tell",
            a().max(10),
            Some("10.00000000000000000001"),
            No,
        ),
        ("range", a().min(-1).max(1), Some("-1.0"), Yes),
        ("absurd exponent", a().max(10), Some("1e99999999999"), Unknown),
        ("a range of strings", a().max(10), Some(r#""1""#), Unknown),
        ("prefix", a().prefix("ab"), Some(r#""abc""#), Yes),
        ("no prefix", a().prefix("ab"), Some(r#""acb""#), No),
        ("suffix", a().suffix("@example.com"), Some(r#""a@example.com""#), Yes),
        ("no suffix", a().suffix("@example.com"), Some(r#""a@example.com.evil""#), No),
        ("whole match", a().matches("[a-z]+"), Some(r#""abc""#), Yes),
        ("partial match", a().matches("[a-z]+"), Some(r#""abc1""#), No),
        ("alternatives are one pattern", a().matches("a|b"), Some(r#""ab""#), No),
        ("a line end is text", a().matches("a"), Some(r#""a\n""#), No),
        ("too long to look at", a().matches("a*"), Some(&*long), Unknown),
        ("characters", a().max_length(2), Some(r#""üü""#), Yes),
        ("too many characters", a().max_length(2), Some(r#""abc""#), No),
        ("items", a().min_length(2), Some("[1,2]"), Yes),
        ("too few items", a().min_length(2), Some("[1]"), No),
        ("length of a number", a().min_length(0), Some("1"), Unknown),
        ("most length of a number", a().max_length(9), Some("1"), Unknown),
        ("each", a().each(a().suffix("x")), Some(r#"["ax","bx"]"#), Yes),
        ("one is not", a().each(a().suffix("x")), Some(r#"["ax","b"]"#), No),
        ("one cannot be told", a().each(a().suffix("x")), Some(r#"["ax",1]"#), Unknown),
        ("no items", a().each(a().suffix("x")), Some("[]"), Yes),
        ("each of a string", a().each(a().suffix("x")), Some(r#""x""#), Unknown),
        ("an object", a().prefix("x"), Some("{}"), Unknown),
    ];
    for (name, argument, json, expected) in rows {
        assert_eq!(judge(&argument, json), expected, "{name}");
    }
}

#[test]
fn paths() {
    use Truth::{No, Unknown, Yes};
    let rows = [
        ("/srv/data", "/srv/data", Yes),
        ("/srv/data/", "/srv/data/a/b", Yes),
        ("/srv/data", "/srv/data/", Yes),
        ("/", "/etc", Yes),
        ("/srv/data", "/srv/database", No),
        ("/srv/data", "/etc/passwd", No),
        ("/srv/data", "/srv/data/../../etc/passwd", Unknown),
        ("/srv/data", "/srv/data/./a", Unknown),
        ("/srv/data", "/srv/data//a", Unknown),
        ("/srv/data", "/srv/data/..\\\\x", Unknown),
        ("/srv/data", "/srv/data/%2e%2e/x", Unknown),
        ("/srv/data", "/srv/data/\\u0000", Unknown),
        ("/srv/data", "/srv/data/.. /x", Unknown),
        ("/srv/data", "/srv/data/.../x", Unknown),
        ("/srv/data", "/srv/data/ /x", Unknown),
        ("/srv/data", "/srv/data/\u{ff0e}\u{ff0e}/x", Unknown),
        ("/srv/data", "/srv/data/\u{2025}/x", Unknown),
        ("/srv/data", "/srv/data/..\u{ff0f}x", Unknown),
        ("/srv/data", "/srv/data/..\u{ff3c}x", Unknown),
        ("/srv/data", "/srv/data/..\u{a5}x", Unknown),
        ("/srv/data", "/srv/data/\u{ff05}2e", Unknown),
        ("/srv/data", "/srv/data/.hidden/..a/a./b c", Yes),
        ("/srv/data", "/srv/data/and so on\u{2026}", Yes),
        ("/srv/data", "srv/data/a", Unknown),
        ("/srv/data", "", Unknown),
        ("/etc", "../etc/passwd", Unknown),
        ("data", "data/x", Yes),
        ("data", "other/x", No),
        ("data", "/data/x", Unknown),
    ];
    for (base, path, expected) in rows {
        let json = format!("\"{path}\"");
        assert_eq!(judge(&Argument::new().under(base), Some(&json)), expected, "{base} {path}");
    }
}

const APART: &str = "its conditions contradict each other: some are about numbers, strings or lists that \
                     others are not about";

#[test]
fn what_cannot_be_meant() {
    let a = Argument::new;
    let rows = [
        (a(), "it asks nothing"),
        (a().min(2).max(1), "no number is both at least its min and at most its max"),
        (a().min("2"), "min and max are numbers"),
        (
            a().min_length(2).max_length(1),
            "no length is both at least min_length and at most max_length",
        ),
        (a().prefix(""), "an empty prefix says nothing"),
        (a().one_of(Vec::<String>::new()), "an empty list of values matches nothing"),
        (a().one_of([Value::from(1), Value::from("1")]), "values of one list must have one type"),
        (a().equals(serde_json::json!([1])), "values are strings, numbers, booleans or null"),
        (a().present(false).equals(1), "what must be absent cannot have other conditions"),
        (
            a().equals("x").prefix("y"),
            "its conditions contradict each other: none of the values named meets the others",
        ),
        (
            a().one_of([1, 2]).min(3),
            "its conditions contradict each other: none of the values named meets the others",
        ),
        (a().prefix("x").max(3), APART),
        (a().each(a().min(1)).matches("x"), APART),
        (a().each(a().min(1).suffix("x")), APART),
        (a().min(1).max_length(3), APART),
        (
            a().suffix("äöü").max_length(2),
            "its conditions contradict each other: a prefix or suffix is longer than max_length",
        ),
        (a().under("/a/../b"), "\"/a/../b\" is not a plain path"),
        (a().matches("("), "the pattern \"(\" is not a regular expression"),
        (a().matches("a)|(b"), "the pattern \"a)|(b\" is not a regular expression"),
        (
            a().matches("(a{500}){500}"),
            "the pattern \"(a{500}){500}\" takes more than 1048576 bytes",
        ),
        (a().each(a()), "it asks nothing"),
        (
            a().each(a().each(a().each(a().each(a().each(a().min(1)))))),
            "each inside each goes deeper than 4",
        ),
    ];
    for (argument, expected) in rows {
        assert_eq!(Check::new(&argument).unwrap_err(), expected);
    }
    assert!(Check::new(&a().matches("a".repeat(MAX_PATTERN + 1))).is_err());
    for possible in [
        a().suffix("äö").max_length(2),
        a().each(a().min(1)).max_length(2),
        a().prefix("a").suffix("b").under("/a").matches("x").min_length(1),
    ] {
        assert!(Check::new(&possible).is_ok(), "{possible:?}");
    }
}

#[test]
fn limits_are_inclusive() {
    let a = Argument::new;
    let text = |length: usize| format!("\"{}\"", "a".repeat(length));
    assert_eq!(judge(&a().matches("a*"), Some(&text(MAX_SUBJECT))), Truth::Yes);
    assert_eq!(judge(&a().matches("a*"), Some(&text(MAX_SUBJECT + 1))), Truth::Unknown);
    assert_eq!(judge(&a().min(5).max(5), Some("5.0")), Truth::Yes);
    assert_eq!(judge(&a().min_length(2).max_length(2), Some("[1,2]")), Truth::Yes);
    let nested = |depth: usize| (0..depth).fold(a().min(1), |inner, _| a().each(inner));
    for (name, argument, fits) in [
        ("a pattern", a().matches("a".repeat(MAX_PATTERN)), true),
        ("a longer one", a().matches("a".repeat(MAX_PATTERN + 1)), false),
        ("lists of lists", nested(MAX_EACH), true),
        ("one more", nested(MAX_EACH + 1), false),
        ("no number", a().min(6).max(5), false),
        ("no length", a().min_length(3).max_length(2), false),
    ] {
        assert_eq!(Check::new(&argument).is_ok(), fits, "{name}");
    }
}
