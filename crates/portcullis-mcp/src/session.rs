//! Session ids that prove whose they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Caller, Reason, Version};
use portcullis_crypto::{MacKey, SealKey, fill_random, same};

use crate::capability::Declared;
use crate::lists::Lists;

mod handle;
mod sent;
mod task;

pub(crate) use sent::{Recipient, Sent};
pub(crate) use task::Task;

/// How far the clocks of two replicas may differ.
const SKEW: Duration = Duration::from_secs(60);
const FORMAT: u8 = 4;
/// Before ids said what the client had declared.
const OLD_FORMAT: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const BINDING: usize = 16;
/// Where lists stand in the byte that begins with the version.
const LISTS: u8 = 4;
/// The longest id a client ever sees.
const MAX_ID: usize = 256;

/// The keys that seal session ids.
///
/// A client sees `Mcp-Session-Id` values that only this gate can make or read: inside is the id
/// that the service behind assigned, the negotiated version, what both sides declared and the time, bound to the caller
/// (issuer, subject, client id) and the resource, and encrypted (AES-256-GCM-SIV). No store is
/// needed: every replica with the same keys accepts the id, and any change to it, or its use by
/// somebody else, is answered like an unknown id. Sessions end after 24 hours.
///
/// The ids of tasks are sealed with the same keys: each opens for its owner alone, as long as
/// the key is known. So are the ids of events, from which only the client they were sent to can resume, in the
/// same session.
///
/// With [`SessionKeys::random`], the default, sessions end with the process and cannot move to
/// another replica.
#[derive(Clone)]
#[must_use]
pub struct SessionKeys {
    current: Arc<Key>,
    previous: Vec<Arc<Key>>,
}

struct Key {
    id: [u8; KEY_ID],
    seal: SealKey,
    bind: MacKey,
    mark: MacKey,
    task: SealKey,
    task_nonce: MacKey,
}

/// What is inside a session id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    pub(crate) upstream_id: String,
    pub(crate) version: Version,
    /// The lists of which the service said that it tells when they change.
    pub(crate) lists: Lists,
    /// What the client said that it can give.
    pub(crate) declared: Declared,
    /// When it began.
    pub(crate) issued: Duration,
}

/// What a session began with: its version, the lists of which the service tells, and what the client declared.
pub(crate) type Terms = (Version, Lists, Declared);

impl SessionKeys {
    /// A key that nobody else has.
    ///
    /// # Panics
    /// When the system has no random numbers to give.
    pub fn random() -> Self {
        let mut secret = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "start-up; without randomness there is no TLS either"
        )]
        fill_random(&mut secret).expect("the system has a random number generator");
        Self::new(&secret)
    }

    /// Seals with `current`: 32 secret random bytes, the same for every replica.
    pub fn new(current: &[u8; 32]) -> Self {
        Self { current: Arc::new(Key::new(current)), previous: Vec::new() }
    }

    /// Also opens what was sealed with `previous`. Keep a replaced key for 24 hours.
    pub fn also_accept(mut self, previous: &[u8; 32]) -> Self {
        self.previous.push(Arc::new(Key::new(previous)));
        self
    }

    /// The id that stands for `upstream_id` towards this caller. `None` when `upstream_id` is not
    /// visible ASCII or so long that the result would exceed 256 bytes.
    pub(crate) fn seal(
        &self,
        upstream_id: &str,
        (version, lists, declared): Terms,
        caller: &Caller,
        resource: &str,
        now: Duration,
    ) -> Option<String> {
        if upstream_id.is_empty() || !upstream_id.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let key = &self.current;
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce).ok()?;

        let mut head = Vec::with_capacity(MAX_ID);
        head.push(FORMAT);
        head.extend(key.id);
        let mut inside = Vec::with_capacity(MAX_ID);
        inside.extend(key.binding(caller, resource));
        inside.extend(now.as_secs().to_be_bytes());
        inside.push(code(version)? | lists.bits() << LISTS);
        inside.push(declared.bits());
        inside.extend(upstream_id.as_bytes());
        key.seal.seal(nonce, &head, &mut inside)?;
        head.extend(nonce);
        head.extend(inside);

        let id = URL_SAFE_NO_PAD.encode(head);
        (id.len() <= MAX_ID).then_some(id)
    }

    /// The session behind `id`, if it is this caller's and not older than `lifetime`.
    pub(crate) fn open(
        &self,
        id: &str,
        caller: &Caller,
        resource: &str,
        (now, lifetime): (Duration, Duration),
    ) -> Result<Session, Reason> {
        self.unseal(id, now, lifetime).ok_or(Reason::SessionUnknown).and_then(
            |(key, binding, session)| {
                same(&binding, &key.binding(caller, resource))
                    .then_some(session)
                    .ok_or(Reason::SessionPrincipalMismatch)
            },
        )
    }

    /// What stands for the caller at this resource, as long as the keys do not change.
    pub(crate) fn owner(&self, caller: &Caller, resource: &str) -> [u8; BINDING] {
        self.current.binding(caller, resource)
    }

    fn unseal(
        &self,
        id: &str,
        now: Duration,
        lifetime: Duration,
    ) -> Option<(&Key, [u8; BINDING], Session)> {
        if id.len() > MAX_ID {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (head, rest) = bytes.split_at_mut_checked(1 + KEY_ID)?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE>()?;
        let (format, key_id) = head.split_first()?;
        if !matches!(*format, FORMAT | OLD_FORMAT) {
            return None;
        }
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.map(Arc::as_ref).find(|key| key.id == *key_id)?;
        let inside = key.seal.open(*nonce, head, sealed)?;

        let (binding, inside) = inside.split_first_chunk::<BINDING>()?;
        let (issued, inside) = inside.split_first_chunk::<8>()?;
        let (terms, inside) = inside.split_first()?;
        let (declared, upstream_id) = match *format {
            OLD_FORMAT => (Declared::UNSEEN, inside),
            _ => inside.split_first().map(|(bits, id)| (Declared::from_bits(*bits), id))?,
        };
        let issued = Duration::from_secs(u64::from_be_bytes(*issued));
        if issued > now.saturating_add(SKEW) || now >= issued.saturating_add(lifetime) {
            return None;
        }
        let (version, lists) = (terms & !(!0 << LISTS), Lists::from_bits(terms >> LISTS));
        let version = Version::ALL.into_iter().find(|v| code(*v) == Some(version))?;
        let upstream_id = String::from_utf8(upstream_id.to_vec()).ok()?;
        Some((key, *binding, Session { upstream_id, version, lists, declared, issued }))
    }
}

impl Default for SessionKeys {
    fn default() -> Self {
        Self::random()
    }
}

// By hand: keys are secret.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys")
            .field("previous", &self.previous.len())
            .finish_non_exhaustive()
    }
}

impl Key {
    /// Each use has a key of its own, so that one secret may serve other purposes elsewhere.
    fn new(secret: &[u8; 32]) -> Self {
        let root = MacKey::new(secret);
        let derive =
            |purpose: &str| root.sign(format!("portcullis session v1 {purpose}").as_bytes());
        let [a, b, c, d, ..] = derive("id");
        Self {
            id: [a, b, c, d],
            seal: SealKey::new(&derive("seal")),
            bind: MacKey::new(&derive("bind")),
            mark: MacKey::new(&derive("mark")),
            task: SealKey::new(&derive("task")),
            task_nonce: MacKey::new(&derive("task nonce")),
        }
    }

    /// Whose session it is: the identity of R-129 and the resource.
    fn binding(&self, caller: &Caller, resource: &str) -> [u8; BINDING] {
        digest(&self.bind, caller, resource, &[])
    }
}

fn digest(key: &MacKey, caller: &Caller, resource: &str, more: &[&str]) -> [u8; BINDING] {
    let mut context = key.begin();
    // Lengths in front, so that no two lists of fields read the same.
    let mut field = |text: Option<&str>| {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        context.update(&length.to_be_bytes());
        context.update(text.unwrap_or_default().as_bytes());
    };
    let principal = caller.principal();
    field(Some(resource));
    field(principal.map(|principal| principal.issuer()));
    field(principal.map(|principal| principal.subject()));
    field(principal.and_then(|principal| principal.client_id()));
    for text in more {
        field(Some(text));
    }
    let mut binding = [0; BINDING];
    binding.iter_mut().zip(context.finish()).for_each(|(to, from)| *to = from);
    binding
}

/// The byte that stands for a legacy version; modern ones have no sessions.
fn code(version: Version) -> Option<u8> {
    match version {
        Version::V2025_03_26 => Some(1),
        Version::V2025_06_18 => Some(2),
        Version::V2025_11_25 => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
