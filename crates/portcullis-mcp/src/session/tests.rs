use portcullis_core::{AnonymousReason, Principal};

use super::*;
use crate::capability::Declared;
use crate::limits::MAX_SESSION as LIFETIME;
use crate::lists::Lists;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: Duration = Duration::from_secs(1_800_000_000);
const TIMES: (Duration, Duration) = (NOW, LIFETIME);
const VERSION: Version = Version::V2025_06_18;

fn caller(issuer: &str, subject: &str, client: Option<&str>) -> Caller {
    let mut builder = Principal::builder(issuer, subject);
    if let Some(client) = client {
        builder = builder.client_id(client);
    }
    Caller::Verified(builder.build().into())
}

fn alice() -> Caller {
    caller("https://id.example", "alice", Some("app"))
}

fn sealed(keys: &SessionKeys) -> String {
    keys.seal(
        "upstream-1",
        (VERSION, Lists::from_bits(5), Declared::UNSEEN),
        &alice(),
        RESOURCE,
        NOW,
    )
    .unwrap()
}

#[test]
fn opens_for_its_owner_only() {
    let keys = SessionKeys::random();
    let id = sealed(&keys);
    assert!(id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic()));
    let session = Session {
        upstream_id: "upstream-1".into(),
        version: VERSION,
        lists: Lists::from_bits(5),
        declared: Declared::UNSEEN,
        issued: NOW,
    };
    assert_eq!(keys.open(&id, &alice(), RESOURCE, TIMES), Ok(session));

    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    let rows = [
        ("other subject", caller("https://id.example", "bob", Some("app")), RESOURCE),
        ("other issuer", caller("https://id2.example", "alice", Some("app")), RESOURCE),
        ("other client", caller("https://id.example", "alice", Some("app2")), RESOURCE),
        ("no client", caller("https://id.example", "alice", None), RESOURCE),
        ("shifted fields", caller("https://id.examplea", "lice", Some("app")), RESOURCE),
        ("empty client", caller("https://id.example", "alice", Some("")), RESOURCE),
        ("nobody", anonymous, RESOURCE),
        ("other resource", alice(), "https://mcp.example.com/other"),
    ];
    for (name, caller, resource) in rows {
        let opened = keys.open(&id, &caller, resource, TIMES);
        assert_eq!(opened, Err(Reason::SessionPrincipalMismatch), "{name}");
    }
}

/// ids keep what the client declared. To those of before, nobody may be sent elsewhere.
#[test]
fn what_was_declared_is_kept() {
    let keys = SessionKeys::random();
    let open = |id: &str| keys.open(id, &alice(), RESOURCE, TIMES).unwrap();
    for bits in 0..16 {
        let declared = Declared::from_bits(bits);
        let terms = (VERSION, Lists::from_bits(5), declared);
        let id = keys.seal("upstream-1", terms, &alice(), RESOURCE, NOW).unwrap();
        assert_eq!(declared.bits(), bits);
        assert_eq!(open(&id), Session { declared, ..open(&sealed(&keys)) }, "{bits}");
    }
    let (key, nonce) = (&keys.current, [7; NONCE]);
    let mut id = [&[OLD_FORMAT][..], &key.id].concat();
    let mut inside = key.binding(&alice(), RESOURCE).to_vec();
    inside.extend(NOW.as_secs().to_be_bytes());
    inside.push(2 | 5 << LISTS);
    inside.extend(b"upstream-1");
    key.seal.seal(nonce, &id, &mut inside).unwrap();
    id.extend(nonce);
    id.extend(inside);
    let old = open(&URL_SAFE_NO_PAD.encode(id));
    assert_eq!(old, open(&sealed(&keys)));
    let Declared { form, url, sampling, roots } = old.declared;
    assert_eq!((form, url, sampling, roots), (true, false, true, true));
}

#[test]
fn any_change_makes_it_unknown() {
    let keys = SessionKeys::random();
    let id = sealed(&keys);
    let bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = URL_SAFE_NO_PAD.encode(forged);
        let opened = keys.open(&forged, &alice(), RESOURCE, TIMES);
        assert_eq!(opened, Err(Reason::SessionUnknown), "bit {bit}");
    }
    for length in 0..id.len() {
        let opened = keys.open(id.get(..length).unwrap(), &alice(), RESOURCE, TIMES);
        assert_eq!(opened, Err(Reason::SessionUnknown), "{length} characters");
    }
    for forged in [format!("{id}A"), format!("{id}="), format!(" {id}"), "x".repeat(300)] {
        let opened = keys.open(&forged, &alice(), RESOURCE, TIMES);
        assert_eq!(opened, Err(Reason::SessionUnknown), "{forged}");
    }
}

#[test]
fn no_two_spellings_of_one_id() {
    // The last character of unpadded base64 may have spare bits: they must be zero.
    let keys = SessionKeys::random();
    for length in 1..8 {
        let upstream = "u".repeat(length);
        let id = keys
            .seal(&upstream, (VERSION, Lists::default(), Declared::UNSEEN), &alice(), RESOURCE, NOW)
            .unwrap();
        let (body, last) = id.split_at(id.len() - 1);
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/";
        for other in alphabet.iter().map(|b| char::from(*b).to_string()).filter(|c| c != last) {
            let opened = keys.open(&format!("{body}{other}"), &alice(), RESOURCE, TIMES);
            assert_eq!(opened, Err(Reason::SessionUnknown));
        }
    }
}

#[test]
fn lives_for_a_day() {
    let keys = SessionKeys::random();
    let id = sealed(&keys);
    let second = Duration::from_secs(1);
    for (name, now, ok) in [
        ("at once", NOW, true),
        ("skewed clock", NOW - SKEW, true),
        ("from the future", NOW - SKEW - second, false),
        ("last second", NOW + LIFETIME - second, true),
        ("a day later", NOW + LIFETIME, false),
        ("the epoch", Duration::ZERO, false),
    ] {
        assert_eq!(keys.open(&id, &alice(), RESOURCE, (now, LIFETIME)).is_ok(), ok, "{name}");
    }
}

#[test]
fn keys_can_be_replaced() {
    let old = SessionKeys::new(&[1; 32]);
    let id = sealed(&old);
    let both = SessionKeys::new(&[2; 32]).also_accept(&[1; 32]);
    assert!(both.open(&id, &alice(), RESOURCE, TIMES).is_ok());
    assert!(SessionKeys::new(&[1; 32]).open(&id, &alice(), RESOURCE, TIMES).is_ok(), "replica");
    let gone = SessionKeys::new(&[2; 32]);
    assert_eq!(gone.open(&id, &alice(), RESOURCE, TIMES), Err(Reason::SessionUnknown));
    assert!(old.open(&sealed(&both), &alice(), RESOURCE, TIMES).is_err());
}

#[test]
fn ids_say_nothing_and_differ() {
    let keys = SessionKeys::random();
    let (one, two) = (sealed(&keys), sealed(&keys));
    assert_ne!(one, two, "R-431: from random bits");
    let plain = URL_SAFE_NO_PAD.decode(&one).unwrap();
    assert!(!plain.windows(8).any(|window| window == b"upstream"), "R-431: the id is not exposed");
    assert!(!format!("{keys:?}").contains(&format!("{:?}", [1, 2])));
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let keys = SessionKeys::random();
    let seal = |id: &str, version| {
        keys.seal(id, (version, Lists::default(), Declared::UNSEEN), &alice(), RESOURCE, NOW)
    };
    for id in ["", "a b", "a\tb", "ä", "a\u{7f}"] {
        assert_eq!(seal(id, VERSION), None, "{id:?}");
    }
    assert!(seal(&"x".repeat(100), VERSION).is_some());
    assert!(seal(&"x".repeat(300), VERSION).is_none());
    assert!(seal("x", Version::V2026_07_28).is_none(), "modern requests have no session");
}

/// the numbers themselves, whatever the constants say.
#[test]
fn limits_are_as_documented() {
    assert_eq!(LIFETIME, Duration::from_secs(86_400));
    assert_eq!(MAX_ID, 256);
    let keys = SessionKeys::random();
    let seal = |length| {
        keys.seal(
            &"x".repeat(length),
            (VERSION, Lists::default(), Declared::UNSEEN),
            &alice(),
            RESOURCE,
            NOW,
        )
    };
    let longest = (1..MAX_ID).rev().find_map(seal).unwrap();
    assert_eq!(longest.len(), MAX_ID, "all 256 characters can be used");
    assert!(keys.open(&longest, &alice(), RESOURCE, TIMES).is_ok());
}

#[test]
fn debug_tells_how_many_keys_there_are_and_no_key() {
    let keys = SessionKeys::new(&[0xAB; 32]).also_accept(&[0xCD; 32]);
    assert_eq!(format!("{keys:?}"), "SessionKeys { previous: 1, .. }");
}

/// Clients come back with names that another replica, or an earlier version, has given them.
#[test]
fn names_of_what_was_sent_stay() {
    let keys = SessionKeys::new(&[7; 32]);
    let also = SessionKeys::new(&[8; 32]).also_accept(&[7; 32]);
    let caller = alice();
    let to = Recipient { session: "up-1", caller: &caller, resource: RESOURCE };
    for (sent, id, name) in [
        (Sent::Question, "\"q\"", "pif9hgockt8x476ghLquKA.InEi"),
        (Sent::Event, "7", "rRiCffbM-_gXIU_suFDvMw.Nw"),
    ] {
        assert_eq!(keys.name(sent, id, to), name);
        for keys in [&keys, &also] {
            assert_eq!(keys.named(sent, name, to).as_deref(), Some(id));
            let other = if sent == Sent::Event { Sent::Question } else { Sent::Event };
            assert_eq!(keys.named(other, name, to), None, "{sent:?}");
            let elsewhere = Recipient { session: "up-2", ..to };
            assert_eq!(keys.named(sent, name, elsewhere), None, "{sent:?}");
        }
    }
}
