//! What servers say about what they have (requirements 2.5).

use std::sync::Arc;

use portcullis_core::{Caller, Glance, Look, TargetKind, Text, View};

use super::*;
use crate::judge::{Answers, Eyes};

const UIS: Facets<'_> = Facets { tool_uis: true, ..LEGACY };

/// A list of one tool with this `_meta`.
fn tool(meta: &str) -> String {
    format!(r#"{{"tools":[{{"name":"a","_meta":{meta},"title":"A"}}]}}"#)
}

#[test]
fn uis_that_may_not_be_read_are_left_out() {
    let secret = r#""resourceUri":"ui://secret""#;
    let rows = [
        ("one that may", r#"{"ui":{"resourceUri":"ui://a"}}"#.to_owned(), None),
        ("alone", format!(r#"{{"ui":{{{secret}}}}}"#), Some(r#"{"ui":{}}"#)),
        (
            "with others",
            format!(r#"{{"x":1.50,"ui":{{"visibility":["app"],{secret}}},"y":[2]}}"#),
            Some(r#"{"x":1.50,"ui":{"visibility":["app"]},"y":[2]}"#),
        ),
        ("the older form", r#"{"ui/resourceUri":"ui://secret","x":1}"#.into(), Some(r#"{"x":1}"#)),
        (
            "one of two",
            r#"{"ui/resourceUri":"ui://a","ui":{"resourceUri":"ui://secret"}}"#.into(),
            Some(r#"{"ui":{}}"#),
        ),
        (
            "escaped",
            r#"{"u\u0069":{"resource\u0055ri":"ui://\u0073ecret"}}"#.into(),
            Some(r#"{"u\u0069":{}}"#),
        ),
        ("in another case", r#"{"UI":{"ResourceURI":"ui://secret"}}"#.into(), Some(r#"{"UI":{}}"#)),
        ("no text", r#"{"ui":{"resourceUri":["ui://a"]}}"#.into(), Some(r#"{"ui":{}}"#)),
        ("not a UI", r#"{"ui":"ui://secret","other":{"resourceUri":"ui://secret"}}"#.into(), None),
    ];
    for (name, meta, kept) in rows {
        assert_filtered(name, UIS, &tool(&meta), kept.map(tool).as_deref());
        assert_filtered(name, LEGACY, &tool(&meta), None);
    }
    let prompts = r#"{"prompts":[{"name":"a","_meta":{"ui":{"resourceUri":"ui://secret"}}}]}"#;
    assert_filtered("only tools have UIs", UIS, prompts, None);
    let both = r#"{"tools":[{"_meta":{"ui":{"resourceUri":"ui://secret"}},"name":"a","execution":{"taskSupport":"optional"}},{"execution":{"taskSupport":"optional"},"_meta":{"ui":{"resourceUri":"ui://secret"}},"name":"b"}]}"#;
    let kept = r#"{"tools":[{"_meta":{"ui":{}},"name":"a","execution":{"taskSupport":"forbidden"}},{"execution":{"taskSupport":"forbidden"},"_meta":{"ui":{}},"name":"b"}]}"#;
    let facets = Facets { no_tasks: true, ..UIS };
    assert_filtered("with another change, in any order", facets, both, Some(kept));
}

/// A question that is asked only after another was answered would take the answer to the next.
#[test]
fn uis_are_asked_about_in_the_same_order_again() {
    let list = |tools: [&str; 3]| {
        let tool = |name: &&str| {
            format!(r#"{{"name":"{name}","_meta":{{"ui":{{"resourceUri":"ui://{name}"}}}}}}"#)
        };
        answer(&format!(
            r#"{{"tools":[{}]}}"#,
            tools.iter().map(tool).collect::<Vec<_>>().join(",")
        ))
    };
    let source = list(["later-1", "later-secret", "later-2"]);
    let eyes = eyes(Version::V2025_11_25);
    let mut judge = Judge::new(&eyes, None, true);
    document(source.as_bytes(), UIS, &mut judge).unwrap();
    let (items, _) = judge.finish();
    let shown = items.iter().map(|(_, name)| !name.as_str().contains("secret")).collect();
    let answers = Answers { items, shown };
    let mut judge = Judge::new(&eyes, Some(&answers), true);
    let Document::One(message) = document(source.as_bytes(), UIS, &mut judge).unwrap() else {
        panic!("a batch")
    };
    let sent: Value = serde_json::from_slice(&message.edited.unwrap()).unwrap();
    let names: Vec<_> =
        sent["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["later-1", "later-2"]);
    assert_eq!(sent["result"]["tools"][1]["_meta"]["ui"]["resourceUri"], "ui://later-2");
}

/// Shows what `NoSecrets` does, and lets only some run as tasks.
#[derive(Debug)]
struct FewTasks;

impl View for FewTasks {
    fn glance(&self, _: &Caller, _: Version, kind: TargetKind, name: &str) -> Glance {
        match (kind, name) {
            (_, name) if name.contains("later") => Glance::Later,
            (TargetKind::Tool, "secret") | (TargetKind::Task, "short") => Glance::Hidden,
            _ => Glance::Shown,
        }
    }

    fn decides_tasks(&self) -> bool {
        true
    }

    fn look(&self, _: Caller, _: Version, _: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// R-216, 2.5: what may not be called as a task says so, and what runs in no other way is left out.
#[test]
fn tools_say_who_may_call_them_as_tasks() {
    let of = |name: &str, support: &str| {
        format!(r#"{{"execution":{{"x":1.50,"taskSupport":{support}}},"name":"{name}"}}"#)
    };
    let kept = |name: &str, support: &str| Some(of(name, support));
    let forbidden = |name| kept(name, r#""forbidden""#);
    // The name, what the server says, who decides: policy, nobody, the gate.
    let rows = [
        ("long", r#""optional""#, [kept("long", r#""optional""#), forbidden("long")]),
        ("long", r#""required""#, [kept("long", r#""required""#), None]),
        ("short", r#""optional""#, [forbidden("short"), forbidden("short")]),
        ("short", r#""\u006fptional""#, [forbidden("short"), forbidden("short")]),
        ("short", r#""required""#, [None, None]),
        ("short", r#""r\u0065quired""#, [None, None]),
        ("short", r#""forbidden""#, [forbidden("short"), forbidden("short")]),
        ("short", "true", [forbidden("short"), forbidden("short")]),
        ("secret", r#""optional""#, [None, None]),
    ];
    let eyes = |view| Eyes { view: Some(view), ..eyes(Version::V2025_11_25) };
    let policy = eyes(Arc::new(FewTasks));
    let nobody = eyes(Arc::new(Without(Vec::new())));
    for (name, support, [by_policy, by_gate]) in rows {
        let sent = of(name, support);
        let rows = [
            ("policy", &policy, LEGACY, by_policy),
            ("nobody", &nobody, LEGACY, Some(sent.clone())),
            ("the gate", &policy, Facets { no_tasks: true, ..LEGACY }, by_gate),
        ];
        for (who, eyes, facets, expected) in rows {
            for list in ["tools", "prompts"] {
                let source = answer(&format!(r#"{{"{list}":[{sent}]}}"#));
                let mut judge = Judge::new(eyes, None, true);
                let read = document(source.as_bytes(), facets, &mut judge).unwrap();
                let Document::One(message) = read else { panic!("a batch") };
                let found = message.edited.map(|edited| String::from_utf8(edited).unwrap());
                let expected = match list {
                    "tools" => expected.clone().unwrap_or_default(),
                    _ => sent.clone(),
                };
                let expected = answer(&format!(r#"{{"{list}":[{expected}]}}"#));
                let (later, hidden) = judge.finish();
                assert!(later.is_empty());
                assert_eq!(hidden.is_empty(), expected.contains(name), "{name} {support} by {who}");
                assert_eq!(found.unwrap_or(source), expected, "{list}: {name} {support} by {who}");
            }
        }
    }
}

/// Both answers of a tool that is asked about twice are its own.
#[test]
fn tools_are_asked_about_tasks_in_the_same_order_again() {
    let tool =
        |name: &str| format!(r#"{{"name":"{name}","execution":{{"taskSupport":"optional"}}}}"#);
    let names = ["later-1", "long", "later-2", "short", "later-3"].map(tool);
    let source = answer(&format!(r#"{{"tools":[{}]}}"#, names.join(",")));
    let eyes = Eyes { view: Some(Arc::new(FewTasks)), ..eyes(Version::V2025_11_25) };
    let mut judge = Judge::new(&eyes, None, true);
    document(source.as_bytes(), LEGACY, &mut judge).unwrap();
    let (items, _) = judge.finish();
    let asked: Vec<_> = items.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
    let both = |name| [(TargetKind::Task, name), (TargetKind::Tool, name)];
    assert_eq!(asked, [both("later-1"), both("later-2"), both("later-3")].concat());
    // Only the second is hidden, and only the first may run as a task.
    let shown = [true, true, true, false, false, true].to_vec();
    let answers = Answers { items, shown };
    let mut judge = Judge::new(&eyes, Some(&answers), true);
    let Document::One(message) = document(source.as_bytes(), LEGACY, &mut judge).unwrap() else {
        panic!("a batch")
    };
    let sent: Value = serde_json::from_slice(&message.edited.unwrap()).unwrap();
    let tools = sent["result"]["tools"].as_array().unwrap();
    let told: Vec<_> =
        tools.iter().map(|tool| [&tool["name"], &tool["execution"]["taskSupport"]]).collect();
    let expected = [
        ["later-1", "optional"],
        ["long", "optional"],
        ["short", "forbidden"],
        ["later-3", "forbidden"],
    ];
    assert_eq!(told, expected);
}

/// Shows nothing of these kinds.
#[derive(Debug)]
struct Without(Vec<TargetKind>);

impl View for Without {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, _: &str) -> Glance {
        Glance::Shown
    }

    fn offers(&self, _: &Caller, _: Version, kind: TargetKind) -> bool {
        !self.0.contains(&kind)
    }

    fn look(&self, _: Caller, _: Version, _: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(std::future::ready(Vec::new()))
    }
}

#[test]
fn features_of_which_nothing_may_be_used_are_left_out() {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Tool};

    let all = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{},"tasks":{},"logging":{},"experimental":{"tools":{}},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}"#;
    let resources = vec![Resource, ResourceTemplate];
    let tasks = ["tasks", "io.modelcontextprotocol/tasks"];
    let rows = [
        ("all", Vec::new(), false, Vec::new()),
        ("no tools", vec![Tool], false, [&["tools"], &tasks[..]].concat()),
        ("no prompts", vec![Prompt], false, vec!["prompts"]),
        ("no resources", resources.clone(), false, vec!["resources"]),
        ("templates remain", vec![Resource], false, Vec::new()),
        ("resources remain", vec![ResourceTemplate], false, Vec::new()),
        (
            "nothing to complete",
            [resources, vec![Prompt]].concat(),
            false,
            vec!["prompts", "resources", "completions"],
        ),
        ("no tasks", Vec::new(), true, tasks.to_vec()),
    ];
    for (name, kinds, no_tasks, gone) in rows {
        let eyes = Eyes { view: Some(Arc::new(Without(kinds))), ..eyes(Version::V2025_11_25) };
        let sent = |facets: Facets<'_>| {
            let source = answer(&format!(r#"{{"capabilities":{all},"protocolVersion":"x"}}"#));
            let mut judge = Judge::new(&eyes, None, true);
            let document = document(source.as_bytes(), facets, &mut judge).unwrap();
            let Document::One(message) = document else { panic!("a batch") };
            message.edited.map(|edited| serde_json::from_slice::<Value>(&edited).unwrap())
        };
        let mut kept: Value = serde_json::from_str(all).unwrap();
        for feature in &gone {
            kept.as_object_mut().unwrap().remove(*feature);
            kept["extensions"].as_object_mut().unwrap().remove(*feature);
        }
        let facets = Facets { no_tasks, ..LEGACY };
        let found = sent(Facets { no_idle_features: true, ..facets });
        let found = found.map(|mut sent| sent["result"]["capabilities"].take());
        assert_eq!(found, (!gone.is_empty()).then_some(kept), "{name}");
        assert_eq!(sent(facets), None, "{name}: off");
    }
    for odd in [r#"{"capabilities":[]}"#, r#"{"capabilities":"tools"}"#] {
        let facets = Facets { no_idle_features: true, ..LEGACY };
        assert!(filtered(facets, &answer(odd)).is_err(), "{odd}");
    }
}

#[test]
fn tools_offered_to_the_clients_model_are_checked() {
    let facets = Facets { sampling_tools: true, ..LEGACY };
    let rows = [
        ("none hidden", r#"{"tools":[{"name":"a"}]}"#, Some(None)),
        (
            "one hidden",
            r#"{"messages":[],"tools":[{"name":"secret","inputSchema":{}},{"name":"a"}],"maxTokens":1.0}"#,
            Some(Some(r#"{"messages":[],"tools":[{"name":"a"}],"maxTokens":1.0}"#)),
        ),
        ("without a name", r#"{"tools":["secret",{"Name":"a"}]}"#, Some(Some(r#"{"tools":[]}"#))),
        ("another member", r#"{"toolChoice":{"tools":[{"name":"secret"}]}}"#, Some(None)),
        ("no list", r#"{"tools":{"name":"secret"}}"#, None),
        ("another case", r#"{"Tools":[{"name":"secret"}]}"#, None),
    ];
    for (name, params, kept) in rows {
        let asks = |params: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{params}}}"#
            )
        };
        let input = |params: &str| {
            let request = format!(r#"{{"method":"sampling/createMessage","params":{params}}}"#);
            answer(&format!(
                r#"{{"inputRequests":{{"q":{{"method":"roots/list"}},"s":{request}}},"x":0}}"#
            ))
        };
        for of in [&asks as &dyn Fn(&str) -> String, &input] {
            let found = filtered(facets, &of(params)).ok();
            assert_eq!(found, kept.map(|kept| kept.map(of)), "{name}");
            assert_eq!(filtered(LEGACY, &of(params)), Ok(None), "{name}: off");
        }
    }
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    assert_eq!(filtered(facets, ping), Ok(None));
    for odd in [r#"{"inputRequests":[]}"#, r#"{"inputRequests":{"a":1,"b":{"params":[]}}}"#] {
        assert_eq!(filtered(facets, &answer(odd)), Ok(None), "{odd}: for others to refuse");
    }
}
