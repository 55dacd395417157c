//! What a person does who has just found the gateway.

use std::process::Stdio;

use serde_json::json;

use crate::client::{self, CallResult};
use crate::rig::{Folder, Gateway};

/// The default file on ports that are free.
async fn local(folder: &Folder) -> (Gateway, String) {
    let text = include_str!("../../examples/gateway/local.yaml");
    folder.write("policy.yaml", include_str!("../../examples/gateway/policy.yaml"));
    // Somebody may take a port before the gateway does.
    for _ in 0..5 {
        let taken = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = taken.each_ref().map(|it| it.local_addr().unwrap().port().to_string());
        drop(taken);
        let text = text.replace("8800", &ports[0]).replace("8801", &ports[1]);
        folder.write("local.yaml", &text.replace("8802", &ports[2]));
        match Gateway::try_start(&folder.path("local.yaml")).await {
            Ok(gateway) => return (gateway, format!("http://127.0.0.1:{}", ports[0])),
            Err(log) => assert!(log.contains("cannot"), "{log}"),
        }
    }
    panic!("no free ports");
}

#[tokio::test]
async fn a_client_finds_its_way_in_and_stays_within_its_role() {
    let folder = Folder::new();
    let (gateway, origin) = local(&folder).await;
    let url = format!("{origin}/notes");
    let challenge = client::knock(&url).await.unwrap();
    let document = format!("{origin}/.well-known/oauth-protected-resource/notes");
    assert!(challenge.contains(&format!("resource_metadata=\"{document}\"")), "{challenge}");
    let metadata: serde_json::Value =
        serde_json::from_str(&reqwest::get(document).await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(metadata["resource"], url);
    assert_eq!(metadata["resource_name"], "The shared notebook");

    let (session, asked) = client::sign_in(&url, &challenge, "rita").await.unwrap();
    assert_eq!((asked.scope.as_str(), asked.resource.as_str()), ("notes:read", url.as_str()));
    let tools = session.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert!(names.contains(&"read_note") && !names.contains(&"purge_notes"), "{names:?}");
    let title = json!({ "title": "welcome" });
    match client::call(&session, "read_note", title).await {
        CallResult::Answer(text) => assert!(text.contains("yours to guard"), "{text}"),
        _ => panic!("it may read"),
    }
    let denied = client::call(&session, "purge_notes", json!({})).await;
    assert!(matches!(denied, CallResult::Refused(text) if text.contains("purge_notes")));
    let note = json!({ "title": "lunch", "text": "Soup today." });
    let denied = client::call(&session, "add_note", note).await;
    assert!(matches!(denied, CallResult::NeedsScope(text) if text.contains("notes:write")));

    let record = gateway.log.find("read_note").await.unwrap();
    assert!(record.contains("rita") && record.contains("allow"), "{record}");
    assert!(!gateway.log.so_far().contains("Soup today."), "no argument value");

    let health = gateway.out.find("health at ").await.unwrap();
    let health = reqwest::get(health.trim_start_matches("health at ")).await.unwrap();
    assert_eq!(health.status(), 200);
}

/// The commands that it prints do what they say.
#[tokio::test]
async fn it_prints_commands_that_work() {
    let folder = Folder::new();
    let (gateway, _) = local(&folder).await;
    for (person, purges) in [("rita", false), ("ada", true)] {
        // The end of the last command.
        gateway.out.find_nth("  -d '{", 3).await.unwrap();
        let all = gateway.out.so_far();
        let (_, command) = all.split_once(&format!("as {person}, for 10 minutes:\n")).unwrap();
        let command = command.split("\n\n").next().unwrap();
        let mut shell = tokio::process::Command::new("sh");
        let output = shell.args(["-c", command]).stdin(Stdio::null()).output().await.unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.contains("read_note"), "is curl installed? {command}\n{answer}");
        assert_eq!(answer.contains("purge_notes"), purges, "{person}: {answer}");
    }
}
