use super::*;

#[test]
fn content_types_are_single_and_exact() {
    let cases: [(&[&str], bool); 7] = [
        (&["text/event-stream"], true),
        (&["Text/Event-Stream; charset=utf-8"], true),
        (&["text/event-stream;"], true),
        (&["text/event-streams"], false),
        (&["text/plain, text/event-stream"], false),
        (&["text/event-stream", "text/event-stream"], false),
        (&[], false),
    ];
    for (values, expected) in cases {
        let values: Vec<_> = values.iter().map(|value| HeaderValue::from_static(value)).collect();
        let mut lines = Lines::default();
        values.iter().for_each(|line| lines.add(line));
        assert_eq!(is_events(lines), expected, "{values:?}");
    }
}

#[test]
fn cleaning_takes_every_line_of_a_field() {
    let mut headers = HeaderMap::new();
    for name in ["set-cookie", "access-control-max-age", "proxy-status", "x-own"] {
        for value in ["a", "b"] {
            headers.append(name, HeaderValue::from_static(value));
        }
    }
    clean(&mut headers);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-own"]);
    assert_eq!(headers.get_all("x-own").iter().count(), 2);
}

#[test]
fn a_length_is_written_only_when_it_is_not_there() {
    let rows: &[(&str, &[&str], usize)] = &[
        ("none", &[], 12),
        ("right", &["12"], 12),
        ("zero", &["0"], 0),
        ("wrong", &["13"], 12),
        ("the same digits and more", &["112"], 12),
        ("fewer digits", &["2"], 12),
        ("in other words", &["012"], 12),
        ("signed", &["+12"], 12),
        ("no digits", &[""], 0),
        ("twice", &["12", "12"], 12),
    ];
    for (name, said, length) in rows {
        let mut headers = HeaderMap::new();
        for said in *said {
            headers.append(header::CONTENT_LENGTH, HeaderValue::from_static(said));
        }
        json_head(&mut headers, *length);
        let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
        assert_eq!(lengths, [&HeaderValue::from(*length)], "{name}");
    }
}
