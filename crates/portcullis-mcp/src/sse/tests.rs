use proptest::prelude::*;

use super::*;

mod edges;

/// What a client makes of an event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Plain {
    name: String,
    id: Option<String>,
    retry: Option<String>,
    data: String,
}

/// The rules of the specification, applied to a whole stream at once.
fn reference(stream: &[u8]) -> Vec<Plain> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let mut event = Plain::default();
    let mut data = Vec::new();
    let mut lines: Vec<_> = text.split('\n').collect();
    lines.pop(); // A line without an end is not a line yet.
    for line in lines {
        if line.is_empty() {
            event.data = data.join("\n");
            event.name = if event.name.is_empty() { "message".into() } else { event.name };
            if !event.data.is_empty() || event.id.is_some() || event.retry.is_some() {
                events.push(event);
            }
            event = Plain::default();
            data.clear();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "data" => data.push(value),
            "event" if !value.contains('\0') => event.name = value,
            "id" if !value.contains('\0') => event.id = Some(value),
            "retry" if is_number(value.as_bytes()) => event.retry = Some(value),
            _ => {}
        }
    }
    events
}

fn items(chunks: &[&[u8]]) -> Result<Vec<Item>, TooLong> {
    let mut parser = Parser::new(4_096);
    let mut items = Vec::new();
    for chunk in chunks {
        parser.push(Bytes::copy_from_slice(chunk));
        while let Some(item) = parser.next()? {
            items.push(item);
        }
    }
    Ok(items)
}

fn events(chunks: &[&[u8]]) -> Vec<Event> {
    let only_events = |item| match item {
        Item::Event(event) => Some(event),
        Item::Comment => None,
    };
    items(chunks).unwrap().into_iter().filter_map(only_events).collect()
}

fn text(bytes: Option<&Bytes>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn plain(event: &Event) -> Plain {
    let name = text(event.name.as_ref()).filter(|name| !name.is_empty());
    Plain {
        name: name.unwrap_or_else(|| "message".into()),
        id: text(event.id.as_ref()),
        retry: text(event.retry.as_ref()),
        data: String::from_utf8_lossy(&event.data).into_owned(),
    }
}

/// The events that carry anything, as the reference lists them.
fn plains(events: &[Event]) -> Vec<Plain> {
    let carries =
        |event: &Plain| !event.data.is_empty() || event.id.is_some() || event.retry.is_some();
    events.iter().map(plain).filter(carries).collect()
}

const SAMPLE: &str = "\u{FEFF}: hello\n\
    \n\
    data: {\"a\":1}\n\
    \n\
    id: 7\n\
    event: message\n\
    retry: 3000\n\
    data: {\"naïve\":\n\
    data: \"日本\"}\n\
    : inside\n\
    \n\
    data\n\
    id:8\n\
    \n\
    unknown: x\n\
    data:  two spaces\n\
    \n\
    :\n\
    data: last\n\
    \n\
    data: unterminated\n";

/// R-074.
#[test]
fn chunks_may_end_anywhere() {
    for (name, line_end) in [("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")] {
        let sample = SAMPLE.replace('\n', line_end).into_bytes();
        let expected = reference(&sample);
        assert_eq!(expected.len(), 5, "{name}: {expected:?}");
        assert_eq!(plains(&events(&[&sample])), expected, "{name}: in one chunk");
        for at in 0..=sample.len() {
            let (one, two) = sample.split_at(at);
            assert_eq!(plains(&events(&[one, two])), expected, "{name}: split at {at}");
        }
        let bytes: Vec<_> = sample.chunks(1).collect();
        assert_eq!(plains(&events(&bytes)), expected, "{name}: byte by byte");
    }
}

#[test]
fn comments_between_events_pass_at_once() {
    let mut parser = Parser::new(1_000);
    parser.push(Bytes::from_static(b": still here\n"));
    assert!(matches!(parser.next(), Ok(Some(Item::Comment))), "before its blank line");
    assert!(matches!(parser.next(), Ok(None)));
    parser.push(Bytes::from_static(b"\ndata: x\n"));
    assert!(matches!(parser.next(), Ok(None)), "an event waits for its blank line");
    parser.push(Bytes::from_static(b"\n"));
    assert!(matches!(parser.next(), Ok(Some(Item::Event(_)))));
}

/// WHATWG HTML §9.2.6: clients are told of an event only if it has a line of data. What is written anew is none for
/// them either.
#[test]
fn what_is_no_event_becomes_none() {
    for (name, stream, expected) in [
        ("a field that nobody knows", "x: y\n\n", ":\n\n"),
        ("data in other letters", "Data: {}\n\n", ":\n\n"),
        ("a later mark", "\u{FEFF}data: {}\n\n", ":\n\n"),
        ("an id and CR", "id: 1\r\r", "id: 1\n\n"),
        ("a delay and a comment", "retry: 5\n: x\n\n", "retry: 5\n\n"),
        ("an empty line of data and CR", "id: 1\rdata\r\r", "id: 1\ndata: \n\n"),
    ] {
        let first = b"data: 1\n\n".as_slice();
        let event = events(&[first, stream.as_bytes()]).pop().unwrap();
        assert_eq!(event.unchanged(), expected, "{name}");
    }
}

#[test]
fn plain_events_go_on_as_they_came() {
    let cases = [
        ("data only", "data: {}\n\n", true),
        ("all fields", "event: message\nid: 1\nretry: 5\ndata: {}\n\n", true),
        ("CRLF", "data: {}\r\n\r\n", true),
        ("no space", "data:{}\n\n", true),
        ("only an id", "id: 1\ndata:\n\n", true),
        ("CR", "data: {}\r\r", false),
        ("two data lines", "data: {\ndata: }\n\n", false),
        ("two ids", "id: 1\nid: 2\ndata: {}\n\n", false),
        ("a comment", ": x\ndata: {}\n:\n\n", false),
        ("an unknown field", "data: {}\nx: y\n\n", false),
        ("NUL in the id", "id: \0\ndata: {}\n\n", false),
        ("a retry that is no number", "retry: soon\ndata: {}\n\n", false),
    ];
    for (name, stream, same) in cases {
        let event = events(&[stream.as_bytes()]).pop().unwrap();
        let before = plain(&event);
        let sent = event.unchanged();
        assert_eq!(sent == stream.as_bytes(), same, "{name}: {sent:?}");
        let after = events(&[&sent]).pop().unwrap();
        let joined = Plain { data: before.data.replace('\n', " "), ..before };
        assert_eq!(plain(&after), joined, "{name}");
    }
}

/// A chunk may end between the CR and the LF of a line, and that LF is no blank line.
#[test]
fn a_line_end_may_be_split() {
    let chunks: [&[u8]; 3] = [b"data: 1\r", b"\n", b"\r\ndata: 2\n\n"];
    let events = events(&chunks);
    assert_eq!(plains(&events).len(), 2);
    for event in events {
        let sent = event.unchanged();
        assert_eq!(reference(&sent).len(), 1, "{sent:?}");
    }
}

#[test]
fn one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: {\"a\":1}\n\ndata: {\"b\":2}\n\n");
    let mut parser = Parser::new(1_000);
    parser.push(chunk.clone());
    let Ok(Some(Item::Event(event))) = parser.next() else { panic!("no event") };
    assert_eq!(event.data().as_ptr(), chunk[6..].as_ptr());
    assert_eq!(event.unchanged().as_ptr(), chunk.as_ptr());
}

/// X-135: whatever a tool says stays inside its own event.
/// R-075.
#[test]
fn text_cannot_make_an_event() {
    let event = events(&[b"id: 1\ndata: {}\n\n"]).pop().unwrap();
    for hostile in ["{}\n\nevent: x\ndata: {\"evil\":1}", "{}\r\rdata: y", "a\nid: 2\nretry: 1"] {
        let sent = event.with(hostile.as_bytes());
        let read = events(&[&sent]);
        assert_eq!(read.len(), 1, "{hostile:?}");
        assert_eq!(plain(&read[0]).id.as_deref(), Some("1"), "{hostile:?}");
        assert_eq!(plain(&read[0]).retry, None, "{hostile:?}");
    }
}

/// R-075: nor for clients that find the end of a line where the standard has none.
#[test]
fn text_cannot_make_an_event_for_lax_clients() {
    for (name, stream, expected) in [
        (
            "in the data",
            "data: {\"a\":\"\u{2028}\u{2028}data: {}\u{2029}\u{85}\"}\n\n",
            r#"data: {"a":"\u2028\u2028data: {}\u2029\u0085"}"#,
        ),
        ("in an id", "id: 1\u{2028}data: x\ndata: {}\n\n", "data: {}"),
        ("another in an id", "id: 1\u{b}data: x\ndata: {}\n\n", "data: {}"),
        ("a tab in an id", "id: 1\t2\ndata: {}\n\n", "id: 1\t2\ndata: {}"),
    ] {
        let event = events(&[stream.as_bytes()]).pop().unwrap();
        assert_eq!(event.unchanged(), format!("{expected}\n\n"), "{name}");
    }
    let own = event("\"\u{2028}\"".as_bytes());
    assert_eq!(own, "data: \"\\u2028\"\n\n");
}

#[test]
fn events_have_a_limit() {
    let mut long = b"data: ".to_vec();
    long.resize(5_000, b'x');
    assert_eq!(items(&[&long]).unwrap_err(), TooLong, "without an end");
    long.extend_from_slice(b"\n\n");
    assert_eq!(items(&[&long]).unwrap_err(), TooLong, "in one chunk");
    let pieces: Vec<_> = long.chunks(64).collect();
    assert_eq!(items(&pieces).unwrap_err(), TooLong, "in many chunks");
    let lines = b"data: x\n".repeat(1_000);
    assert_eq!(items(&[&lines]).unwrap_err(), TooLong, "in many lines");
    let many = b"data: x\n\n".repeat(1_000);
    assert_eq!(items(&[&many]).unwrap().len(), 1_000, "the limit is for one event");
}

#[test]
fn a_broken_mark_is_text() {
    for split in 0..=3 {
        let stream = [0xEF, 0xBB, b'd', b'a', b't', b'a', b':', b'x', b'\n', b'\n'];
        let (one, two) = stream.split_at(split);
        assert!(plains(&events(&[one, two])).is_empty(), "the field has another name");
    }
}

proptest! {
    #[test]
    fn agrees_with_the_reference(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "data", ":", " ", "\n", "\r", "\r\n", "id", "event", "retry", "message", "1", "é",
                "\n\n", "data: {}", "\0", "x",
            ]),
            0..60,
        ),
        cut in 1_usize..9,
    ) {
        let stream = pieces.concat().into_bytes();
        let chunks: Vec<_> = stream.chunks(cut).collect();
        let events = events(&chunks);
        prop_assert_eq!(plains(&events), reference(&stream));
        let mut sent = Vec::new();
        let mut joined = Vec::new();
        for event in events {
            joined.push(Plain { data: plain(&event).data.replace('\n', " "), ..plain(&event) });
            sent.extend_from_slice(&event.unchanged());
        }
        joined.retain(|event| {
            !event.data.is_empty() || event.id.is_some() || event.retry.is_some()
        });
        prop_assert_eq!(reference(&sent), joined, "what is sent on means the same");
    }
}
