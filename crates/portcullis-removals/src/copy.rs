//! A copy of the workspace in which each check has a switch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::ledger::Ledger;

/// Makes the copy, or brings it up to date. Files that did not change keep their times, so that only what did is
/// compiled again.
pub(crate) fn with_switches(root: &Path, ledger: &Ledger) -> Result<PathBuf> {
    let copy = root.join("target/removals");
    let places = ledger.places(root).map_err(|wrong| wrong.join("\n"))?;
    let files = files_of(root)?;
    for file in &files {
        let from = root.join(file);
        // A tracked file may be gone from the working tree.
        let Ok(mut bytes) = fs::read(&from) else { continue };
        if let Some(places) = places.get(&from) {
            let mut text = String::from_utf8(bytes).map_err(|why| format!("{file}: {why}"))?;
            for place in places.iter().rev() {
                text.replace_range(place.range.clone(), &place.text());
            }
            bytes = text.into_bytes();
        }
        write(&copy.join(file), &bytes)?;
    }
    forget_others(&copy, Path::new(""), &files)?;
    Ok(copy)
}

/// All files that git knows, or would.
fn files_of(root: &Path) -> Result<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|why| format!("git: {why}"))?;
    if !listed.status.success() {
        return Err("git ls-files failed".to_owned());
    }
    let names = String::from_utf8(listed.stdout).map_err(|why| format!("git ls-files: {why}"))?;
    let mut files: Vec<_> = names.split_terminator('\0').map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// Takes away what an earlier copy had and the workspace has no more: Cargo would find targets in it.
fn forget_others(copy: &Path, under: &Path, files: &[String]) -> Result<()> {
    let folder = copy.join(under);
    let failed = |why| format!("{}: {why}", folder.display());
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = under.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            forget_others(copy, &name, files)?;
        } else if !files.iter().any(|file| Path::new(file) == name) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}
