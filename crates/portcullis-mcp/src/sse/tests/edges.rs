//! Where a stream starts, how long an event may be exactly, and asking again.

use super::*;

/// A byte order mark is left out at the start, once, however its bytes arrive.
#[test]
fn a_mark_is_left_out_once() {
    let rows = [
        ("a mark", "\u{FEFF}data: 1\n\n", &["1"][..]),
        ("no mark", "data: 1\n\n", &["1"]),
        ("two marks: the second is text", "\u{FEFF}\u{FEFF}data: 1\n\ndata: 2\n\n", &["2"]),
        ("a later mark is text", "data: 1\n\n\u{FEFF}data: 2\n\ndata: 3\n\n", &["1", "3"]),
        ("a mark alone", "\u{FEFF}", &[]),
        ("a mark before a blank line", "\u{FEFF}\n\ndata: 1\n\n", &["1"]),
    ];
    for (name, stream, expected) in rows {
        let stream = stream.as_bytes();
        assert!(
            reference(stream).iter().map(|event| &event.data).eq(expected),
            "{name}: reference"
        );
        for at in 0..=stream.len() {
            let (one, two) = stream.split_at(at);
            let read = plains(&events(&[one, two]));
            assert!(read.iter().map(|event| &event.data).eq(expected), "{name}, split at {at}");
        }
        let bytes: Vec<_> = stream.chunks(1).collect();
        let read = plains(&events(&bytes));
        assert!(read.iter().map(|event| &event.data).eq(expected), "{name}: byte by byte");
    }
}

#[test]
fn an_event_may_be_as_long_as_the_limit() {
    for (name, extra) in [("exactly", 0), ("one byte more", 1)] {
        let mut event = b"data: ".to_vec();
        event.resize(4_094 + extra, b'x');
        event.extend_from_slice(b"\n\n");
        assert_eq!(items(&[&event]).is_ok(), extra == 0, "{name}, in one chunk");
        let pieces: Vec<_> = event.chunks(64).collect();
        assert_eq!(items(&pieces).is_ok(), extra == 0, "{name}, in pieces");
    }
    // Unfinished, and as long as it may be: its end may still come, if that is nothing more.
    let open = b"x".repeat(4_096);
    assert!(items(&[&open]).is_ok());
    assert!(items(&[&open, b"x"]).is_err());
}

#[test]
fn asking_again_brings_nothing_twice() {
    let mut parser = Parser::new(100);
    parser.push(Bytes::from_static(b"data: 1"));
    assert!(matches!(parser.next(), Ok(None)));
    assert!(matches!(parser.next(), Ok(None)));
    parser.push(Bytes::from_static(b"2\n\n"));
    let Ok(Some(Item::Event(event))) = parser.next() else { panic!("no event") };
    assert_eq!(event.data(), "12");
    assert!(matches!(parser.next(), Ok(None)));
}
