//! Real records, made by a real audit layer.

use http::{Request, Response};
use portcullis_audit::{AuditLayer, MemorySink, Record, Sink};
use portcullis_core::{Caller, Challenge, Denial, GateBody, Principal, RequestFacts as _};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// A record and its line.
pub(crate) type Made = (Record, String);

/// Decisions and outcomes in turn, `count` in all, about callers of odd names.
pub(crate) fn records(count: usize) -> Vec<Made> {
    let kept = MemorySink::new();
    let layer = AuditLayer::builder().sink(kept.clone()).build().unwrap();
    let challenge = Challenge::without_metadata::<&str>([]).unwrap();
    let service = service_fn(move |mut request: Request<()>| {
        let subject = "al\0ice\n\"]";
        let principal = Principal::builder("https://id.example", subject).client_id("ide").build();
        request.set_caller(Caller::Verified(principal.into()));
        let denial = Denial::no_token(&challenge);
        let response: Response<GateBody<http_body_util::Empty<_>>> = denial.into_response();
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count.div_ceil(2) {
            let service = ServiceBuilder::new().layer(layer.clone()).service(service.clone());
            drop(service.oneshot(Request::new(())).await.unwrap());
        }
        assert!(layer.flush().await);
    });
    let both = kept.records().into_iter().zip(kept.lines());
    let made: Vec<Made> = both
        .filter(|(record, _)| matches!(record.kind(), "decision" | "outcome"))
        .take(count)
        .map(|(record, line)| (record, format!("{line}\n")))
        .collect();
    assert_eq!(made.len(), count);
    made
}

/// Writes all of them and flushes once.
pub(crate) fn deliver(sink: &mut impl Sink, made: &[Made]) -> std::io::Result<()> {
    for (record, line) in made {
        sink.write(record, line.as_bytes())?;
    }
    sink.flush()
}

/// The id of an event, as text.
pub(crate) fn id(made: &Made) -> String {
    made.0.event_id().to_string()
}
