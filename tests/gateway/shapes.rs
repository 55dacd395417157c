//! Requests as nobody should write them: what comes of each, and what the server behind gets.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ask::{HOST, list};
use crate::rig::{PATIENCE, Rig};

/// The status of the first answer to these bytes, on a connection of their own.
async fn status(rig: &Rig, request: &str) -> u16 {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        while !answer.windows(4).any(|it| it == b"\r\n\r\n") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    timeout(PATIENCE, read).await.expect("an answer");
    let answer = String::from_utf8(answer).unwrap();
    answer.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// A request with this first line, with these fields besides the usual ones, and this body.
fn raw(token: &str, line: &str, host: &str, fields: &str, body: &str) -> String {
    let fields = fields.replace('|', "\r\n");
    format!(
        "{line} HTTP/1.1\r\n{host}authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/list\r\n{fields}\r\n{body}"
    )
}

#[tokio::test]
async fn no_shape_of_a_request_is_read_in_two_ways() {
    let rig = Rig::new().await;
    let body = String::from_utf8(list().into_body().to_vec()).unwrap();
    let length = format!("content-length: {}|", body.len());
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let trailers = chunked.replace("0\r\n\r\n", "0\r\nx-forwarded-user: root\r\n\r\n");
    let both = format!("{length}transfer-encoding: chunked|");
    let two = format!("{length}content-length: 5|");
    let folded = format!("{length}x-a: b|  c|");
    let signed = "content-length: +5|";
    let named = format!("{length}connection: mcp-method|");
    let te = "transfer-encoding: chunked|";
    let host = format!("host: {HOST}\r\n");
    let hosts = format!("{host}host: evil.example\r\n");
    // The line, hosts, further fields, body, the status, and whether the server behind hears of it.
    let post = "POST /notes";
    let rows = [
        ("as it should be", post, &*host, &*length, &*body, 200, true),
        ("in chunks", post, &host, te, &chunked, 200, true),
        ("trailers that claim", post, &host, te, &trailers, 200, true),
        ("a length and chunks", post, &host, &both, &chunked, 200, true),
        ("two lengths", post, &host, &two, &body, 400, false),
        ("a signed length", post, &host, signed, &body, 400, false),
        ("an unknown coding", post, &host, "transfer-encoding: xchunked|", &chunked, 400, false),
        (
            "chunks within",
            post,
            &host,
            "transfer-encoding: chunked, identity|",
            &chunked,
            400,
            false,
        ),
        ("a folded field", post, &host, &folded, &body, 400, false),
        ("a blank before a colon", post, &host, &length.replace(": ", " : "), &body, 400, false),
        ("fields for one hop", post, &host, &named, &body, 400, false),
        ("two hosts", post, &hosts, &length, &body, 400, false),
        ("no host", post, "", &length, &body, 400, false),
        ("another host", post, "host: evil.example\r\n", &length, &body, 403, false),
        (
            "another host in the line",
            "POST http://evil.example/notes",
            &host,
            &length,
            &body,
            400,
            false,
        ),
        (
            "an upgrade",
            post,
            &host,
            &format!("{length}connection: upgrade|upgrade: h2c|"),
            &body,
            200,
            true,
        ),
        ("coded", post, &host, &format!("{length}content-encoding: gzip|"), &body, 415, false),
        ("TRACE", "TRACE /notes", &host, "", "", 405, false),
        ("CONNECT", "CONNECT 127.0.0.1:80", &host, "", "", 404, false),
        ("of the server as a whole", "OPTIONS *", &host, "", "", 404, false),
        ("dots", "POST /x/../notes", &host, &length, &body, 404, false),
        ("a coded slash", "POST /notes%2f", &host, &length, &body, 404, false),
    ];
    for (name, line, host, fields, body, expected, heard) in rows {
        let before = rig.upstream.count();
        let request = raw(&rig.token(), line, host, fields, body);
        assert_eq!(status(&rig, &request).await, expected, "{name}");
        assert_eq!(rig.upstream.count() - before, usize::from(heard), "{name}");
        if !heard {
            continue;
        }
        let seen = rig.upstream.last();
        assert_eq!(seen.uri.path(), "/mcp", "{name}");
        assert_eq!(seen.body, list().into_body(), "{name}");
        for field in ["transfer-encoding", "upgrade", "connection", "x-forwarded-user", "trailer"] {
            assert!(!seen.headers.contains_key(field), "{name}: {field}");
        }
    }
}

#[tokio::test]
async fn what_callers_say_of_themselves_goes_no_further() {
    const CLAIMS: &[&str] = &[
        "cookie",
        "expect",
        "forwarded",
        "if-none-match",
        "proxy-authorization",
        "range",
        "remote-user",
        "te",
        "via",
        "x-auth-request-user",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-user",
        "x-original-url",
        "x-portcullis-assertion",
        "x-real-ip",
        "x_forwarded_user",
    ];
    let rig = Rig::new().await;
    let body = String::from_utf8(list().into_body().to_vec()).unwrap();
    let claims: String = CLAIMS.iter().map(|name| format!("{name}: root|")).collect();
    let fields = format!("{claims}content-length: {}|", body.len());
    let host = format!("host: {HOST}\r\n");
    let request = raw(&rig.token(), "POST /notes", &host, &fields, &body);
    assert_eq!(status(&rig, &request).await, 200);
    let seen = rig.upstream.last();
    for name in CLAIMS {
        assert!(!seen.headers.contains_key(*name), "{name}");
    }
    assert!(!seen.headers.contains_key("authorization"));
}
