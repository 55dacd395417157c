//! The gateway and the server behind it, as programs of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portcullis::testing::Authority;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::{Fault, Result};

/// People who call. The gateway limits what each may do at once.
pub const PEOPLE: usize = 100;

pub struct Rig {
    authority: Authority,
    server_program: String,
    server_address: String,
    server: Child,
    gateway: Child,
    config: PathBuf,
    resource: String,
}

impl Rig {
    pub async fn start(gateway: &str, server: &str, folder: &str) -> Result<Self> {
        let authority = Authority::start().await?;
        let (server_address, resource) = (free_address().await?, free_address().await?);
        let resource = format!("http://{resource}/mcp");
        let config = Path::new(folder).join("gateway.yaml");
        let behind = serve(server, &server_address).await?;
        std::fs::write(
            &config,
            text(&resource, authority.name(), &server_address, Settings::default()),
        )?;
        let rig = Self {
            gateway: Command::new(gateway)
                .arg("--config")
                .arg(&config)
                .stderr(std::fs::File::create(Path::new(folder).join("gateway.log"))?)
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()?,
            authority,
            server_program: server.to_owned(),
            server_address,
            server: behind,
            config,
            resource,
        };
        let client = rig.client(0);
        // What it prints is its own affair: it is up when it answers.
        for _ in 0..200 {
            if client.call("test_simple_text").await.is_ok() {
                return Ok(rig);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let why = client.call("test_simple_text").await.err();
        Err(format!("the gateway does not serve: {}", why.unwrap_or_default()).into())
    }

    /// Somebody who calls.
    pub fn client(&self, person: usize) -> Client {
        let subject = format!("person-{}", person % PEOPLE);
        let token = self.authority.token(&self.resource).subject(subject);
        Client::new(&self.resource, &token.lifetime(Duration::from_secs(3600)).sign())
    }

    /// Resident memory of the gateway, in KiB.
    pub fn memory(&self) -> Result<u64> {
        let id = self.gateway.id().ok_or("the gateway has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }

    /// Kills the server as a crash would.
    pub async fn kill_server(&mut self) -> Result<()> {
        Ok(self.server.kill().await?)
    }

    pub async fn restart_server(&mut self) -> Result<()> {
        self.server = serve(&self.server_program, &self.server_address).await?;
        Ok(())
    }

    /// Changes the gateway's file and says so.
    pub async fn reload(&self, settings: Settings) -> Result<()> {
        let new = text(&self.resource, self.authority.name(), &self.server_address, settings);
        let beside = self.config.with_extension("new");
        std::fs::write(&beside, new)?;
        std::fs::rename(beside, &self.config)?;
        let id = self.gateway.id().ok_or("the gateway has ended")?;
        let told = Command::new("kill").args(["-HUP", &id.to_string()]).status().await?;
        told.success().then_some(()).ok_or_else(|| Fault::from("kill -HUP failed"))
    }
}

/// Starts the server; it is up when this returns.
async fn serve(program: &str, address: &str) -> Result<Child> {
    let mut child = Command::new(program)
        .args(["alone", address])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    let said = BufReader::new(output).lines().next_line().await?;
    said.ok_or("the server did not start")?;
    Ok(child)
}

/// One that the kernel just gave: nobody else will get it soon.
async fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}

/// What changes from file to file.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Of the server, in seconds.
    pub timeout: u64,
    /// Whether there is another server.
    pub another: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { timeout: 60, another: false }
    }
}

fn text(resource: &str, issuer: &str, server: &str, settings: Settings) -> String {
    let Settings { timeout, another } = settings;
    let another = if another { "  another: { path: /another, upstream: demo }\n" } else { "" };
    let address = resource.trim_start_matches("http://").trim_end_matches("/mcp");
    format!(
        "\
public_url: http://{address}
listen: [{{ http: \"{address}\" }}]
max_connections: 20000
authentication: {{ tokens: {{ issuers: [{{ issuer: \"{issuer}\", internal: true }}] }} }}
policy: policy.yaml
audit: {{ sinks: [{{ file: {{ path: audit.jsonl }} }}] }}
limits: {{ open_streams: 1000, calls_in_flight: 1000 }}
servers:
  load:
    path: /mcp
    upstream: {{ http: {{ url: \"http://{server}/mcp\", timeout_seconds: {timeout} }} }}
{another}"
    )
}
