use serde_json::Value;

use super::*;

fn legacy() -> Table {
    Table::new(Era::Legacy, 100_000)
}

fn ask(table: &mut Table, text: &str) -> (u64, Arc<Outlet>) {
    let outlet = Outlet::for_answers(1, 1_000);
    let (number, line) = table.ask(text, &Envelope::read(text).unwrap(), &outlet).unwrap();
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["id"], number);
    (number, outlet)
}

fn tell(table: &mut Table, text: &str) -> Told {
    table.tell(text, &Envelope::read(text).unwrap())
}

#[tokio::test]
async fn requests_of_the_server_go_where_they_belong() {
    let asks = br#"{"id":"s","method":"ping"}"#;
    let mut table = legacy();
    // During initialization there is no stream: they are kept for it.
    let (first, initialize) = ask(&mut table, r#"{"id":0,"method":"initialize"}"#);
    assert!(table.hear(asks).reply.is_none());
    table.hear(format!(r#"{{"id":{first},"result":{{}}}}"#).as_bytes());
    assert!(matches!(initialize.next().await, Some(Item::Answer(..))));
    assert!(initialize.next().await.is_none());
    let stream = table.open_stream();
    assert!(matches!(stream.next().await, Some(Item::Message(_))));
    assert_eq!(
        tell(&mut table, r#"{"id":"s","result":{}}"#),
        Told::Say(Bytes::from_static(br#"{"id":"s","result":{}}"#))
    );

    // The only request in flight is what it is about; of two, nobody knows.
    let (_, one) = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    table.hear(asks);
    assert!(matches!(one.next().await, Some(Item::Message(_))));
    let (_, two) = ask(&mut table, r#"{"id":2,"method":"x"}"#);
    table.hear(asks);
    assert!(matches!(stream.next().await, Some(Item::Message(_))));
    // Without a stream, the newest.
    stream.close();
    table.hear(asks);
    assert!(matches!(two.next().await, Some(Item::Message(_))));
}

#[test]
fn what_nobody_hears_is_answered() {
    let mut table = legacy();
    let mut replies = Vec::new();
    for number in 0..MAX_BACKLOG + 10 {
        replies
            .extend(table.hear(format!(r#"{{"id":{number},"method":"ping"}}"#).as_bytes()).reply);
    }
    assert_eq!(replies.len(), 10);
    let reply: Value = serde_json::from_slice(&replies[0]).unwrap();
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&64.into(), &Value::from(-32603)));
}

#[test]
fn abuse_is_counted_until_something_good_comes() {
    let mut table = legacy();
    let (number, _outlet) = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    for nonsense in [&b"nonsense"[..], b"{}", b"[1]", b"\xff", br#"{"id":99,"result":{}}"#] {
        let mut heard = 0;
        while !table.hear(nonsense).abusive {
            heard += 1;
            assert!(heard <= MAX_NONSENSE, "{nonsense:?}");
        }
        assert_eq!(heard, MAX_NONSENSE, "{nonsense:?}");
        table.nonsense = 0;
    }
    table.nonsense = MAX_NONSENSE;
    assert!(!table.hear(format!(r#"{{"id":{number},"result":{{}}}}"#).as_bytes()).abusive);
    assert_eq!(table.nonsense, 0);
    // A second answer is one too late, not one never asked for.
    table.hear(format!(r#"{{"id":{number},"result":{{}}}}"#).as_bytes());
    assert_eq!((table.nonsense, table.lost), (0, 1));
}

#[test]
fn a_modern_server_asks_nothing() {
    let mut table = Table::new(Era::Modern, 1_000);
    let (_, outlet) = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    assert!(table.hear(br#"{"id":"s","method":"sampling/createMessage"}"#).reply.is_none());
    table.hear(br#"[{"method":"notifications/message"}]"#);
    table.hear(br#"{"method":"notifications/tools/list_changed"}"#);
    table.hear(br#"{"method":"notifications/progress","params":{"progressToken":1}}"#);
    // Request 1 listens to nothing.
    table.hear(br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#);
    let about = r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}"#;
    let changed = "notifications/tools/list_changed";
    table.hear(format!(r#"{{"method":"{changed}","params":{about}}}"#).as_bytes());
    assert!(table.is_working());
    outlet.end();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(outlet.poll_next(&mut cx), std::task::Poll::Ready(None)));
    assert_eq!((table.nonsense, table.lost), (2, 4));
}

#[tokio::test]
async fn nobody_reads_what_another_asked_for() {
    let mut table = Table::new(Era::Modern, 1_000);
    let wants =
        r#"{"id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/logLevel":"info"}}}"#;
    let said = br#"{"method":"notifications/message","params":{"data":1}}"#;
    let (_, first) = ask(&mut table, wants);
    let (_quiet, quiet) = ask(&mut table, r#"{"id":2,"method":"x"}"#);
    table.hear(said);
    let (number, second) = ask(&mut table, wants);
    table.hear(said);
    assert_eq!(table.lost, 1, "of two, nobody knows");
    table.give_up(&[number]);
    table.end(Fault::Broken);
    assert!(matches!(first.next().await, Some(Item::Message(_))));
    assert!(matches!(first.next().await, Some(Item::Failed(..))));
    assert!(matches!(quiet.next().await, Some(Item::Failed(..))));
    second.end();
    assert!(second.next().await.is_none());
}

#[test]
fn what_waits_is_bounded() {
    // Notifications, while there is no stream.
    let mut table = legacy();
    for _ in 0..MAX_BACKLOG + 10 {
        table.hear(br#"{"method":"notifications/tools/list_changed"}"#);
    }
    assert_eq!(table.lost, 10);

    // Requests of the server, while there is one.
    let mut table = legacy();
    let _stream = table.open_stream();
    let asked = |number| format!(r#"{{"id":{number},"method":"ping"}}"#);
    let replies = (0..MAX_ASKED + 10).filter_map(|n| table.hear(asked(n).as_bytes()).reply).count();
    assert_eq!(replies, 10);

    // What is for nobody.
    let mut table = legacy();
    let (number, _outlet) = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    let answer = format!(r#"{{"id":{number},"result":{{}}}}"#);
    let late = (0..MAX_LOST + 10).take_while(|_| !table.hear(answer.as_bytes()).abusive).count();
    assert_eq!(late, MAX_LOST as usize + 1, "the first is an answer");
}

#[test]
fn an_answer_too_long_is_known_when_it_is_the_only_one() {
    let mut table = legacy();
    let _one = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    assert!(table.hear_too_much());
    assert!(!table.is_working());
    let _two = ask(&mut table, r#"{"id":1,"method":"x"}"#);
    let _three = ask(&mut table, r#"{"id":2,"method":"x"}"#);
    assert!(!table.hear_too_much(), "of two, nobody knows");
}

#[tokio::test]
async fn batches_of_a_server_are_taken_apart() {
    let mut table = legacy();
    let (one, first) = ask(&mut table, r#"{"id":"a","method":"x"}"#);
    let (two, second) = ask(&mut table, r#"{"id":"b","method":"x"}"#);
    let said = format!(r#"[{{"id":{two},"result":{{}}}},{{"id":{one},"error":{{"code":-5}}}}]"#);
    table.hear(said.as_bytes());
    let Some(Item::Answer(answer, Some(-5))) = first.next().await else { panic!() };
    assert_eq!(answer, r#"{"id":"a","error":{"code":-5}}"#);
    let Some(Item::Answer(answer, None)) = second.next().await else { panic!() };
    assert_eq!(answer, r#"{"id":"b","result":{}}"#);
}

#[test]
fn there_are_only_so_many_requests() {
    let mut table = legacy();
    let kept: Vec<_> =
        (0..MAX_IN_FLIGHT).map(|_| ask(&mut table, r#"{"id":1,"method":"x"}"#)).collect();
    let text = r#"{"id":1,"method":"x"}"#;
    let outlet = Outlet::for_answers(1, 1_000);
    let refused = table.ask(text, &Envelope::read(text).unwrap(), &outlet);
    assert!(matches!(refused, Err(Fault::Busy(_))));
    assert!(table.is_working());
    let numbers: Vec<_> = kept.iter().map(|(number, _)| *number).collect();
    assert!(
        table.abandon(&numbers).is_empty() && table.is_working(),
        "to go away is not to cancel"
    );
    assert_eq!(table.give_up(&numbers).len(), MAX_IN_FLIGHT);
    assert!(!table.is_working());
}

#[test]
fn a_server_takes_back_its_request() {
    let mut table = legacy();
    table.hear(br#"{"id":"s","method":"ping"}"#);
    table.hear(br#"{"method":"notifications/cancelled","params":{"requestId":"s"}}"#);
    assert_eq!(tell(&mut table, r#"{"id":"s","result":{}}"#), Told::Unasked);
}
