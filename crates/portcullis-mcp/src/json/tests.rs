use std::collections::HashSet;
use std::fmt;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMITS: JsonLimits = JsonLimits { depth: 64, values: 100_000 };

fn check(bytes: &[u8]) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(bytes, LIMITS)?;
    scanner.skip()?;
    scanner.finish()
}

/// R-023, R-024.
#[test]
fn documents() {
    use JsonError::*;
    let rows: &[(&str, &[u8], Result<(), JsonError>)] = &[
        ("object", br#"{"a":1,"b":[true,false,null,"x",{}],"c":{}}"#, Ok(())),
        ("white space", b" \t\r\n{ \"a\" : [ ] , \"b\" : 1 } \n", Ok(())),
        ("scalars", b"-0.5e+10", Ok(())),
        ("empty", b"", Err(Syntax)),
        ("only space", b"  ", Err(Syntax)),
        ("byte order mark", b"\xEF\xBB\xBF{}", Err(Syntax)),
        ("UTF-16", b"\xFF\xFE{\0}\0", Err(Syntax)),
        ("overlong", b"\"\xC0\xAF\"", Err(Syntax)),
        ("invalid byte", b"\"\xFF\"", Err(Syntax)),
        ("surrogate bytes", b"\"\xED\xA0\x80\"", Err(Syntax)),
        ("two documents", b"{}{}", Err(Syntax)),
        ("JSON lines", b"{}\n{}", Err(Syntax)),
        ("garbage after", b"{} x", Err(Syntax)),
        ("NUL after", b"{}\0", Err(Syntax)),
        ("comment", b"{}//", Err(Syntax)),
        ("comment inside", b"{/**/}", Err(Syntax)),
        ("trailing comma in object", br#"{"a":1,}"#, Err(Syntax)),
        ("trailing comma in array", b"[1,]", Err(Syntax)),
        ("leading comma", b"[,1]", Err(Syntax)),
        ("missing comma", b"[1 2]", Err(Syntax)),
        ("missing colon", br#"{"a" 1}"#, Err(Syntax)),
        ("missing value", br#"{"a":}"#, Err(Syntax)),
        ("bare name", b"{a:1}", Err(Syntax)),
        ("single quotes", b"{'a':1}", Err(Syntax)),
        ("NaN", b"NaN", Err(Syntax)),
        ("Infinity", b"-Infinity", Err(Syntax)),
        ("hex", b"0x1F", Err(Syntax)),
        ("leading zero", b"01", Err(Syntax)),
        ("leading plus", b"+1", Err(Syntax)),
        ("bare minus", b"-", Err(Syntax)),
        ("no fraction", b"1.", Err(Syntax)),
        ("no integer", b".5", Err(Syntax)),
        ("no exponent", b"1e+", Err(Syntax)),
        ("upper case literal", b"True", Err(Syntax)),
        ("cut literal", b"tru", Err(Syntax)),
        ("wrong literal", b"trug", Err(Syntax)),
        ("words of other languages", b"[nil]", Err(Syntax)),
        ("no literal", b"[none, fault]", Err(Syntax)),
        ("long literal", b"nullx", Err(Syntax)),
        ("raw newline", b"\"a\nb\"", Err(Syntax)),
        ("raw NUL", b"\"a\0b\"", Err(Syntax)),
        ("escaped NUL", br#""\u0000""#, Ok(())),
        ("DEL is no control here", b"\"\x7F\"", Ok(())),
        ("unknown escape", br#""\x41""#, Err(Syntax)),
        ("cut escape", br#""\u12"#, Err(Syntax)),
        ("bad hex", br#""\u12G4""#, Err(Syntax)),
        ("signed hex", br#""\u+123""#, Err(Syntax)),
        ("lone high surrogate", br#""\ud800""#, Err(Syntax)),
        ("lone low surrogate", br#""\udc00""#, Err(Syntax)),
        ("high then text", br#""\ud800abcdef""#, Err(Syntax)),
        ("high then high", br#""\ud800\ud800""#, Err(Syntax)),
        ("surrogate pair", br#""\ud83d\ude00""#, Ok(())),
        ("unterminated", b"\"abc", Err(Syntax)),
        ("unterminated object", br#"{"a":1"#, Err(Syntax)),
        ("crossed brackets", b"[}", Err(Syntax)),
        ("duplicate", br#"{"a":1,"a":2}"#, Err(Duplicate)),
        ("nested duplicate", br#"{"x":[{"y":{"a":1,"a":1}}]}"#, Err(Duplicate)),
        ("escaped duplicate", br#"{"name":1,"n\u0061me":2}"#, Err(Duplicate)),
        ("two escaped duplicates", br#"{"\u0061":1,"\u0061":2}"#, Err(Duplicate)),
        (
            "a name of serde_json's",
            br#"{"a":{"$serde_json::private::RawValue":"{}"}}"#,
            Err(Reserved),
        ),
        ("the same, escaped", br#"{"\u0024serde_json::private::Number":"1"}"#, Err(Reserved)),
        ("empty names", br#"{"":1,"":2}"#, Err(Duplicate)),
        ("slash escape", br#"{"a/b":1,"a\/b":2}"#, Err(Duplicate)),
        ("same names in siblings", br#"[{"a":1},{"a":1}]"#, Ok(())),
        ("same name at two depths", br#"{"a":{"a":1}}"#, Ok(())),
        ("same length and ends", br#"{"abc":1,"axc":2}"#, Ok(())),
        ("same beginning", br#"{"beginning1":1,"beginning2":2,"beginning":3}"#, Ok(())),
        (
            "duplicate among names of one beginning",
            br#"{"beginning1":1,"beginning2":2,"beginning1":3}"#,
            Err(Duplicate),
        ),
        ("a dollar", br#"{"$schema":1,"$ref":2,"$id":3}"#, Ok(())),
        ("duplicate with a dollar", br#"{"$ref":1,"a":2,"$ref":3}"#, Err(Duplicate)),
        (
            "escaped duplicate of a long name",
            br#"{"beginning1":1,"beginning\u0031":2}"#,
            Err(Duplicate),
        ),
    ];
    for (name, document, expected) in rows {
        assert_eq!(check(document), *expected, "{name}");
    }
}

#[test]
fn nesting_is_bounded_and_does_not_overflow() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nest = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        assert_eq!(check(nest(64).as_bytes()), Ok(()));
        assert_eq!(check(nest(65).as_bytes()), Err(JsonError::Limit));
        assert_eq!(check(nest(100_000).as_bytes()), Err(JsonError::Limit));
        assert_eq!(check(open.repeat(100_000).as_bytes()), Err(JsonError::Limit));
    }
}

/// R-023, X-83.
#[test]
fn values_are_bounded() {
    // The array is a value too.
    let list = |n: usize| format!("[{}]", vec!["1"; n].join(","));
    assert_eq!(check(list(99_999).as_bytes()), Ok(()));
    assert_eq!(check(list(100_000).as_bytes()), Err(JsonError::Limit));
}

/// Whatever they are, and whether somebody reads them or not.
#[test]
fn values_of_every_kind_count() {
    let three = JsonLimits { depth: 64, values: 3 };
    for value in ["1", "\"x\"", r#""\n""#, "true", "false", "null", "{}", "[]"] {
        for (count, expected) in [(2, Ok(())), (3, Err(JsonError::Limit))] {
            let document = format!("[{}]", vec![value; count].join(","));
            let mut skipping = Scanner::new(document.as_bytes(), three).unwrap();
            assert_eq!(skipping.pass(), expected, "{document}");
            let mut reading = Scanner::new(document.as_bytes(), three).unwrap();
            let read = reading.array(|scanner| match scanner.peek()? {
                Kind::String => scanner.string().map(drop),
                Kind::Number => scanner.number().map(drop),
                Kind::Object => scanner.object(|scanner, _| scanner.pass()),
                Kind::Array => scanner.array(Scanner::pass),
                Kind::Bool | Kind::Null => scanner.pass(),
            });
            assert_eq!(read, expected, "{document}, read");
        }
    }
}

/// Depth is how deep it is, and not how much there is.
#[test]
fn neighbours_are_not_deep() {
    for value in ["{}", "[]", r#"{"a":1}"#, "[1]", r#"{"a":{},"b":[[]]}"#] {
        let document = format!("[{}]", vec![value; 1_000].join(","));
        assert_eq!(check(document.as_bytes()), Ok(()), "{value}");
        let mut reading = Scanner::new(document.as_bytes(), LIMITS).unwrap();
        let read = reading.array(|scanner| match scanner.peek()? {
            Kind::Object => scanner.object(|scanner, _| scanner.pass()),
            _ => scanner.array(Scanner::pass),
        });
        assert_eq!(read, Ok::<_, JsonError>(()), "{value}, read");
    }
}

#[test]
fn wide_objects_find_duplicates_too() {
    for n in [15, 16, 17, 18, 1_000] {
        let names: Vec<_> = (0..n).map(|i| format!(r#""k{i}":{i}"#)).collect();
        let plain = format!("{{{}}}", names.join(","));
        assert_eq!(check(plain.as_bytes()), Ok(()), "{n} names");
        for again in [0, n / 2, n - 1] {
            let first = format!("k{again}");
            let escaped: String = first.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
            for repeated in [first.as_str(), escaped.as_str()] {
                let document = format!(r#"{{{},"{repeated}":0}}"#, names.join(","));
                assert_eq!(
                    check(document.as_bytes()),
                    Err(JsonError::Duplicate),
                    "{n}: {repeated}"
                );
            }
        }
    }
}

/// A wide object inside of another has names of its own, and the outer one keeps its own.
#[test]
fn wide_objects_in_wide_objects_find_duplicates_too() {
    let names =
        |from: u32| -> String { (from..from + 60).map(|i| format!(r#""k{i}":1,"#)).collect() };
    let nest = |inside: &str, last: &str| {
        format!(r#"{{{}"in":{{{}{inside}}},"{last}":0}}"#, names(0), names(10))
    };
    let rows = [
        (r#""x":0"#, "y", Ok(())),
        (r#""x":0"#, "x", Ok(())),
        (r#""k0":0"#, "k65", Ok(())),
        (r#""x":0"#, "k0", Err(JsonError::Duplicate)),
        (r#""x":0"#, "k19", Err(JsonError::Duplicate)),
        (r#""x":0"#, "in", Err(JsonError::Duplicate)),
        (r#""k29":0"#, "y", Err(JsonError::Duplicate)),
    ];
    for (inside, last, expected) in rows {
        assert_eq!(check(nest(inside, last).as_bytes()), expected, "{inside} {last}");
    }
}

/// Names beyond those that are kept near, at every level, before and after inner objects end.
#[test]
fn deep_objects_find_duplicates_too() {
    /// An object of 15 names at each of `levels`, with `k0` again at level `twice`.
    fn nest(levels: usize, twice: Option<usize>) -> String {
        let names: Vec<_> = (0..13).map(|i| format!(r#""k{i}":{i}"#)).collect();
        let inner = if levels == 0 {
            "0".to_owned()
        } else {
            nest(levels - 1, twice.and_then(|level| level.checked_sub(1)))
        };
        let again = if twice == Some(0) { r#","k0":1"# } else { "" };
        format!(r#"{{{},"in":{inner},"in2":{inner}{again}}}"#, names.join(","))
    }
    assert_eq!(check(nest(7, None).as_bytes()), Ok(()));
    for level in 0..=7 {
        let document = nest(7, Some(level));
        assert_eq!(check(document.as_bytes()), Err(JsonError::Duplicate), "level {level}");
    }
}

#[test]
fn strings_say_what_they_stand_for() {
    let document = r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00x\u0000""#;
    let mut scanner = Scanner::new(document.as_bytes(), LIMITS).unwrap();
    let string = scanner.string().unwrap();
    assert!(string.escaped());
    assert_eq!(string.decoded(), "\"\\/\u{8}\u{C}\n\r\té😀x\0");
    assert!(string.eq("\"\\/\u{8}\u{C}\n\r\té😀x\0"));
    assert_eq!(document.get(string.range()).unwrap(), string.raw());
}

/// Every special byte is found at every place of words and blocks.
#[test]
fn the_end_of_a_string_is_found_wherever_it_is() {
    for special in [b'"', b'\\', 0, 0x1F] {
        for filler in [b' ', b'!', b'#', b'[', b']', 0x7F, 0x80, 0xA2, 0xDC, 0xFF] {
            for at in 0..120 {
                let mut bytes = vec![filler; 120];
                assert_eq!(chars::find_special(&bytes, 0), None);
                bytes[at] = special;
                for from in [0, 1, at] {
                    let expected = (from <= at).then_some(at);
                    assert_eq!(chars::find_special(&bytes, from), expected, "{special} {filler}");
                }
            }
        }
    }
}

#[test]
fn members_and_items_are_pulled_in_order() {
    let document = br#" { "a" : [ 1 , "x" ] , "b" : -2.5 , "c" : { } }"#;
    let mut scanner = Scanner::new(document, LIMITS).unwrap();
    let mut seen = Vec::new();
    assert_eq!(scanner.peek(), Ok(Kind::Object));
    assert_eq!(scanner.at(), 1);
    scanner
        .object::<JsonError>(|scanner, name| {
            seen.push(name.raw().to_owned());
            match scanner.peek()? {
                Kind::Array => scanner.array::<JsonError>(|scanner| {
                    let range = scanner.skip()?;
                    seen.push(scanner.slice(range).to_owned());
                    Ok(())
                }),
                Kind::Number => {
                    seen.push(scanner.number()?.to_owned());
                    Ok(())
                }
                _ => scanner.skip().map(drop),
            }
        })
        .unwrap();
    scanner.finish().unwrap();
    assert_eq!(seen, ["a", "1", "\"x\"", "b", "-2.5", "c"]);
}

#[test]
fn names_that_may_be_extensions_are_marked() {
    let rows = [
        (r#"{"type":"object","properties":{"a":{"type":"x-mcp-header"}}}"#, false),
        (r#"{"$ref":"x","y":["x"]}"#, false),
        (r#""x""#, false),
        (r#"{"x-mcp-header":"a"}"#, true),
        (r#"{"a":[{"b":{"x":1}},{"c":2}]}"#, true),
        (r#"{"a":{"\u0078-mcp-header":1},"b":2}"#, true),
    ];
    for (document, expected) in rows {
        let document = format!(r#"{{"x1":1,"schema":{document},"x2":{{"x":1}}}}"#);
        let mut scanner = Scanner::new(document.as_bytes(), LIMITS).unwrap();
        let mut found = None;
        let read = scanner.object(|scanner, name| {
            if name.eq("schema") {
                let (range, marked) = scanner.skip_marking()?;
                assert!(document.contains(scanner.slice(range)));
                found = Some(marked);
                return Ok(());
            }
            scanner.pass()
        });
        assert_eq!(read, Ok::<_, JsonError>(()));
        assert_eq!(found, Some(expected), "{document}");
    }
}

#[test]
fn a_value_that_is_not_read_is_an_error() {
    let mut scanner = Scanner::new(br#"{"a":1}"#, LIMITS).unwrap();
    assert_eq!(scanner.object::<JsonError>(|_, _| Ok(())), Err(JsonError::Syntax));
}

/// The oracle: `serde_json` for the grammar, a visitor of our own for names and depth.
struct Strict;

impl<'de> serde::Deserialize<'de> for Strict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> serde::de::Visitor<'de> for Walk {
            type Value = Strict;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Strict, A::Error> {
                while seq.next_element::<Strict>()?.is_some() {}
                Ok(Strict)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Strict, A::Error> {
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    let number = name == "$serde_json::private::Number";
                    map.next_value::<Strict>()?;
                    if !names.insert(name) && !number {
                        return Err(serde::de::Error::custom("duplicate"));
                    }
                }
                Ok(Strict)
            }
        }
        deserializer.deserialize_any(Walk)
    }
}

fn json() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-c]{0,2}".prop_map(|s| format!("\"{s}\"")),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        Just(r#""\u0061""#.to_owned()),
        Just(r#""\ud83d\ude00""#.to_owned()),
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        text.clone(),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((text.clone(), inner), 0..24).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k} : {v}")).collect();
                format!("{{{}}}", members.join(" ,\n"))
            }),
        ]
    })
}

fn agrees(bytes: &[u8]) -> Result<(), TestCaseError> {
    let oracle = serde_json::from_slice::<Strict>(bytes).is_ok();
    let ours = check(bytes);
    prop_assert_eq!(ours.is_ok(), oracle, "{:?}: {:?}", ours, String::from_utf8_lossy(bytes));
    if ours.is_ok() {
        prop_assert!(serde_json::from_slice::<Value>(bytes).is_ok());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_serde_json_on_documents(document in json()) {
        agrees(document.as_bytes())?;
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_documents(
        document in json(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![
                any::<u8>(),
                prop::sample::select(b"{}[]\",:\\u0123456789aeE+-. \n".to_vec()),
            ], 0..3_u8),
            1..4,
        ),
    ) {
        let mut bytes = document.into_bytes();
        for (place, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        agrees(&bytes)?;
    }

    #[test]
    fn unescaping_agrees_with_serde_json(text in any::<String>(), escape_all in any::<bool>()) {
        let document = if escape_all {
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            format!("\"{units}\"")
        } else {
            serde_json::to_string(&text).unwrap()
        };
        let mut scanner = Scanner::new(document.as_bytes(), LIMITS).unwrap();
        let string = scanner.string().unwrap();
        prop_assert_eq!(string.decoded(), text.as_str());
        prop_assert!(string.eq(&text));
    }
}
