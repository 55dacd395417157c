//! The story, step by step.

use std::collections::BTreeSet;
use std::error::Error;

use portcullis::audit::MemorySink;
use serde_json::{Value, json};

use crate::Options;
use crate::client::{self, CallResult, Session};
use crate::notes::Notes;
use crate::show::{Show, Tone};
use crate::stage::Stage;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub async fn run(options: &Options) -> Result<()> {
    let show = Show::new();
    let records = MemorySink::new();
    let stage = Stage::set(options, 0, records.clone()).await?;
    let mcp = stage.mcp.as_str();

    show.title("portcullis: a gate in front of an MCP server");
    show.fact("MCP server", "rmcp, five tools over a shared notebook");
    show.fact("gate", mcp);
    show.fact("issuer", stage.issuer.issuer_url());
    show.fact(
        "",
        show.paint(Tone::Faint, "embedded, for development only; its keys were made just now"),
    );

    show.step(1, "A client comes without a token");
    let challenge = client::knock(mcp).await?;
    show.line(show.paint(Tone::Bad, "401 Unauthorized"));
    show.line(format!("WWW-Authenticate: {challenge}"));

    show.step(2, "It reads where to get one");
    let document = metadata(&challenge).await?;
    let list = |member: &str| match document.get(member) {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    show.fact("resource", list("resource"));
    show.fact("issuer", list("authorization_servers"));
    show.fact("scopes", list("scopes_supported"));

    show.step(3, "Rita, of the group staff, signs in");
    let (rita, asked) = client::sign_in(mcp, &challenge, "rita").await?;
    show.fact("asked for", format!("scope \"{}\" for {}", asked.scope, asked.resource));
    show.line(show.paint(Tone::Good, "signed in"));

    show.step(4, "What she sees, beside all there is");
    let seen = tools(&rita).await?;
    let mut rows = vec![row(&["tool", "what it does", "Rita sees"])];
    for tool in Notes::all_tools() {
        let visible = seen.contains(tool.name.as_ref());
        let (word, tone) = if visible { ("yes", Tone::Good) } else { ("no", Tone::Bad) };
        let description = tool.description.as_deref().unwrap_or_default();
        rows.push(vec![
            (tool.name.to_string(), Tone::Plain),
            (description.to_owned(), Tone::Plain),
            (word.to_owned(), tone),
        ]);
    }
    show.table(&rows);

    show.step(5, "A call that her role permits");
    play(show, "read_note", client::call(&rita, "read_note", json!({"title": "welcome"})).await)?;

    show.step(6, "A call of a tool that is hidden from her");
    play(show, "purge_notes", client::call(&rita, "purge_notes", json!({})).await)?;
    show.line(show.paint(Tone::Faint, "the same answer as for a tool that does not exist"));

    show.step(7, "A call that needs one more scope");
    let note = json!({"title": "lunch", "text": "Soup today."});
    let answer = client::call(&rita, "add_note", note.clone()).await;
    let more = if let CallResult::NeedsScope(challenge) = &answer {
        Some(challenge.clone())
    } else {
        None
    };
    play(show, "add_note", answer)?;
    if let Some(challenge) = more {
        let (stepped_up, asked) = client::sign_in(mcp, &challenge, "rita").await?;
        show.fact("steps up", format!("scope \"{}\"", asked.scope));
        play(show, "add_note", client::call(&stepped_up, "add_note", note).await)?;
        stepped_up.cancel().await?;
    }
    rita.cancel().await?;

    show.step(8, "The audit trail of all this");
    stage.layer.audit().flush().await;
    show.table(&audit(&records));
    show.line("");
    show.line(
        "Names of arguments, never their values; each decision was on record before its call ran.",
    );
    show.line(format!(
        "Next: {}, or README.md for the ten lines.",
        show.paint(Tone::Strong, "cargo run --example quickstart -- --serve")
    ));
    println!();
    Ok(())
}

fn row(cells: &[&str]) -> Vec<(String, Tone)> {
    cells.iter().map(|cell| ((*cell).to_owned(), Tone::Plain)).collect()
}

async fn metadata(challenge: &str) -> Result<Value> {
    let url =
        challenge.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next());
    let url = url.ok_or("the challenge names no metadata")?;
    Ok(serde_json::from_slice(&reqwest::get(url).await?.bytes().await?)?)
}

async fn tools(session: &Session) -> Result<BTreeSet<String>> {
    let tools = session.list_all_tools().await?;
    Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
}

fn play(show: Show, tool: &str, result: CallResult) -> Result<()> {
    match result {
        CallResult::Answer(text) => show.line(format!("{tool} → {}", show.paint(Tone::Good, text))),
        CallResult::Refused(text) => show.line(format!("{tool} → {}", show.paint(Tone::Bad, text))),
        CallResult::NeedsScope(challenge) => {
            show.line(format!("{tool} → {}", show.paint(Tone::Bad, "403 Forbidden")));
            show.line(format!("WWW-Authenticate: {challenge}"));
        }
        CallResult::Failed(error) => return Err(error.into()),
    }
    Ok(())
}

/// The decisions as a table.
fn audit(records: &MemorySink) -> Vec<Vec<(String, Tone)>> {
    let mut rows = vec![row(&["time", "who", "method", "target", "arguments", "decision", "why"])];
    for record in records.records() {
        let Ok(record) = serde_json::to_value(&record) else { continue };
        rows.extend(line(&record));
    }
    rows
}

/// One decision as a row; outcomes are left out.
pub fn line(record: &Value) -> Option<Vec<(String, Tone)>> {
    let text =
        |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("/record") != "decision" {
        return None;
    }
    let decision = text("/decision");
    let tone = if decision == "allow" { Tone::Good } else { Tone::Bad };
    let keys: Vec<_> = record["argument_keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let why = [text("/rule_id"), text("/reason")];
    let why: Vec<_> = why.into_iter().filter(|word| !word.is_empty()).collect();
    let time = text("/ts");
    Some(vec![
        (time.get(11..23).unwrap_or(&time).to_owned(), Tone::Faint),
        (text("/principal/sub"), Tone::Plain),
        (text("/method"), Tone::Plain),
        (text("/target"), Tone::Plain),
        (keys.join(" "), Tone::Plain),
        (decision, tone),
        (why.join(" · "), Tone::Plain),
    ])
}
