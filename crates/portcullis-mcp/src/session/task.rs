//! Task ids that prove whose they are, and which tool runs.
//!
//! A task belongs to whoever called the tool, and stays reachable only while they may call it. Both
//! are in the id itself, so that no replica needs a table of owners.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Caller, Reason};
use portcullis_crypto::same;

use super::{BINDING, KEY_ID, Key, NONCE, SessionKeys};

const FORMAT: u8 = 2;
/// The longest id a client ever sees.
const MAX_ID: usize = 1024;

/// A task, under both of its names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Task {
    /// The id that the client sees.
    pub(crate) client_id: String,
    /// The id that the service behind assigned.
    pub(crate) upstream_id: String,
    pub(crate) tool: String,
}

impl SessionKeys {
    /// The id under which this caller sees the task `upstream_id`, which runs `tool`: always the
    /// same. `None` when there is something in `upstream_id` that JSON would escape, or the result is
    /// longer than 1 KiB.
    pub(crate) fn seal_task(
        &self,
        upstream_id: &str,
        tool: &str,
        caller: &Caller,
        resource: &str,
    ) -> Option<String> {
        if upstream_id.is_empty() || !upstream_id.bytes().all(is_plain) {
            return None;
        }
        self.seal_for(FORMAT, (tool, upstream_id), caller, resource)
    }

    /// The task behind `id`, if it is this caller's.
    pub(crate) fn open_task(
        &self,
        id: &str,
        caller: &Caller,
        resource: &str,
    ) -> Result<Task, Reason> {
        let opened = self.open_for(FORMAT, id, caller, resource);
        let (tool, upstream_id) = opened.ok_or(Reason::TaskNotOwned)?;
        Ok(Task { client_id: id.to_owned(), upstream_id, tool })
    }

    /// Two texts as one that opens for this caller alone, and is always the same.
    pub(super) fn seal_for(
        &self,
        format: u8,
        (first, second): (&str, &str),
        caller: &Caller,
        resource: &str,
    ) -> Option<String> {
        let key = &self.current;
        let mut inside = Vec::with_capacity(MAX_ID);
        inside.extend(key.binding(caller, resource));
        inside.extend(u16::try_from(first.len()).ok()?.to_be_bytes());
        inside.extend(first.as_bytes());
        inside.extend(second.as_bytes());
        let mut head = Vec::with_capacity(MAX_ID);
        head.push(format);
        head.extend(key.id);
        // Of the contents, so that a task keeps its id. The cipher allows nonces to repeat.
        let mut nonce = [0; NONCE];
        nonce.iter_mut().zip(key.task_nonce.sign(&inside)).for_each(|(to, from)| *to = from);
        key.task.seal(nonce, &head, &mut inside)?;
        head.extend(nonce);
        head.extend(inside);
        let id = URL_SAFE_NO_PAD.encode(head);
        (id.len() <= MAX_ID).then_some(id)
    }

    /// What was sealed for this caller.
    pub(super) fn open_for(
        &self,
        format: u8,
        id: &str,
        caller: &Caller,
        resource: &str,
    ) -> Option<(String, String)> {
        if id.len() > MAX_ID {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (head, rest) = bytes.split_at_mut_checked(1 + KEY_ID)?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE>()?;
        let (said, key_id) = head.split_first()?;
        if *said != format {
            return None;
        }
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.map(AsRef::as_ref).find(|key: &&Key| key.id == *key_id)?;
        let inside = key.task.open(*nonce, head, sealed)?;
        let (binding, inside) = inside.split_first_chunk::<BINDING>()?;
        let (length, inside) = inside.split_first_chunk::<2>()?;
        let (first, second) = inside.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if !same(binding, &key.binding(caller, resource)) {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some((text(first)?, text(second)?))
    }
}

/// Whether JSON strings have it as it is, in ASCII.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AnonymousReason, Principal};

    use super::*;

    const RESOURCE: &str = "https://mcp.example/mcp";

    fn caller(subject: &str, client: &str) -> Caller {
        let principal = Principal::builder("https://id.example", subject).client_id(client);
        Caller::Verified(principal.build().into())
    }

    #[test]
    fn ids_open_for_their_owner_alone() {
        let keys = SessionKeys::new(&[7; 32]);
        let alice = caller("alice", "ide");
        let id = keys.seal_task("786512e2", "get_weather", &alice, RESOURCE).unwrap();
        assert_eq!(keys.seal_task("786512e2", "get_weather", &alice, RESOURCE), Some(id.clone()));
        let task = keys.open_task(&id, &alice, RESOURCE).unwrap();
        assert_eq!((&*task.upstream_id, &*task.tool), ("786512e2", "get_weather"));
        assert_eq!(task.client_id, id);

        let rows = [
            ("somebody else", caller("bob", "ide"), RESOURCE),
            ("another client", caller("alice", "cli"), RESOURCE),
            ("nobody", Caller::Anonymous(AnonymousReason::NoCredentials), RESOURCE),
            ("another resource", alice.clone(), "https://mcp.example/other"),
        ];
        for (name, caller, resource) in rows {
            assert_eq!(keys.open_task(&id, &caller, resource), Err(Reason::TaskNotOwned), "{name}");
        }
        let rotated = SessionKeys::new(&[8; 32]).also_accept(&[7; 32]);
        assert_eq!(rotated.open_task(&id, &alice, RESOURCE), Ok(task));
        assert!(SessionKeys::new(&[8; 32]).open_task(&id, &alice, RESOURCE).is_err());
    }

    #[test]
    fn nothing_else_opens() {
        let keys = SessionKeys::new(&[7; 32]);
        let alice = caller("alice", "ide");
        let id = keys.seal_task("786512e2", "get_weather", &alice, RESOURCE).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let forged = URL_SAFE_NO_PAD.encode(&bytes);
            assert!(keys.open_task(&forged, &alice, RESOURCE).is_err(), "{at}");
            bytes[at] ^= 1;
        }
        let long = "A".repeat(MAX_ID + 1);
        for id in ["", "786512e2", "=", id.get(1..).unwrap(), &long] {
            assert!(keys.open_task(id, &alice, RESOURCE).is_err(), "{id}");
        }
        let now = std::time::Duration::from_secs(1);
        let version = portcullis_core::Version::V2025_11_25;
        let session = keys
            .seal(
                "786512e2",
                (version, crate::lists::Lists::default(), crate::capability::Declared::UNSEEN),
                &alice,
                RESOURCE,
                now,
            )
            .unwrap();
        assert!(keys.open_task(&session, &alice, RESOURCE).is_err(), "a session is no task");
        assert!(
            keys.open(&id, &alice, RESOURCE, (now, crate::limits::MAX_SESSION)).is_err(),
            "a task is no session"
        );
        for odd in ["", "a\"b", "a\\b", "ä", "a b", &"a".repeat(MAX_ID)] {
            assert_eq!(keys.seal_task(odd, "t", &alice, RESOURCE), None, "{odd}");
        }
    }
}
