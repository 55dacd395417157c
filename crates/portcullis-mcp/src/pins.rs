//! Definitions of tools that somebody has approved (R-238).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ConfigError;
use crate::json::{JsonError, JsonLimits, Kind, Scanner};
use digest::Digest;

mod digest;

/// The most tools of one server that are remembered. Further ones stay hidden.
const MAX_TOOLS: usize = 10_000;
/// Of a file, which the deployment wrote.
const LIMITS: JsonLimits = JsonLimits { depth: 64, values: u32::MAX };

/// The tools of one server that may be offered and called, each by the digest of its definition.
///
/// The digest is of what a model reads of a tool: `name`, `title`, `description`, `inputSchema`,
/// `outputSchema` and `annotations`, whatever the order of members, white space and escapes; numbers count as
/// they are written. A tool whose definition in a list is another one is left out, and calls of it are refused
/// as if there were no such tool, until its approved definition passes again, or the new one is approved
/// ([`replace`](Self::replace)). So is a tool without a pin.
///
/// Definitions are seen in lists only, by each replica for itself. Before a replica has seen the list, and
/// while a server lists one thing and does another, calls of pinned tools pass: pins tell what a server *says*.
/// A task that has begun goes on.
///
/// Clones share the pins.
///
/// ```
/// use portcullis_mcp::{InspectLayer, ToolPins};
///
/// # fn main() -> Result<(), portcullis_mcp::ConfigError> {
/// // What `portcullis pins` writes of an answer to `tools/list`.
/// let approved = ToolPins::of_list(br#"{"tools": [{"name": "get_note", "inputSchema": {}}]}"#)?;
/// let pins = ToolPins::from_json(&approved.to_json())?
///     .on_event(|event| eprintln!("the definition of {} is not the approved one", event.tool()));
/// let layer = InspectLayer::new().tool_pins(pins);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is pinned until the layer has the pins"]
pub struct ToolPins {
    state: Arc<RwLock<State>>,
    first_use: bool,
    tell: Option<Tell>,
}

type Tell = Arc<dyn Fn(&PinEvent<'_>) + Send + Sync>;

#[derive(Default)]
struct State {
    pinned: HashMap<Box<str>, Digest>,
    /// The definitions that were not approved, as seen last.
    other: HashMap<Box<str>, Digest>,
}

/// A tool was listed with a definition that nobody approved: told once for each definition.
#[derive(Debug)]
pub struct PinEvent<'a> {
    tool: &'a str,
    pinned: Option<Digest>,
    seen: Digest,
}

impl PinEvent<'_> {
    /// The tool's name.
    #[must_use]
    pub fn tool(&self) -> &str {
        self.tool
    }

    /// The digest that was approved, as pins have it. `None`: the tool is new.
    #[must_use]
    pub fn pinned(&self) -> Option<String> {
        self.pinned.as_ref().map(ToString::to_string)
    }

    /// The digest of what was listed.
    #[must_use]
    pub fn seen(&self) -> String {
        self.seen.to_string()
    }
}

impl ToolPins {
    /// Reads pins: `{"tools": {"<name>": "sha256:<64 hexadecimal digits>", …}}`.
    ///
    /// # Errors
    /// Anything else; more than 10 000 tools.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let mut pinned = HashMap::new();
        let fault = |_| ConfigError::new("the pins are not JSON as it should be");
        let mut wrong = None;
        let mut any = false;
        let mut scanner = Scanner::new(text.as_bytes(), LIMITS).map_err(fault)?;
        let read = scanner.object(|scanner, name| {
            if !name.eq("tools") || scanner.peek()? != Kind::Object {
                wrong = Some(format!("pins have no member {:?} of this type", name.decoded()));
                return scanner.pass();
            }
            any = true;
            scanner.object(|scanner, tool| {
                let tool = tool.decoded();
                let digest = match scanner.peek()? {
                    Kind::String => Digest::parse(&scanner.string()?.decoded()),
                    _ => scanner.pass().map(|()| None)?,
                };
                match digest {
                    Some(digest) => _ = pinned.insert(Box::from(&*tool), digest),
                    None => wrong = Some(format!("the pin of {tool:?} is no digest")),
                }
                Ok(())
            })
        });
        read.and_then(|()| scanner.finish()).map_err(fault)?;
        match wrong {
            Some(wrong) => Err(ConfigError::new(wrong)),
            None if !any => Err(ConfigError::new("pins without tools")),
            None if pinned.len() > MAX_TOOLS => Err(ConfigError::new("more than 10000 pins")),
            None => Ok(Self::of(pinned)),
        }
    }

    /// Approves what a list has: the answer to `tools/list`, its `result`, or the array of tools.
    ///
    /// # Errors
    /// Something else; a tool without a name, or listed twice; more than 10 000 tools.
    pub fn of_list(list: &[u8]) -> Result<Self, ConfigError> {
        let fault = |_| ConfigError::new("the list is not JSON as it should be");
        let mut pinned = HashMap::new();
        let mut wrong = None;
        let mut scanner = Scanner::new(list, LIMITS).map_err(fault)?;
        let mut tool = |scanner: &mut Scanner<'_>| {
            let range = scanner.skip()?;
            let definition = scanner.slice(range).as_bytes();
            match digest::named(definition, LIMITS)? {
                Some((name, digest)) => {
                    if pinned.insert(name, digest).is_some() {
                        wrong = Some("a tool is listed twice");
                    }
                }
                None => wrong = Some("a tool has no name"),
            }
            Ok(())
        };
        tools(&mut scanner, &mut tool)
            .and_then(|found| scanner.finish().map(|()| found))
            .map_err(fault)
            .and_then(|found| {
                found.ok_or_else(|| ConfigError::new("there are no tools in the list"))
            })?;
        match wrong {
            Some(wrong) => Err(ConfigError::new(wrong)),
            None if pinned.len() > MAX_TOOLS => Err(ConfigError::new("more than 10000 tools")),
            None => Ok(Self::of(pinned)),
        }
    }

    fn of(pinned: HashMap<Box<str>, Digest>) -> Self {
        let state = State { pinned, other: HashMap::new() };
        Self { state: Arc::new(RwLock::new(state)), first_use: false, tell: None }
    }

    /// Pins tools without a pin as they are seen first, by each replica for itself and until it ends. They are
    /// hidden by default.
    pub fn danger_trust_first_use(mut self) -> Self {
        self.first_use = true;
        self
    }

    /// Calls `tell` when a tool is listed with a definition that nobody approved, on the thread that reads the
    /// answer. It must return at once.
    pub fn on_event(mut self, tell: impl Fn(&PinEvent<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }

    /// Puts other pins in force, for all clones at once.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json); what was in force stays so.
    pub fn replace(&self, text: &str) -> Result<(), ConfigError> {
        let newer = Self::from_json(text)?;
        let pinned = std::mem::take(&mut newer.write().pinned);
        let mut state = self.write();
        state.other.retain(|tool, seen| pinned.get(tool) != Some(seen));
        state.pinned = pinned;
        Ok(())
    }

    /// The pins, by name.
    #[must_use]
    pub fn pins(&self) -> BTreeMap<String, String> {
        let state = self.read();
        let pins = state.pinned.iter();
        pins.map(|(tool, digest)| (String::from(&**tool), digest.to_string())).collect()
    }

    /// The pins as [`from_json`](Self::from_json) reads them, in order of names.
    #[must_use]
    pub fn to_json(&self) -> String {
        let lines = self.pins().into_iter().map(|(tool, digest)| {
            let mut name = Vec::new();
            digest::write_text(&mut name, &tool);
            format!("    {}: \"{digest}\"", String::from_utf8_lossy(&name))
        });
        format!("{{\n  \"tools\": {{\n{}\n  }}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
    }

    /// Whether a tool may be listed by this definition, which was read over before.
    pub(crate) fn may_show(&self, tool: &str, definition: &[u8], limits: JsonLimits) -> bool {
        let Ok(seen) = digest::of(definition, limits) else { return false };
        let (pinned, is_news) = {
            let state = self.read();
            (state.pinned.get(tool).copied(), state.other.get(tool) != Some(&seen))
        };
        match pinned {
            Some(pinned) if pinned == seen => {
                if self.read().other.contains_key(tool) {
                    self.write().other.remove(tool);
                }
                return true;
            }
            None if self.first_use => {
                let mut state = self.write();
                let has_room = state.pinned.len() < MAX_TOOLS;
                if has_room {
                    state.pinned.insert(tool.into(), seen);
                }
                return has_room;
            }
            _ => {}
        }
        if is_news {
            let mut state = self.write();
            let has_room = state.other.len() < MAX_TOOLS || state.other.contains_key(tool);
            if has_room {
                state.other.insert(tool.into(), seen);
            }
            drop(state);
            tracing::warn!(?tool, "tool left out: nobody approved its definition");
            if let (true, Some(tell)) = (has_room, &self.tell) {
                tell(&PinEvent { tool, pinned, seen });
            }
        }
        false
    }

    /// Whether a tool may be called, as far as its definition is known.
    pub(crate) fn may_call(&self, tool: &str) -> bool {
        let state = self.read();
        match state.pinned.contains_key(tool) {
            true => !state.other.contains_key(tool),
            false => self.first_use,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands each tool of a list to `tool`; `None` when it is no list of tools.
fn tools<'a>(
    scanner: &mut Scanner<'a>,
    tool: &mut impl FnMut(&mut Scanner<'a>) -> Result<(), JsonError>,
) -> Result<Option<()>, JsonError> {
    let mut found = None;
    match scanner.peek()? {
        Kind::Array => {
            scanner.array(&mut *tool)?;
            found = Some(());
        }
        Kind::Object => scanner.object(|scanner, name| {
            let kind = scanner.peek()?;
            match &*name.decoded() {
                "tools" if kind == Kind::Array => {
                    scanner.array(&mut *tool)?;
                    found = Some(());
                }
                "result" if kind == Kind::Object => {
                    scanner.object(|scanner, name| {
                        if !name.eq("tools") || scanner.peek()? != Kind::Array {
                            return scanner.pass();
                        }
                        found = Some(());
                        scanner.array(&mut *tool)
                    })?;
                }
                _ => scanner.pass()?,
            }
            Ok::<_, JsonError>(())
        })?,
        _ => scanner.pass()?,
    }
    Ok(found)
}

// By hand: a table is of no use in a log.
impl fmt::Debug for ToolPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolPins").field("first_use", &self.first_use).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
