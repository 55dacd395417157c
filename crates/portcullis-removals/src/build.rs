//! The test programs of the copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Result;
use crate::ledger::Ledger;

/// A test program, and the folder that Cargo would run it in.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) folder: PathBuf,
}

/// Test programs by package and target.
pub(crate) type Programs = BTreeMap<(String, String), Program>;

/// One message of `cargo --message-format=json`.
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds what the ledger names.
pub(crate) fn tests_of(root: &Path, copy: &Path, ledger: &Ledger) -> Result<Programs> {
    let mut targets = BTreeSet::new();
    for check in &ledger.check {
        for test in check.named()? {
            targets.insert(test.target);
        }
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace with all features, as its tests are built: other crates are compiled already.
    cargo.args(["test", "--no-run", "--locked", "--workspace", "--all-features"]);
    cargo.arg("--message-format=json-render-diagnostics");
    for target in targets {
        match target {
            "lib" => cargo.arg("--lib"),
            test => cargo.args(["--test", test]),
        };
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |it| root.join(it));
    let built = cargo
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        // With a wrapper, even one that does nothing, Cargo keeps the copy's crates apart from those of the
        // workspace. Else it takes them for the same, and builds go on with switches in them, and with
        // sources that nobody edits; both still share all other crates.
        .env("RUSTC_WORKSPACE_WRAPPER", "env")
        .output()
        .map_err(|why| format!("cargo: {why}"))?;
    if !built.status.success() {
        anstream::eprint!("{}", String::from_utf8_lossy(&built.stderr));
        return Err("the copy with switches does not compile".to_owned());
    }
    Ok(String::from_utf8_lossy(&built.stdout).lines().filter_map(program).collect())
}

fn program(line: &str) -> Option<((String, String), Program)> {
    let message: Message = serde_json::from_str(line).ok()?;
    let folder = message.manifest_path?.parent()?.to_owned();
    let target = message.target?;
    let kind = target.kind.first()?;
    // The root of the workspace is the facade.
    let package = match folder.parent()?.file_name()?.to_str()? {
        "crates" => folder.file_name()?.to_str()?.to_owned(),
        _ => "portcullis".to_owned(),
    };
    let name = if kind == "test" { target.name } else { kind.clone() };
    Some(((package, name), Program { path: message.executable?, folder }))
}
