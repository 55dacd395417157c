use bytes::Bytes;
use portcullis_test::ChunkedBody;

use super::*;

const PACE: Pace = Pace { total: Duration::from_secs(10), idle: Duration::from_secs(5) };

#[tokio::test]
async fn one_frame_is_not_copied() {
    let bytes = Bytes::from_static(b"{\"jsonrpc\":\"2.0\"}");
    let body = http_body_util::Full::new(bytes.clone());
    let read = Read::new(body, 100, Some(PACE)).await.unwrap();
    assert_eq!(read.as_ptr(), bytes.as_ptr());
    let read = Read::new(ChunkedBody::new([bytes.clone()]), 100, Some(PACE)).await.unwrap();
    assert_eq!(read.as_ptr(), bytes.as_ptr(), "even when its end comes later");
}

#[tokio::test]
async fn the_limit_counts_bytes_read() {
    let hundred = "a".repeat(100).leak();
    type Case = (&'static str, &'static [&'static str], usize, Result<&'static str, ReadError>);
    let cases: [Case; 6] = [
        ("nothing", &[], 0, Ok("")),
        ("exactly the limit", &["abc", "def"], 6, Ok("abcdef")),
        ("empty frames", &["", "abc", "", "def", ""], 6, Ok("abcdef")),
        ("one byte more", &["abc", "def"], 5, Err(ReadError::TooLarge)),
        ("one frame too large", &["abcdef"], 5, Err(ReadError::TooLarge)),
        ("many frames", &["a"; 100], 100, Ok(hundred)),
    ];
    for (name, chunks, limit, expected) in cases {
        for yields in [false, true] {
            let mut body =
                ChunkedBody::new(chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())));
            if yields {
                body = body.yielding();
            }
            let read = Read::new(body, limit, Some(PACE)).await;
            assert_eq!(read, expected.map(Bytes::from), "{name}");
        }
    }
}

#[tokio::test]
async fn a_broken_body_is_not_a_short_one() {
    let body = ChunkedBody::new(["abc"]).then_fails();
    assert_eq!(Read::new(body, 100, None).await, Err(ReadError::Failed));
}

#[tokio::test]
async fn trailers_are_dropped() {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("mcp-name", "evil".parse().unwrap());
    let body = ChunkedBody::new(["abc"]).then_trailers(trailers);
    assert_eq!(Read::new(body, 100, None).await.unwrap(), "abc");
}

/// Time is the runtime's own here: it moves only when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_body_may_not_drip_for_ever() {
    let start = Instant::now();
    let (sender, body) = ChunkedBody::live();
    let drip = tokio::spawn(async move {
        while sender.send(Bytes::from_static(b"x")).is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let read = Read::new(body, 1_000, Some(PACE)).await;
    assert_eq!(read, Err(ReadError::TooSlow));
    assert_eq!(start.elapsed().as_secs(), 10, "each byte bought time, but not for ever");
    drip.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_may_not_pause_long() {
    let start = Instant::now();
    let body = ChunkedBody::new(["abc"]).then_never_ends();
    assert_eq!(Read::new(body, 1_000, Some(PACE)).await, Err(ReadError::TooSlow));
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn empty_frames_buy_no_time() {
    let (sender, body) = ChunkedBody::live();
    let drip = tokio::spawn(async move {
        while sender.send(Bytes::new()).is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = Instant::now();
    assert_eq!(Read::new(body, 1_000, Some(PACE)).await, Err(ReadError::TooSlow));
    assert_eq!(start.elapsed().as_secs(), 5);
    drip.await.unwrap();
}
