//! The ledger: which check answers for which row, and which test for the check.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Result;

/// All files of `tests/removals`.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) check: Vec<Check>,
    pub(crate) exempt: Vec<Exempt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    check: Vec<Check>,
    #[serde(default, rename = "none")]
    exempt: Vec<Exempt>,
}

/// A check that can be taken out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// The rows of the requirements that it answers for.
    pub(crate) rows: Vec<String>,
    #[serde(rename = "crate")]
    package: String,
    find: String,
    with: String,
    /// Where the same thing is refused a second time.
    #[serde(default)]
    also: Vec<Edit>,
    /// `package target path`, each of which fails without the check.
    pub(crate) tests: Vec<String>,
    /// The page of the ledger that it stands on.
    #[serde(skip)]
    pub(crate) file: String,
}

/// Rows for which no line of ours can be taken out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exempt {
    pub(crate) rows: Vec<String>,
    pub(crate) why: String,
}

/// How the code reads without the check; `removed!()` stands for the switch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    #[serde(rename = "crate")]
    package: String,
    find: String,
    with: String,
}

/// What is edited for a check, in one place.
struct Lines<'a> {
    package: &'a str,
    find: &'a str,
    with: &'a str,
}

/// An edit, and where it goes.
pub(crate) struct Place<'a> {
    pub(crate) file: PathBuf,
    pub(crate) range: Range<usize>,
    pub(crate) name: &'a str,
    with: &'a str,
}

/// A test by its parts.
pub(crate) struct Named<'a> {
    pub(crate) package: &'a str,
    /// `lib`, or the name of a test program.
    pub(crate) target: &'a str,
    pub(crate) path: &'a str,
}

/// The environment variable that throws a switch.
pub(crate) const SWITCH: &str = "PORTCULLIS_REMOVED";

impl Ledger {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let folder = root.join("tests/removals");
        let mut ledger = Self::default();
        for path in sorted(&folder)? {
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let text = read(&path)?;
            let page: Page =
                toml::from_str(&text).map_err(|why| format!("{}: {why}", path.display()))?;
            let file = path.file_stem().unwrap_or_default().to_string_lossy();
            ledger.exempt.extend(page.exempt);
            for mut check in page.check {
                check.file = file.clone().into_owned();
                if ledger.check.iter().any(|other| other.name == check.name) {
                    return Err(format!("two checks are called `{}`", check.name));
                }
                ledger.check.push(check);
            }
        }
        Ok(ledger)
    }

    /// Where each edit goes, file by file and in order, or what is wrong with the ledger.
    pub(crate) fn places(
        &self,
        root: &Path,
    ) -> Result<BTreeMap<PathBuf, Vec<Place<'_>>>, Vec<String>> {
        let mut sources = BTreeMap::new();
        let mut places: BTreeMap<PathBuf, Vec<Place<'_>>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for check in &self.check {
            for edit in check.edits() {
                match edit.place(root, &check.name, &mut sources) {
                    Ok(place) => places.entry(place.file.clone()).or_default().push(place),
                    Err(why) => wrong.push(why),
                }
            }
        }
        for places in places.values_mut() {
            places.sort_by_key(|place| place.range.start);
            for (one, next) in places.iter().zip(places.iter().skip(1)) {
                if next.range.start < one.range.end {
                    wrong.push(format!("`{}` and `{}` change the same text", one.name, next.name));
                }
            }
        }
        if wrong.is_empty() { Ok(places) } else { Err(wrong) }
    }
}

impl Check {
    fn edits(&self) -> impl Iterator<Item = Lines<'_>> {
        let first = Lines { package: &self.package, find: &self.find, with: &self.with };
        let others = self.also.iter().map(|it| Lines {
            package: &it.package,
            find: &it.find,
            with: &it.with,
        });
        std::iter::once(first).chain(others)
    }

    /// Its tests by their parts.
    pub(crate) fn named(&self) -> Result<Vec<Named<'_>>> {
        let mut named = Vec::new();
        for test in &self.tests {
            let parts: Vec<_> = test.split_whitespace().collect();
            let [package, target, path] = parts[..] else {
                return Err(format!("`{}`: `{test}` is not `package target path`", self.name));
            };
            named.push(Named { package, target, path });
        }
        if named.is_empty() {
            return Err(format!("`{}` names no test", self.name));
        }
        Ok(named)
    }
}

impl<'a> Lines<'a> {
    fn place(
        &self,
        root: &Path,
        name: &'a str,
        sources: &mut BTreeMap<&'a str, Vec<(PathBuf, String)>>,
    ) -> Result<Place<'a>> {
        if !self.with.contains(MARK) {
            return Err(format!("`{name}`: `with` has no `{MARK}`"));
        }
        let files = match sources.get(self.package) {
            Some(files) => files,
            None => {
                let found = sources_of(&root.join("crates").join(self.package))?;
                sources.entry(self.package).or_insert(found)
            }
        };
        let mut found = files.iter().flat_map(|(file, text)| {
            text.match_indices(self.find).map(move |(start, it)| (file, start..start + it.len()))
        });
        match (found.next(), found.next()) {
            (Some((file, range)), None) => {
                Ok(Place { file: file.clone(), range, name, with: self.with })
            }
            (None, _) => Err(format!("`{name}`: {} has no\n{}", self.package, self.find)),
            (Some((one, _)), Some((other, _))) => Err(format!(
                "`{name}`: not once in {} but in {} and {}:\n{}",
                self.package,
                one.display(),
                other.display(),
                self.find
            )),
        }
    }
}

/// What stands for the switch in `with`.
const MARK: &str = "removed!()";

impl Place<'_> {
    /// The text that takes the place.
    pub(crate) fn text(&self) -> String {
        let switch = format!(
            "({{ static REMOVED: ::std::sync::LazyLock<bool> = ::std::sync::LazyLock::new(|| \
             ::std::env::var_os({SWITCH:?}).is_some_and(|it| it == {:?})); *REMOVED }})",
            self.name
        );
        self.with.replace(MARK, &switch)
    }
}

/// The Rust files of a crate up to their tests.
fn sources_of(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for path in sorted(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !matches!(&*name, "tests" | "benches" | "examples") {
                found.extend(sources_of(&path)?);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let mut text = read(&path)?;
            if let Some(start) = text.find("#[cfg(test)]\nmod tests {") {
                text.truncate(start);
            }
            found.push((path, text));
        }
    }
    Ok(found)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |why| format!("{}: {why}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
