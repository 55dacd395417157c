//! Lists show exactly what the caller may use: both eras, JSON and streams, wherever the chunks break.

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Rig, Upstream};

struct List {
    method: &'static str,
    member: &'static str,
    key: &'static str,
    shown: &'static str,
    hidden: &'static str,
}

const LISTS: [List; 4] = [
    List {
        method: "tools/list",
        member: "tools",
        key: "name",
        shown: "get_weather",
        hidden: "delete_user",
    },
    List {
        method: "prompts/list",
        member: "prompts",
        key: "name",
        shown: "greeting",
        hidden: "payroll",
    },
    List {
        method: "resources/list",
        member: "resources",
        key: "uri",
        shown: "file:///public/a.txt",
        hidden: "file:///payroll.csv",
    },
    List {
        method: "resources/templates/list",
        member: "resourceTemplates",
        key: "uriTemplate",
        shown: "",
        hidden: "file:///secret/{name}",
    },
];

fn document(list: &List) -> String {
    let mut items = vec![json!({list.key: list.hidden, "title": "t"})];
    if !list.shown.is_empty() {
        items.insert(0, json!({list.key: list.shown, "n": 1}));
        items.push(json!({list.key: list.shown, "n": 2}));
    }
    items.push(json!({"no": "key"}));
    items.push(json!(null));
    let result = json!({list.member: items, "nextCursor": "", "_meta": {"x": 1.50}, "other": [1]});
    json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string()
}

fn ask(list: &List, version: &str) -> Ask {
    if version == "2026-07-28" {
        return Ask::modern(list.method, "", None);
    }
    Ask::post(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, list.method))
        .header("mcp-protocol-version", version)
}

fn check(name: &str, list: &List, version: &str, message: &Value) {
    let result = &message["result"];
    let items = result[list.member].as_array().unwrap_or_else(|| panic!("{name}: {message}"));
    let names: Vec<_> = items.iter().map(|item| item[list.key].as_str().unwrap()).collect();
    let expected = if list.shown.is_empty() { vec![] } else { vec![list.shown; 2] };
    assert_eq!(names, expected, "{name}");
    assert_eq!(result["nextCursor"], "", "{name}: an empty cursor is a cursor");
    assert_eq!(result["other"], json!([1]), "{name}");
    if version == "2026-07-28" {
        assert_eq!(result["cacheScope"], "private", "{name}");
        assert_eq!(result["ttlMs"], 0, "{name}");
    } else {
        assert!(result.get("cacheScope").is_none(), "{name}: legacy clients know no caching hints");
    }
}

/// R-221.
#[tokio::test]
async fn every_list_in_every_form() {
    for list in &LISTS {
        let document = document(list);
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
        let stream =
            format!(": hello\n\ndata: {progress}\n\nid: 7\nevent: message\ndata: {document}\n\n");
        let forms = [
            ("JSON", Answer::json(document.clone())),
            ("SSE", Answer::sse([stream.clone()])),
            ("SSE with CR", Answer::sse([stream.replace('\n', "\r")])),
            ("SSE with CRLF", Answer::sse([stream.replace('\n', "\r\n")])),
        ];
        for (form, answer) in forms {
            for version in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
                let name = format!("{} in {form} at {version}", list.method);
                let rig = Rig::new(Upstream::always(answer.clone())).await;
                let reply = rig.ask(ask(list, version)).await;
                assert_eq!(reply.status, 200, "{name}: {reply:?}");
                assert!(!reply.text().contains(list.hidden), "{name}: leaked");
                let messages = reply.messages();
                check(&name, list, version, messages.last().unwrap());
                if form != "JSON" {
                    assert_eq!(messages.len(), 2, "{name}: progress passes");
                    assert!(
                        reply.text().contains("id: 7") || reply.text().contains("id:7"),
                        "{name}"
                    );
                }
            }
        }
    }
}

/// The same bytes, broken in two at every place, and byte by byte.
#[tokio::test]
async fn chunks_may_break_anywhere() {
    let list = &LISTS[0];
    let mut sample = format!(
        "\u{feff}:k\r\nid: 1\r\ndata: {}\r\n\r\n",
        document(list).replace("\"t\"", "\"é\u{1f512}\"")
    );
    // Several data lines make one document.
    sample = sample.replacen(",\"result\"", ",\r\ndata: \"result\"", 1);
    let bytes = sample.into_bytes();

    let mut splits: Vec<Vec<Vec<u8>>> =
        (1..bytes.len()).map(|at| vec![bytes[..at].to_vec(), bytes[at..].to_vec()]).collect();
    splits.push(bytes.iter().map(|byte| vec![*byte]).collect());

    let (script, answers) = scripted(splits);
    let rig = Rig::new(script).await;
    for number in 0..answers {
        for version in ["2025-11-25", "2026-07-28"] {
            let ask = ask(list, version).header("x-answer", &number.to_string());
            let reply = rig.ask(ask).await;
            assert!(!reply.text().contains(list.hidden), "split {number}: leaked");
            check(&format!("split {number}"), list, version, reply.messages().last().unwrap());
        }
    }
}

/// An upstream that answers with the split that `X-Answer` names.
fn scripted(splits: Vec<Vec<Vec<u8>>>) -> (Upstream, usize) {
    let count = splits.len();
    let upstream = Upstream::new(move |seen| {
        let number: usize = seen.headers["x-answer"].to_str().unwrap().parse().unwrap();
        Answer::sse(splits[number].clone())
    });
    (upstream, count)
}

/// R-066, T8: when nothing is hidden, a legacy answer passes as the bytes it was.
#[tokio::test]
async fn an_untouched_list_is_the_same_bytes() {
    let body = r#"{"jsonrpc":"2.0" , "id":1,"result":{"tools":[ {"name":"get_weather","n":1.50e0} ],"x":null}}"#;
    let rig = Rig::new(Upstream::always(Answer::json(body))).await;
    let reply = rig.ask(ask(&LISTS[0], "2025-11-25")).await;
    assert_eq!(reply.text(), body);
}

/// What cannot be filtered with certainty does not pass.
#[tokio::test]
async fn what_cannot_be_filtered_is_withheld() {
    let ok = document(&LISTS[0]);
    let rows = [
        (
            "duplicate members",
            Answer::json(
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"delete_user"}]}}"#,
            ),
        ),
        (
            "not an array",
            Answer::json(
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{"a":{"name":"delete_user"}}}}"#,
            ),
        ),
        ("compressed", Answer::json(ok.clone()).with("content-encoding", "gzip")),
        (
            "text",
            Answer {
                headers: vec![("content-type", "text/plain".into())],
                ..Answer::json(ok.clone())
            },
        ),
        ("no type", Answer { headers: vec![], ..Answer::json(ok.clone()) }),
        ("broken", Answer::json("{")),
        ("another id", Answer::json(ok.replace("\"id\":1", "\"id\":2"))),
    ];
    for (name, answer) in rows {
        let rig = Rig::new(Upstream::always(answer)).await;
        let reply = rig.ask(ask(&LISTS[0], "2026-07-28")).await;
        assert_eq!((reply.status, reply.code()), (502, -32603), "{name}: {reply:?}");
        assert!(!reply.text().contains("delete_user"), "{name}");
    }
}

/// R-218: mappings of a tool onto subject, action and resource that its server declares (COAZ) are the word of
/// the server alone. Nobody reads them.
#[tokio::test]
async fn mappings_that_servers_declare_grant_nothing() {
    let mapping = json!({
        "subject": {"type": "user", "id": "admin", "properties": {"groups": ["writers"]}},
        "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": "get_weather"},
    });
    let tool = |name: &str| {
        json!({
            "name": name, "x-coaz-mapping": mapping,
            "_meta": {"x-coaz-mapping": mapping},
            "annotations": {"x-coaz-mapping": mapping},
            "inputSchema": {"type": "object", "x-coaz-mapping": mapping, "properties": {
                "a": {"type": "string", "x-coaz-mapping": mapping},
            }},
        })
    };
    let tools = [tool("get_weather"), tool("delete_user"), tool("write_file")];
    let rig = Rig::new(Upstream::new(move |seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let result = match asked["method"] == "tools/list" {
            true => json!({"tools": tools}),
            false => json!({"content": []}),
        };
        Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
    }))
    .await;
    let before = rig.ask(Ask::call("delete_user")).await;
    let list = rig.ask(Ask::modern("tools/list", "", None)).await.json();
    let shown = list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]);
    assert_eq!(shown.collect::<Vec<_>>(), ["get_weather", "write_file"]);
    let count = rig.upstream.count();
    let after = rig.ask(Ask::call("delete_user")).await;
    assert_eq!((after.status, after.text()), (before.status, before.text()));
    assert_eq!(after.code(), -32602, "as if there were none");
    let scopes = rig.ask(Ask::call("write_file")).await;
    assert_eq!(
        (scopes.status, rig.upstream.count()),
        (403, count),
        "nor does it stand for a scope"
    );
    assert_eq!(rig.ask(Ask::call("get_weather")).await.json()["result"]["content"], json!([]));
}
