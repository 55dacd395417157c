//! Definitions of tools that somebody has approved.

use portcullis::ToolPins;
use serde_json::{Value, json};

use crate::ask::{bearer, call, list, send};
use crate::rig::{FILE, Folder, Rig};

/// Approves `read_note` with this description.
fn pins(description: Option<&str>) -> String {
    let mut tool = json!({ "name": "read_note", "inputSchema": { "type": "object" } });
    if let Some(text) = description {
        tool["description"] = json!(text);
    }
    ToolPins::of_list(json!([tool]).to_string().as_bytes()).unwrap().to_json()
}

#[tokio::test]
async fn only_what_was_approved_is_offered() {
    let folder = Folder::new();
    folder.write("pins.json", &pins(None));
    let file = FILE.replace("    path: /notes\n", "    path: /notes\n    tool_pins: pins.json\n");
    let rig = Rig::with(folder, &file).await;
    let ask = async |request| send(rig.address, bearer(request, &rig.token())).await.json();
    assert_eq!(ask(list()).await["result"]["tools"][0]["name"], "read_note");
    assert_eq!(ask(call("read_note")).await["error"], Value::Null);

    // What the server says is another definition than the one that is approved now.
    rig.folder.write("pins.json", &pins(Some("Reads a note.")));
    rig.reload().await;
    assert_eq!(ask(list()).await["result"]["tools"], json!([]));
    assert_eq!(ask(call("read_note")).await["error"]["code"], -32602);
    assert!(rig.folder.read("audit.jsonl").contains("\"event\":\"tool.changed\""));
}
