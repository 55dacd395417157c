//! The tools that metrics tell apart: those of a catalogue, never those of a request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::Text;

/// Says which tools there are, for metrics: those that a policy spells out.
pub trait ToolNames: Send + Sync + 'static {
    /// Something that changes when the names may have changed: the version of the policy. Asked
    /// whenever a request names a tool that is not known, so it must be cheap.
    fn version(&self) -> Text;

    /// The names.
    fn names(&self) -> Vec<Text>;
}

/// The most tools that one route tells apart, those of earlier policies included. Each is one or a
/// few time series.
pub(crate) const MAX_TOOLS: usize = 1000;
/// The longest name of a tool that is told apart.
const MAX_NAME: usize = 128;

/// The number of a tool in a [`Catalogue`]. They stay when a policy changes.
pub(crate) type ToolId = u32;

/// Every tool that is not told apart.
pub(crate) const OTHER: ToolId = 0;

/// Tools by name.
#[derive(Default)]
pub(crate) struct Catalogue {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    source: Option<Arc<dyn ToolNames>>,
    version: Option<Text>,
    /// The tools of the current version.
    ids: HashMap<Text, ToolId>,
    /// The tools of all versions: number one is the first.
    ever: HashMap<Text, ToolId>,
    names: Vec<Text>,
}

impl Catalogue {
    pub(crate) fn set(&self, source: Arc<dyn ToolNames>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.source = Some(source);
        known.version = None;
        known.refresh();
    }

    /// The number of the tool `name`.
    pub(crate) fn id(&self, name: &str) -> ToolId {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(id) = known.ids.get(name) {
                return *id;
            }
            if known.is_current() {
                return OTHER;
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.refresh();
        known.ids.get(name).copied().unwrap_or(OTHER)
    }

    pub(crate) fn name(&self, id: ToolId) -> Text {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        at.and_then(|at| known.names.get(at)).cloned().unwrap_or(Text::from_static("other"))
    }
}

impl Known {
    fn is_current(&self) -> bool {
        self.source.as_ref().is_none_or(|source| Some(source.version()) == self.version)
    }

    fn refresh(&mut self) {
        let Some(source) = self.source.clone() else { return };
        // Before the names: should these be newer, they are looked at once more.
        let version = source.version();
        if Some(&version) == self.version.as_ref() {
            return;
        }
        self.version = Some(version);
        self.ids.clear();
        for name in source.names() {
            if name.as_str().len() > MAX_NAME {
                continue;
            }
            let id = match self.ever.get(&name) {
                Some(id) => *id,
                None if self.names.len() >= MAX_TOOLS => continue,
                None => {
                    self.names.push(name.clone());
                    let id = ToolId::try_from(self.names.len()).unwrap_or(OTHER);
                    self.ever.insert(name.clone(), id);
                    id
                }
            };
            self.ids.insert(name, id);
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}

/// Names that never change.
pub(crate) struct FixedNames(pub(crate) Vec<Text>);

impl ToolNames for FixedNames {
    fn version(&self) -> Text {
        Text::from_static("fixed")
    }

    fn names(&self) -> Vec<Text> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Changing(Arc<Mutex<(u32, Vec<Text>)>>);

    impl Changing {
        fn becomes(&self, names: &[&str]) {
            let mut inner = self.0.lock().unwrap();
            inner.0 += 1;
            inner.1 = names.iter().map(|&name| Text::from(name)).collect();
        }
    }

    impl ToolNames for Changing {
        fn version(&self) -> Text {
            Text::from(self.0.lock().unwrap().0.to_string())
        }

        fn names(&self) -> Vec<Text> {
            self.0.lock().unwrap().1.clone()
        }
    }

    #[test]
    fn what_is_not_in_the_catalogue_is_other() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.id("a"), OTHER, "no catalogue, no tools");
        let names = Changing::default();
        names.becomes(&["a", "b"]);
        catalogue.set(Arc::new(names.clone()));
        let (a, b) = (catalogue.id("a"), catalogue.id("b"));
        assert!(a != b && a != OTHER && b != OTHER);
        assert_eq!(catalogue.id("c"), OTHER);
        assert_eq!(catalogue.name(a), "a");
        assert_eq!(catalogue.name(OTHER), "other");
        assert_eq!(catalogue.name(77), "other");

        // A request for a new tool finds out that there is a new policy.
        names.becomes(&["b", "c"]);
        assert_ne!(catalogue.id("c"), OTHER);
        assert_eq!(catalogue.id("b"), b, "a tool keeps its series");
        assert_eq!(catalogue.id("a"), OTHER, "gone");
        names.becomes(&["a"]);
        let _ = catalogue.id("new");
        assert_eq!(catalogue.id("a"), a, "back");
    }

    #[test]
    fn policies_cannot_make_series_without_end() {
        let catalogue = Catalogue::default();
        let names = Changing::default();
        for version in 0..5 {
            let many: Vec<_> = (0..400).map(|n| format!("tool-{version}-{n}")).collect();
            let many: Vec<_> = many.iter().map(String::as_str).collect();
            names.becomes(&many);
            catalogue.set(Arc::new(names.clone()));
        }
        assert_eq!(catalogue.known.read().unwrap().names.len(), MAX_TOOLS);
        names.becomes(&[&"x".repeat(129)]);
        assert_eq!(catalogue.id(&"x".repeat(129)), OTHER, "too long a name");
    }
}
