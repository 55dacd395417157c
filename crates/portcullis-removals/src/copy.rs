//! A copy of the workspace in which each check has a switch.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::ledger::Ledger;

/// Makes the copy, or brings it up to date. Files that did not change keep their times, so that only what did is
/// compiled again.
pub(crate) fn with_switches(root: &Path, ledger: &Ledger) -> Result<PathBuf> {
    let copy = root.join("target/removals");
    let places = ledger.places(root).map_err(|wrong| wrong.join("\n"))?;
    let files = files_of(root, Path::new(""))?;
    for file in &files {
        let from = root.join(file);
        let mut bytes = fs::read(&from).map_err(|why| format!("{}: {why}", from.display()))?;
        if let Some(places) = places.get(&from) {
            let mut text =
                String::from_utf8(bytes).map_err(|why| format!("{}: {why}", file.display()))?;
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

/// All files of the workspace, without what was built or fetched.
fn files_of(root: &Path, under: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(under);
    let failed = |why| format!("{}: {why}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = under.join(entry.file_name());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_file() {
            files.push(name);
        } else if kind.is_dir() && !NOT_OURS.iter().any(|other| entry.file_name() == *other) {
            files.extend(files_of(root, &name)?);
        }
    }
    Ok(files)
}

/// Folders of other programs.
const NOT_OURS: [&str; 3] = [".git", "node_modules", "target"];

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
fn forget_others(copy: &Path, under: &Path, files: &[PathBuf]) -> Result<()> {
    let folder = copy.join(under);
    let failed = |why| format!("{}: {why}", folder.display());
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = under.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            forget_others(copy, &name, files)?;
        } else if !files.contains(&name) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str, text: &str) {
        write(&root.join(name), text.as_bytes()).unwrap();
    }

    #[test]
    fn a_copy_has_what_is_ours_and_a_switch_at_each_check() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "Cargo.toml", "[workspace]");
        put(root, "crates/gate/src/lib.rs", "fn a() { if b() { c() } }");
        put(root, "crates/gate/src/old.rs", "");
        put(root, "target/debug/made", "");
        put(root, "tests/node_modules/theirs.js", "");
        put(root, ".git/HEAD", "");
        put(
            root,
            "tests/removals/page.toml",
            "[[check]]\nname = 'one'\nrows = []\ncrate = 'gate'\nfind = 'b()'\nwith = 'removed!() || b()'\ntests = ['gate lib a']\n",
        );
        let ledger = Ledger::read(root).unwrap();
        let copy = with_switches(root, &ledger).unwrap();
        let text = fs::read_to_string(copy.join("crates/gate/src/lib.rs")).unwrap();
        assert!(
            text.starts_with("fn a() { if ({ static REMOVED")
                && text.ends_with(") || b() { c() } }"),
            "{text}"
        );
        assert!(copy.join("crates/gate/src/old.rs").exists());
        for name in ["target", ".git", "tests/node_modules"] {
            assert!(!copy.join(name).exists(), "{name}");
        }
        let made = |name: &str| fs::metadata(copy.join(name)).unwrap().modified().unwrap();
        let before = made("Cargo.toml");
        fs::remove_file(root.join("crates/gate/src/old.rs")).unwrap();
        with_switches(root, &ledger).unwrap();
        assert!(!copy.join("crates/gate/src/old.rs").exists(), "Cargo would find it");
        assert_eq!(made("Cargo.toml"), before, "what did not change is not compiled again");
    }
}
