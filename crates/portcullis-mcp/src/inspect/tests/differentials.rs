//! X-70 to X-94: bodies that parsers read differently.

use super::*;

/// A request whose members are given as text.
fn root(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#)
}

fn call(params: &str) -> String {
    root(&format!(r#""method":"tools/call","params":{{{params}}}"#))
}

/// A call whose body nests `n` deep.
fn nested(n: usize) -> String {
    let (open, close) = ("[".repeat(n - 3), "]".repeat(n - 3));
    call(&format!(r#""name":"t","arguments":{{"a":{open}{close}}}"#))
}

const DUP: (u16, i64, Reason) = (400, -32600, Reason::DupKey);
const JSON: (u16, i64, Reason) = (400, -32700, Reason::BadJson);
const RPC: (u16, i64, Reason) = (400, -32600, Reason::BadRpc);

/// R-023 to R-027, R-035: what some parser would read in another way.
#[test]
fn ambiguous_bodies_are_refused() {
    let good = call(r#""name":"t""#);
    let two_params = r#""method":"tools/call","params":{"name":"a"},"params":{"name":"b"}"#;
    let long_method = format!(r#""method":"{}""#, "m".repeat(257));
    let meta_variant = r#""name":"t","_meta":{"io.modelcontextprotocol/ProtocolVersion":"x"}"#;
    let related_variant =
        r#""name":"t","_meta":{"io.modelcontextprotocol/related-task":{"TaskId":"x"}}"#;
    let listen_snake = r#""name":"t","notifications":{"resource_subscriptions":["x"]}"#;
    let rows = [
        ("X-70", root(r#""method":"tools/list","method":"tools/call","params":{"name":"t"}"#), DUP),
        ("X-70 id", root(r#""id":2,"method":"ping""#), DUP),
        ("X-70 jsonrpc", root(r#""jsonrpc":"2.0","method":"ping""#), DUP),
        ("X-71", call(r#""name":"safe","name":"danger""#), DUP),
        ("X-72", root(two_params), DUP),
        ("X-73 arguments", call(r#""name":"t","arguments":{"a":1,"a":2}"#), DUP),
        ("X-73 _meta", call(r#""name":"t","_meta":{"a":1,"a":2}"#), DUP),
        ("X-73 ref", call(r#""name":"t","ref":{"type":"x","type":"y"}"#), DUP),
        ("X-73 deep", call(r#""name":"t","arguments":{"l":[{"x":{"k":1,"k":1}}]}"#), DUP),
        ("X-73 unread", root(r#""method":"ping","extra":{"a":1,"a":2}"#), DUP),
        ("X-74", call(r#""name":"safe","n\u0061me":"danger""#), DUP),
        ("X-74 root", root(r#""method":"ping","m\u0065thod":"tools/call""#), DUP),
        ("X-75 Name", call(r#""Name":"danger""#), DUP),
        ("X-75 Name beside", call(r#""name":"safe","Name":"danger""#), DUP),
        ("X-75 METHOD", root(r#""method":"ping","METHOD":"tools/call""#), DUP),
        ("X-75 Params", root(r#""method":"tools/list","Params":{}"#), DUP),
        ("X-75 long s", root("\"method\":\"tools/list\",\"param\u{17F}\":{}"), DUP),
        ("X-75 long s escaped", root(r#""method":"tools/list","param\u017f":{}"#), DUP),
        ("X-75 Kelvin", call("\"name\":\"t\",\"progressTo\u{212A}en\":1"), DUP),
        ("X-75 ID", root(r#""method":"ping","ID":2"#), DUP),
        ("X-75 _meta", call(r#""name":"t","_META":{}"#), DUP),
        ("X-75 in _meta", call(meta_variant), DUP),
        ("X-75 in ref", call(r#""name":"t","ref":{"Type":"ref/prompt"}"#), DUP),
        ("X-75 in task", call(r#""name":"t","task":{"TTL":1}"#), DUP),
        ("X-75 in listen", call(r#""name":"t","notifications":{"taskids":[]}"#), DUP),
        ("X-75 in related-task", call(related_variant), DUP),
        ("X-75 dotted I", call(r#""name":"t","ur\u0130":"x""#), DUP),
        ("X-75 snake case", call(r#""name":"t","task_id":"x""#), DUP),
        ("X-75 meta", call(r#""name":"t","meta":{}"#), DUP),
        ("X-75 snake case in listen", call(listen_snake), DUP),
        ("X-75 snake case in task", call(r#""name":"t","task":{"task_id":"x"}"#), DUP),
        ("X-75 underscore at the root", root(r#""method":"ping","_params":{"name":"x"}"#), DUP),
        ("X-75 NUL at the root", root(r#""method":"ping","method\u0000":"tools/call""#), DUP),
        ("X-75 NUL", call(r#""name":"safe","name\u0000":"danger""#), DUP),
        ("X-75 NUL inside", call(r#""name":"safe","na\u0000me":"danger""#), DUP),
        ("X-75 NUL and more", call(r#""name":"safe","name\u0000x":"danger""#), DUP),
        ("X-75 NUL in _meta", call(r#""name":"t","_meta":{"a\u0000":1}"#), DUP),
        ("X-75 NUL in listen", call(r#""name":"t","notifications":{"taskIds\u0000":[]}"#), DUP),
        ("X-76 root", root(r#""method":"ping","__proto__":{"name":"danger"}"#), RPC),
        ("X-76 params", call(r#""name":"t","__proto__":{"name":"danger"}"#), RPC),
        ("X-76 constructor", call(r#""name":"t","constructor":{}"#), RPC),
        ("X-76 in listen", call(r#""name":"t","notifications":{"__proto__":{}}"#), RPC),
        ("X-77 byte order mark", format!("\u{FEFF}{good}"), JSON),
        ("X-78 surrogate", call(r#""name":"\ud800""#), JSON),
        ("X-80 twice", format!("{good}{good}"), JSON),
        ("X-80 lines", format!("{good}\n{good}"), JSON),
        ("X-80 garbage", format!("{good}garbage"), JSON),
        ("X-80 NUL", format!("{good}\0"), JSON),
        ("X-81 comment", format!("/* */{good}"), JSON),
        ("X-81 trailing comma", call(r#""name":"t","#), JSON),
        ("X-81 single quotes", call("'name':'t'"), JSON),
        ("X-81 NaN", call(r#""name":"t","arguments":{"a":NaN}"#), JSON),
        ("X-81 leading zero", call(r#""name":"t","arguments":{"a":01}"#), JSON),
        ("X-82 65 deep", nested(65), JSON),
        ("X-82 very deep", nested(100_000), JSON),
        ("X-87 result", root(r#""method":"ping","result":{}"#), RPC),
        ("X-87 error", root(r#""method":"ping","error":{}"#), RPC),
        ("X-87 notification", r#"{"jsonrpc":"2.0","method":"x","result":{}}"#.into(), RPC),
        ("result and error", root(r#""result":{},"error":{}"#), RPC),
        ("neither", r#"{"jsonrpc":"2.0","id":1}"#.into(), RPC),
        ("result without id", r#"{"jsonrpc":"2.0","result":{}}"#.into(), RPC),
        ("error, id null", r#"{"jsonrpc":"2.0","id":null,"error":{}}"#.into(), RPC),
        ("response with params", root(r#""result":{},"params":{}"#), RPC),
        ("X-93", root(r#""method":"tools/call","params":["danger"]"#), RPC),
        ("params null", root(r#""method":"ping","params":null"#), RPC),
        ("params string", root(r#""method":"ping","params":"x""#), RPC),
        ("no version", r#"{"id":1,"method":"ping"}"#.into(), RPC),
        ("version 1.0", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.into(), RPC),
        ("version number", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#.into(), RPC),
        ("method empty", root(r#""method":"""#), RPC),
        ("method number", root(r#""method":1"#), RPC),
        ("method null", root(r#""method":null"#), RPC),
        ("method long", root(&long_method), RPC),
        ("a string", "\"tools/call\"".into(), RPC),
        ("a number", "1".into(), RPC),
        ("null", "null".into(), RPC),
        ("empty object", "{}".into(), RPC),
        ("nothing", String::new(), JSON),
        // The syntax is judged first: what is not JSON has no shape.
        ("both wrong", r#"{"params":[],"x":}"#.into(), JSON),
    ];
    for (name, body, expected) in rows {
        assert_eq!(verdict(&run(&all(), &[], &body)), Err(expected), "{name}");
    }
    let longest = root(&format!(r#""method":"{}""#, "m".repeat(256)));
    let unknown = Err((200, -32601, Reason::UnknownMethod));
    assert_eq!(verdict(&run(&all(), &[], &longest)), unknown, "a method of 256 bytes");
}

/// X-77.
#[test]
fn bodies_in_other_encodings_are_refused() {
    let good = call(r#""name":"@""#);
    let replace = |with: &[u8]| {
        let at = good.find('@').unwrap();
        [&good.as_bytes()[..at], with, &good.as_bytes()[at + 1..]].concat()
    };
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, body) in [
        ("UTF-16", utf16),
        ("overlong", replace(b"\xC0\xAF")),
        ("invalid", replace(b"\xFF")),
        ("surrogate", replace(b"\xED\xA0\x80")),
        ("cut", replace(b"\xE2\x82")),
    ] {
        let result = inspect(&all(), &caller("alice"), &HeaderMap::new(), &body.into());
        assert_eq!(verdict(&result), Err(JSON), "{name}");
    }
}

#[test]
fn clear_bodies_are_not() {
    let arguments = |arguments: &str| call(&format!(r#""name":"t","arguments":{arguments}"#));
    for (name, body) in [
        ("snake case and NUL in arguments", arguments(r#"{"task_id":1,"taskId":2,"a\u0000":3}"#)),
        ("underscores elsewhere", call(r#""name":"t","my_uri":1,"_":2,"context":{"task_id":1}"#)),
        ("case variants in arguments", arguments(r#"{"Name":1,"name":2,"METHOD":3}"#)),
        ("prototype names in arguments", arguments(r#"{"__proto__":1,"constructor":2}"#)),
        ("case variants in unread objects", call(r#""name":"t","context":{"Name":1}"#)),
        ("unknown members", root(r#""method":"ping","extra":1,"params":{"more":[1]}"#)),
        ("64 deep", nested(64)),
        ("white space", format!(" \r\n\t{} ", call(r#""name":"t""#))),
        ("NUL in the name", call(r#""name":"t\u0000""#)),
        ("null arguments", arguments("null")),
    ] {
        assert!(run(&all(), &[], &body).is_ok(), "{name}");
    }
}

/// X-78, X-79: names are what they are, to the code point.
#[test]
fn names_are_not_normalised() {
    for name in ["delete\u{200b}_user", "delete_\u{430}", "t\u{0}", " t", "T", "e\u{301}", "\u{e9}"]
    {
        let body = call(&format!(r#""name":{}"#, serde_json::to_string(name).unwrap()));
        assert_eq!(targets(run(&all(), &[], &body)), [(TargetKind::Tool, name.to_owned())]);
    }
}
