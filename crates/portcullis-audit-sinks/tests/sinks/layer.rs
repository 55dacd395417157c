//! Sinks behind a whole audit layer: what is lost is counted.

use std::time::Duration;

use http::{Request, Response};
use portcullis_audit::AuditLayer;
use portcullis_audit_sinks::{HttpLines, Retry};
use portcullis_core::{Challenge, Denial, GateBody};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use crate::web::{Web, answer};

#[tokio::test]
async fn what_a_dead_collector_does_not_get_is_counted_and_told_when_it_is_back() {
    let mut web = Web::start(|_, _| answer(200, ""));
    let (url, port) = (web.url(), web.port);
    web.kill();
    let retry = Retry::new().timeout(Duration::from_secs(5)).patience(Duration::ZERO);
    let sink = HttpLines::new(url).retry(retry).build().unwrap();
    let audit = AuditLayer::builder().sink(sink).build().unwrap();
    let challenge = Challenge::without_metadata::<&str>([]).unwrap();
    let refuse = service_fn(move |_: Request<()>| {
        let response: Response<GateBody<http_body_util::Empty<_>>> =
            Denial::no_token(&challenge).into_response();
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let service = ServiceBuilder::new().layer(audit.clone()).service(refuse);
    let request = || async { drop(service.clone().oneshot(Request::new(())).await.unwrap()) };

    for _ in 0..5 {
        request().await;
    }
    assert!(!audit.flush().await, "it is not there");
    let lost = audit.lost();
    assert!(lost >= 10, "all of them: {lost}");

    let web = Web::on(port, |_, _| answer(200, ""));
    let mut arrived = false;
    for _ in 0..600 {
        request().await;
        arrived = audit.flush().await;
        if arrived {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // The pause between tries passes in real time.
    }
    assert!(arrived);
    let bodies: String = web
        .requests()
        .iter()
        .map(|request| String::from_utf8(request.body().to_vec()).unwrap())
        .collect();
    let gaps: u64 = bodies
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["record"] == "gap")
        .map(|gap| gap["dropped"].as_u64().unwrap())
        .sum();
    assert_eq!(gaps, audit.lost(), "{bodies}");
}
