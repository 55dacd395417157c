//! `--serve`: the stage stays up, with commands to paste.

use std::error::Error;
use std::io;

use portcullis::audit::{Record, Sink};

use crate::Options;
use crate::show::{Show, Tone};
use crate::stage::{PEOPLE, Stage};
use crate::story;

pub async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let show = Show::new();
    let stage = Stage::set(options, 8700, Print(show)).await?;
    let mcp = stage.mcp.as_str();

    show.title("portcullis is serving");
    show.fact("gate", mcp);
    show.fact("metadata", stage.layer.metadata().url());
    show.fact("issuer", stage.issuer.issuer_url());
    show.fact(
        "",
        show.paint(Tone::Faint, "embedded, for development only; its keys were made just now"),
    );

    show.title("Point an MCP client at it");
    show.line("It is led to the issuer's page, where you choose whom to sign in as. For example:");
    show.line("");
    show.line(format!(
        "code --add-mcp '{{\"name\":\"notes\",\"type\":\"http\",\"url\":\"{mcp}\"}}'"
    ));
    show.line("");
    show.line("or, in the configuration file of most others:");
    show.line("");
    show.line(format!("{{\"mcpServers\":{{\"notes\":{{\"type\":\"http\",\"url\":\"{mcp}\"}}}}}}"));

    show.title("Or curl, as each of the people (tokens for 10 minutes)");
    for (name, group) in PEOPLE {
        let token = stage.issuer.token_for(name, mcp, &["notes:read", "notes:write"]);
        show.line(show.paint(Tone::Strong, format!("{name}, of the group {group}")));
        println!("{}\n", curl(mcp, &token));
    }
    show.line(show.paint(Tone::Strong, "without a token"));
    println!("curl -i -X POST {mcp}\n");

    show.title("Audit records, as they come (Ctrl-C ends)");
    tokio::signal::ctrl_c().await?;
    stage.layer.audit().flush().await;
    Ok(())
}

/// Lists the tools that the holder of `token` sees.
fn curl(mcp: &str, token: &str) -> String {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    format!(
        "curl -s {mcp} -H 'Authorization: Bearer {token}' \\\n  \
         -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\\n  \
         -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\\n  \
         -d '{body}'"
    )
}

/// Prints each decision as a line.
struct Print(Show);

impl Sink for Print {
    fn write(&mut self, _: &Record, line: &[u8]) -> io::Result<()> {
        let record = serde_json::from_slice(line)?;
        if let Some(cells) = story::line(&record) {
            let cells: Vec<_> = cells
                .into_iter()
                .filter(|(text, _)| !text.is_empty())
                .map(|(text, tone)| self.0.paint(tone, text))
                .collect();
            self.0.line(cells.join("  "));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
