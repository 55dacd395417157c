use std::io::ErrorKind;
use std::time::Duration;

use http::Response;
use portcullis_audit::Sink as _;
use portcullis_audit_sinks::{HttpLines, Otlp, Retry, Splunk};
use serde_json::Value;

use crate::records::{deliver, id, records};
use crate::web::{Web, answer};

fn quick() -> Retry {
    Retry::new().timeout(Duration::from_secs(5)).patience(Duration::from_secs(30))
}

/// Tries once, and not for long.
fn hasty() -> Retry {
    Retry::new().timeout(Duration::from_millis(100)).patience(Duration::ZERO)
}

#[test]
fn lines_arrive_as_they_are() {
    let web = Web::start(|_, _| answer(204, ""));
    let sink = HttpLines::new(format!("{}/in?stream=audit", web.url()));
    let mut sink = sink.bearer_token("secret").header("x-key", "k").build().unwrap();
    let made = records(6);
    deliver(&mut sink, &made[..4]).unwrap();
    deliver(&mut sink, &made[4..]).unwrap();
    sink.flush().unwrap();

    let requests = web.requests();
    assert_eq!(requests.len(), 2, "nothing is sent where there is nothing");
    let bodies: Vec<u8> = requests.iter().flat_map(|request| request.body().to_vec()).collect();
    let lines: String = made.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(String::from_utf8(bodies).unwrap(), lines);
    let first = &requests[0];
    assert_eq!(first.uri(), "/in?stream=audit");
    assert_eq!(first.headers()["authorization"], "Bearer secret");
    assert_eq!(first.headers()["x-key"], "k");
    assert_eq!(first.headers()["content-type"], "application/x-ndjson");
    let key = |n: usize| requests[n].headers()["idempotency-key"].to_str().unwrap().to_owned();
    assert_eq!(key(0), format!("\"{}.decision/4\"", id(&made[0])));
    assert_ne!(key(0), key(1));
}

#[test]
fn what_is_refused_for_now_is_sent_again_and_told_apart() {
    let web = Web::start(|number, _| match number {
        1 => answer(503, ""),
        2 => Some(
            Response::builder().status(429).header("retry-after", "0").body("".into()).unwrap(),
        ),
        _ => answer(200, ""),
    });
    let mut sink = HttpLines::new(web.url()).retry(quick()).build().unwrap();
    deliver(&mut sink, &records(2)).unwrap();
    let requests = web.requests();
    assert_eq!(requests.len(), 3);
    let keys: Vec<_> = requests.iter().map(|r| r.headers()["idempotency-key"].clone()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "the same records: {keys:?}");
    assert!(requests.iter().all(|r| r.body() == requests[0].body()));
}

#[test]
fn what_is_refused_for_good_is_lost_at_once() {
    let web = Web::start(|number, _| answer(if number == 1 { 400 } else { 200 }, "no such tenant"));
    let mut sink = HttpLines::new(web.url()).retry(quick()).build().unwrap();
    let error = deliver(&mut sink, &records(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(!error.to_string().contains("tenant"), "{error}");
    deliver(&mut sink, &records(2)).unwrap();
    assert_eq!(web.requests().len(), 2);
}

#[test]
fn redirects_are_not_followed() {
    let moved = || Response::builder().status(307).header("location", "http://127.0.0.1:1/");
    let web = Web::start(move |_, _| Some(moved().body("".into()).unwrap()));
    let mut sink = HttpLines::new(web.url()).retry(quick()).build().unwrap();
    deliver(&mut sink, &records(1)).unwrap_err();
    assert_eq!(web.requests().len(), 1);
}

#[test]
fn a_collector_that_hangs_or_is_not_there_is_given_up() {
    let web = Web::start(|_, _| None);
    let mut sink = HttpLines::new(web.url()).retry(hasty()).build().unwrap();
    assert_eq!(deliver(&mut sink, &records(1)).unwrap_err().kind(), ErrorKind::TimedOut);

    let mut web = Web::start(|_, _| answer(200, ""));
    let url = web.url();
    web.kill();
    let mut sink = HttpLines::new(url).retry(hasty()).build().unwrap();
    assert_eq!(deliver(&mut sink, &records(1)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(deliver(&mut sink, &records(1)).unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn a_collector_that_was_restarted_gets_the_next_batch() {
    let mut web = Web::start(|_, _| answer(200, ""));
    let port = web.port;
    let mut sink = HttpLines::new(web.url()).retry(quick()).build().unwrap();
    let made = records(4);
    deliver(&mut sink, &made[..2]).unwrap();
    web.kill();
    let again = Web::on(port, |_, _| answer(200, ""));
    deliver(&mut sink, &made[2..]).unwrap();
    assert_eq!((web.requests().len(), again.requests().len()), (1, 1));
}

#[test]
fn splunk_gets_events_and_is_asked_whether_they_are_indexed() {
    let web = Web::start(|number, request| match request.uri().path() {
        "/services/collector/event" => answer(200, r#"{"text":"Success","code":0,"ackId":7}"#),
        "/services/collector/ack" if number < 4 => answer(200, r#"{"acks":{"7":false}}"#),
        "/services/collector/ack" => answer(200, r#"{"acks":{"7":true}}"#),
        other => panic!("{other}"),
    });
    let sink = Splunk::new(web.url(), "token").acknowledged().index("audit").host("gate-1");
    let mut sink = sink.retry(quick()).build().unwrap();
    let made = records(2);
    deliver(&mut sink, &made).unwrap();

    let requests = web.requests();
    assert_eq!(requests.len(), 4, "asked until it was");
    assert!(requests.iter().all(|r| r.headers()["authorization"] == "Splunk token"));
    let channel = |n: usize| requests[n].headers()["x-splunk-request-channel"].clone();
    assert_eq!(channel(0), channel(1));
    assert_eq!(requests[1].body().as_ref(), br#"{"acks":[7]}"#);
    let events: Vec<Value> = serde_json::Deserializer::from_slice(requests[0].body())
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["event"]["event_id"], id(&made[0]));
    assert_eq!(events[0]["event"], serde_json::from_str::<Value>(&made[0].1).unwrap());
    assert_eq!(events[0]["index"], "audit");
    assert_eq!(events[0]["host"], "gate-1");
    assert_eq!(events[0]["sourcetype"], "portcullis:audit");
    let at = made[0].0.as_decision().unwrap().at().as_secs_f64();
    assert!((events[0]["time"].as_f64().unwrap() - at).abs() < 0.002);
}

#[test]
fn without_an_acknowledgement_nothing_is_on_record() {
    let web = Web::start(|_, request| match request.uri().path() {
        "/services/collector/event" => answer(200, r#"{"text":"Success","code":0,"ackId":7}"#),
        _ => answer(200, r#"{"acks":{"7":false}}"#),
    });
    let retry = Retry::new().timeout(Duration::from_millis(400)).patience(Duration::ZERO);
    let sink = Splunk::new(web.url(), "token").acknowledged();
    let mut sink = sink.retry(retry).build().unwrap();
    assert_eq!(deliver(&mut sink, &records(1)).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn otlp_says_what_a_collector_rejected() {
    let web = Web::start(|number, _| match number {
        1 => answer(200, r#"{"partialSuccess":{}}"#),
        _ => answer(200, r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"x"}}"#),
    });
    let sink = Otlp::new(format!("{}/", web.url())).service_name("gate").attribute("site", "one");
    let mut sink = sink.retry(quick()).build().unwrap();
    let made = records(2);
    deliver(&mut sink, &made).unwrap();
    let error = deliver(&mut sink, &records(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);

    let requests = web.requests();
    assert_eq!(requests.len(), 2, "a partial success is not sent again");
    assert_eq!(requests[0].uri(), "/v1/logs");
    let body: Value = serde_json::from_slice(requests[0].body()).unwrap();
    let resource = &body["resourceLogs"][0]["resource"]["attributes"];
    assert_eq!(resource[0]["value"]["stringValue"], "gate");
    assert_eq!(resource[1]["key"], "site");
    let logs = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let lines: Vec<_> = logs
        .iter()
        .map(|log| format!("{}\n", log["body"]["stringValue"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [made[0].1.as_str(), &made[1].1], "byte for byte");
    assert_eq!(logs[1]["eventName"], "portcullis.audit.outcome");
}

#[test]
fn settings_that_cannot_be_honoured_are_errors() {
    assert!(HttpLines::new("http://logs.example.com").build().is_err(), "not in the clear");
    assert!(HttpLines::new("http://logs.example.com").danger_plain_http().build().is_ok());
    assert!(HttpLines::new("http://127.0.0.1").header("a b", "c").build().is_err());
    let retry = Retry::new().timeout(Duration::ZERO);
    assert!(Otlp::new("http://127.0.0.1").retry(retry).build().is_err());
}
