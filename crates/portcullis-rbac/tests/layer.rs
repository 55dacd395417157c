//! The layer from outside: what it forwards, what it answers, what it records.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use portcullis_core::{
    Acknowledgement, AnonymousReason, Buffered, Caller, Challenge, Clock, Decided, Denial,
    DenialKind, GateBody, Glance, McpMessage, McpNotification, McpRequestParts, McpResponse,
    Method, NoMessage, Note, Permit, Principal, PrincipalBuilder, Reason, Receipt, ReceiptSender,
    Recorder, RequestFacts, ResponseFacts, Target, TargetKind, TaskUse, Text, Trail, Version,
};
use portcullis_rbac::{
    Answer, Authorizer, Decision, DenialStyle, Policy, Query, Rbac, RbacLayer, Role, Rule,
    Together, Window,
};
use proptest::prelude::*;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const MODERN: Version = Version::V2026_07_28;
const LEGACY: Version = Version::V2025_11_25;
const BATCHES: Version = Version::V2025_03_26;

type Body = GateBody<Empty<Bytes>>;

/// What the inner service got.
#[derive(Clone, Default)]
struct Inner {
    seen: Arc<Mutex<Vec<Request<Buffered>>>>,
    log: Log,
}

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

impl Inner {
    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Service<Request<Buffered>> for Inner {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Buffered>) -> Self::Future {
        self.log.lock().unwrap().push("called".into());
        self.seen.lock().unwrap().push(request);
        let mut response = Response::new(Empty::new());
        // A server that vouches for itself, and for somebody else's denial.
        response.set_denial(Denial::not_found());
        ready(Ok(response))
    }
}

/// A recorder that answers as told.
struct Ledger {
    log: Log,
    acknowledge: Box<dyn Fn() -> Acknowledgement + Send + Sync>,
}

impl Recorder for Ledger {
    fn caller(&self, _: &Caller) {}
    fn message(&self, _: &McpMessage) {}
    fn note(&self, note: Note<'_>) {
        if let Note::Hidden { name, .. } = note {
            self.log.lock().unwrap().push(format!("hidden {name}"));
        }
    }

    fn decided(&self, decided: &Decided<'_>) -> Acknowledgement {
        let verdict = match decided.verdict {
            Ok(permit) => format!("allow {}@{}", permit.rule(), permit.policy_version()),
            Err(denial) => {
                let rule = denial.rule().map_or("-", Text::as_str);
                format!("deny {rule} {}", denial.reason())
            }
        };
        self.log.lock().unwrap().push(format!("{} {verdict}", decided.element));
        (self.acknowledge)()
    }

    fn decision_id(&self, element: usize) -> Option<Text> {
        Some(Text::from(format!("decision-{element}")))
    }
}

fn policy() -> Policy {
    Policy::builder()
        .name("notes")
        .add_role(Role::new("reader").group("staff"))
        .add_role(Role::new("admin").group("it-admins"))
        .add_role(Role::new("public").anonymous())
        .add_rule(
            Rule::allow("read")
                .tools(["list_notes", "get_*"])
                .prompts(["summarize"])
                .resources(["note:///**"])
                .roles(["reader"]),
        )
        .add_rule(
            Rule::allow("write")
                .tools(["create_note"])
                .resources(["draft:///*"])
                .roles(["reader"])
                .requires_scopes(["notes:read", "notes:write"]),
        )
        .add_rule(
            Rule::allow("share")
                .tools(["share"])
                .roles(["reader", "public"])
                .requires_scopes(["notes:share"]),
        )
        .add_rule(
            Rule::allow("reset").tools(["reset"]).roles(["admin"]).denial(DenialStyle::Explain),
        )
        .add_rule(Rule::deny("purge").tools(["purge"]).everyone().denial(DenialStyle::ToolResult))
        .build()
        .unwrap()
}

fn challenge() -> Challenge {
    Challenge::new(METADATA, ["mcp:read", "mcp:extra"]).unwrap()
}

fn staff() -> PrincipalBuilder {
    Principal::builder("https://id.example", "alice").group("staff").scope("mcp:read")
}

fn verified(principal: PrincipalBuilder) -> Caller {
    Caller::Verified(principal.build().into())
}

fn anonymous() -> Caller {
    Caller::Anonymous(AnonymousReason::NoCredentials)
}

fn message(
    version: Version,
    method: Method,
    id: &str,
    targets: &[(TargetKind, &str)],
) -> McpMessage {
    let raw = match method {
        Method::SubscriptionsListen => {
            let uris: Vec<_> = targets.iter().map(|(_, uri)| format!("{uri:?}")).collect();
            let uris = uris.join(",");
            format!(
                r#"{{"id":{id},"params":{{"notifications":{{"resourceSubscriptions":[{uris}]}}}}}}"#
            )
        }
        _ => format!(r#"{{"id":{id}}}"#),
    };
    let mut targets = targets.iter().map(|(kind, name)| Target::new(*kind, (*name).into()));
    McpMessage::Request(
        McpRequestParts {
            version,
            method,
            id: id.into(),
            target: targets.next(),
            more_targets: targets.collect(),
            arguments: None,
            raw: Bytes::from(raw),
        }
        .into(),
    )
}

fn call(version: Version, tool: &str) -> McpMessage {
    message(version, Method::ToolsCall, "2", &[(TargetKind::Tool, tool)])
}

fn notification(method: Method) -> McpMessage {
    McpMessage::Notification(McpNotification::new(
        BATCHES,
        method,
        Bytes::from_static(br#"{"n":1}"#),
    ))
}

fn request(caller: Caller, message: McpMessage) -> Request<Buffered> {
    let mut request =
        Request::post("/mcp").body(Buffered::new(Bytes::from_static(b"[all of it]"))).unwrap();
    request.set_caller(caller);
    request.set_message(message);
    request
}

/// The request with a trail that acknowledges as told. The log is shared with `inner`.
fn recorded(
    inner: &Inner,
    caller: Caller,
    message: McpMessage,
    acknowledge: impl Fn() -> Acknowledgement + Send + Sync + 'static,
) -> Request<Buffered> {
    let mut request =
        Request::post("/mcp").body(Buffered::new(Bytes::from_static(b"[all of it]"))).unwrap();
    let ledger = Ledger { log: Arc::clone(&inner.log), acknowledge: Box::new(acknowledge) };
    request.set_trail(Trail::new(Arc::new(ledger)));
    request.set_caller(caller);
    request.set_message(message);
    request
}

fn gate(inner: &Inner) -> Rbac<Inner, Policy> {
    RbacLayer::new(policy(), challenge()).layer(inner.clone())
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Calls and tells the status, the challenge, and the body.
async fn answer(caller: Caller, message: McpMessage) -> (u16, Option<String>, String) {
    let inner = Inner::default();
    let response = gate(&inner).oneshot(request(caller, message)).await.unwrap();
    assert_eq!(inner.calls(), usize::from(response.denial().is_none()), "refused or called");
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map(|line| line.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge, text(response).await)
}

/// R-230, R-231, R-232, R-235.
#[tokio::test]
async fn refusals_byte_for_byte() {
    use TargetKind::{Prompt, Resource, ResourceTemplate};
    let r = |version, method, kind, name| message(version, method, "2", &[(kind, name)]);
    let rows = [
        (
            "tool",
            call(MODERN, "delete_user"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: delete_user"}}"#,
        ),
        (
            "legacy tool",
            call(LEGACY, "delete_user"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: delete_user"}}"#,
        ),
        (
            "prompt",
            r(MODERN, Method::PromptsGet, Prompt, "payroll"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown prompt: payroll"}}"#,
        ),
        (
            "resource",
            r(MODERN, Method::ResourcesRead, Resource, "file:///payroll.csv"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        ),
        (
            "legacy resource",
            r(LEGACY, Method::ResourcesSubscribe, Resource, "file:///payroll.csv"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        ),
        (
            "completion of a prompt",
            r(MODERN, Method::CompletionComplete, Prompt, "payroll"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown prompt: payroll"}}"#,
        ),
        (
            "completion of a template",
            r(MODERN, Method::CompletionComplete, ResourceTemplate, "file:///{name}"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"file:///{name}"}}}"#,
        ),
        (
            "task of a tool",
            message(
                LEGACY,
                Method::TasksResult,
                "2",
                &[(TargetKind::Task, "786512e2"), (TargetKind::Tool, "nope")],
            ),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Task not found"}}"#,
        ),
        (
            "task",
            r(LEGACY, Method::TasksGet, TargetKind::Task, "786512e2"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Task not found"}}"#,
        ),
        (
            "a method that policies do not speak of",
            message(LEGACY, Method::TasksUpdate, "2", &[]),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        (
            "explained",
            call(MODERN, "reset"),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-31403,"message":"Forbidden by policy","data":{"reason":"policy_denied","decisionId":"unrecorded"}}}"#,
        ),
        (
            "tool result",
            call(MODERN, "purge"),
            r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","content":[{"type":"text","text":"You are not permitted to use this tool."}],"isError":true}}"#,
        ),
        (
            "legacy tool result",
            call(LEGACY, "purge"),
            r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"You are not permitted to use this tool."}],"isError":true}}"#,
        ),
    ];
    for (name, message, expected) in rows {
        let (status, challenge, body) = answer(verified(staff()), message).await;
        assert_eq!((status, challenge, body.as_str()), (200, None, expected), "{name}");
    }
}

/// A tool that exists and one that does not cannot be told apart (X-151).
#[tokio::test]
async fn denied_and_unknown_are_the_same() {
    let ask = async |tool: &str| {
        let (inner, tool) = (Inner::default(), tool.to_owned());
        let caller = verified(Principal::builder("https://id.example", "eve"));
        let response = gate(&inner).oneshot(request(caller, call(MODERN, &tool))).await.unwrap();
        let head = format!("{:?} {:?}", response.status(), response.headers());
        (head, text(response).await.replace(&tool, "X"))
    };
    let (denied, unknown) = (ask("list_notes").await, ask("tool_which").await);
    assert_eq!(denied, unknown);
    // Same length, so that not even `Content-Length` differs.
    assert_eq!("list_notes".len(), "tool_which".len());
}

#[tokio::test]
async fn what_may_pass_passes() {
    use TargetKind::{Prompt, Resource};
    let reader = || verified(staff());
    let rows = [
        ("tool", reader(), call(MODERN, "get_note"), "read"),
        (
            "prompt",
            reader(),
            message(MODERN, Method::PromptsGet, "2", &[(Prompt, "summarize")]),
            "read",
        ),
        (
            "resource",
            reader(),
            message(MODERN, Method::ResourcesRead, "2", &[(Resource, "note:///a")]),
            "read",
        ),
        (
            "listen",
            reader(),
            message(
                MODERN,
                Method::SubscriptionsListen,
                "2",
                &[(Resource, "note:///a"), (Resource, "note:///b")],
            ),
            "read",
        ),
        (
            "listen to lists",
            reader(),
            message(MODERN, Method::SubscriptionsListen, "2", &[]),
            "protocol",
        ),
        ("list", reader(), message(MODERN, Method::ToolsList, "2", &[]), "protocol"),
        (
            "list, not signed in",
            anonymous(),
            message(MODERN, Method::ToolsList, "2", &[]),
            "protocol",
        ),
        (
            "discover, not signed in",
            anonymous(),
            message(MODERN, Method::ServerDiscover, "2", &[]),
            "protocol",
        ),
        ("initialize", reader(), message(LEGACY, Method::Initialize, "2", &[]), "protocol"),
        ("log level", reader(), message(LEGACY, Method::LoggingSetLevel, "2", &[]), "protocol"),
        ("notification", reader(), notification(Method::NotificationsInitialized), "protocol"),
        (
            "answer to the server",
            reader(),
            McpMessage::Response(McpResponse::new(LEGACY, "1".into(), Bytes::new())),
            "protocol",
        ),
        ("stream", reader(), McpMessage::NoMessage(NoMessage::Stream(LEGACY)), "protocol"),
        (
            "end of session",
            anonymous(),
            McpMessage::NoMessage(NoMessage::EndSession(LEGACY)),
            "protocol",
        ),
    ];
    for (name, caller, message, rule) in rows {
        let inner = Inner::default();
        let mut request = request(caller, message);
        request.set_permit(stale());
        let response = gate(&inner).oneshot(request).await.unwrap();
        let permit = ResponseFacts::permit(&response).unwrap();
        assert_eq!(permit.rule(), &rule, "{name}");
        assert_eq!(permit.policy_version(), &policy().version(), "{name}");
        assert!(response.denial().is_none(), "{name}: the inner service's own denial is cleared");
        let seen = inner.seen.lock().unwrap();
        assert_eq!(RequestFacts::permit(&seen[0]).unwrap().rule(), &rule, "{name}");
        assert_eq!(seen[0].body().bytes(), "[all of it]", "{name}: forwarded as it came");
    }
}

/// A permit that is not this gate's.
fn stale() -> Permit {
    #[derive(Debug)]
    struct All;
    impl portcullis_core::View for All {
        fn glance(&self, _: &Caller, _: Version, _: TargetKind, _: &str) -> Glance {
            Glance::Shown
        }
        fn look(&self, _: Caller, _: Version, _: Vec<(TargetKind, Text)>) -> portcullis_core::Look {
            Box::pin(ready(Vec::new()))
        }
    }
    Permit::new("stale".into(), "0".into(), Arc::new(All))
}

#[tokio::test]
async fn scopes_are_asked_for_all_at_once() {
    let line = |scopes: &str| {
        Some(format!(
            r#"Bearer error="insufficient_scope", scope="{scopes}", resource_metadata="{METADATA}", error_description="Additional permission required""#
        ))
    };
    let rows = [
        ("none held", staff(), call(MODERN, "create_note"), "notes:read notes:write"),
        (
            "one held",
            staff().scope("notes:read"),
            call(MODERN, "create_note"),
            "notes:read notes:write",
        ),
        // Clients of 2025-11-25 would lose the base scopes they have, but get no others.
        ("2025-11-25", staff(), call(LEGACY, "create_note"), "notes:read notes:write mcp:read"),
        (
            "several targets",
            staff(),
            message(
                MODERN,
                Method::SubscriptionsListen,
                "2",
                &[
                    (TargetKind::Resource, "note:///a"),
                    (TargetKind::Resource, "draft:///a"),
                    (TargetKind::Resource, "draft:///b"),
                ],
            ),
            "notes:read notes:write",
        ),
    ];
    for (name, principal, message, scopes) in rows {
        let (status, challenge, body) = answer(verified(principal), message).await;
        assert_eq!((status, challenge), (403, line(scopes)), "{name}");
        assert_eq!(
            body,
            format!(
                r#"{{"jsonrpc":"2.0","id":2,"error":{{"code":-31403,"message":"Insufficient scope","data":{{"reason":"insufficient_scope","scope":"{scopes}"}}}}}}"#
            ),
            "{name}"
        );
    }
    let (status, challenge, _) = answer(
        verified(staff().scope("notes:read").scope("notes:write")),
        call(MODERN, "create_note"),
    )
    .await;
    assert_eq!((status, challenge), (200, None), "with all scopes it is called");
}

#[tokio::test]
async fn who_has_no_token_is_asked_to_get_one_first() {
    let (status, challenge, _) = answer(anonymous(), call(MODERN, "share")).await;
    assert_eq!(status, 401);
    assert!(challenge.unwrap().starts_with("Bearer scope=\"mcp:read mcp:extra\""));
    let (status, challenge, _) = answer(anonymous(), call(MODERN, "create_note")).await;
    assert_eq!((status, challenge), (200, None), "nothing is said about what no role would get");
}

/// An authorizer with a fixed answer.
#[derive(Clone)]
struct Says(Decision);

impl Authorizer for Says {
    type Later = portcullis_rbac::Never;

    fn authorize(&self, _: &Query<'_>) -> Answer<Self::Later> {
        Answer::Now(self.0.clone())
    }

    fn version(&self) -> Text {
        Text::from_static("says")
    }
}

/// A token that has every scope is never asked for them again (R-167).
#[tokio::test]
async fn step_up_ends() {
    let says = Says(Decision::needs_scopes("r", vec!["mcp:read".into()]));
    let service = RbacLayer::new(says, challenge()).layer(Inner::default());
    let response = service.oneshot(request(verified(staff()), call(MODERN, "x"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("www-authenticate"));
    assert_eq!(response.denial().unwrap().reason(), Reason::PolicyDenied);
    // So it is not in lists either.
    let says = || Says(Decision::needs_scopes("r", vec!["mcp:read".into()]));
    for (caller, expected) in [
        (verified(staff()), Glance::Hidden),
        (verified(Principal::builder("i", "s")), Glance::Shown),
        (anonymous(), Glance::Shown),
    ] {
        let permit = view(says(), caller.clone()).await;
        let glance = permit.view().glance(&caller, MODERN, TargetKind::Tool, "x");
        assert_eq!(glance, expected, "{caller:?}");
    }
}

/// Whatever policy says, clients find out which era a server speaks (R-087), and a policy that
/// denies what it does not know breaks no session.
#[tokio::test]
async fn no_policy_denies_the_protocol() {
    let list = |method| message(MODERN, method, "2", &[]);
    let rows = [
        list(Method::ServerDiscover),
        message(LEGACY, Method::Initialize, "2", &[]),
        message(LEGACY, Method::Ping, "2", &[]),
        list(Method::ToolsList),
        list(Method::PromptsList),
        list(Method::ResourcesList),
        list(Method::ResourceTemplatesList),
        list(Method::SubscriptionsListen),
        notification(Method::NotificationsInitialized),
        notification(Method::NotificationsCancelled),
        batch(vec![
            notification(Method::NotificationsProgress),
            notification(Method::NotificationsProgress),
        ]),
    ];
    let layer = RbacLayer::new(Says(Decision::default_deny()), challenge());
    for message in rows {
        let service = layer.layer(Inner::default());
        let name = format!("{message:?}");
        let response = service.oneshot(request(anonymous(), message)).await.unwrap();
        assert!(response.denial().is_none(), "{name}");
    }
    for message in [message(LEGACY, Method::LoggingSetLevel, "2", &[]), list(Method::TasksList)] {
        let service = layer.layer(Inner::default());
        let name = format!("{message:?}");
        let response = service.oneshot(request(verified(staff()), message)).await.unwrap();
        assert!(response.denial().is_some(), "{name}");
    }
}

#[tokio::test]
async fn what_is_missing_is_a_wiring_fault() {
    let no_caller = {
        let mut request = request(anonymous(), call(MODERN, "get_note"));
        request.clear_caller();
        request
    };
    let no_message = {
        let mut request = request(verified(staff()), call(MODERN, "get_note"));
        request.clear_message();
        request
    };
    let message = |method| message(MODERN, method, "2", &[]);
    let rows = [
        ("no caller", no_caller),
        ("no message", no_message),
        ("call of no tool", request(verified(staff()), message(Method::ToolsCall))),
        ("completion of nothing", request(verified(staff()), message(Method::CompletionComplete))),
        (
            "a notification with an id",
            request(verified(staff()), message(Method::NotificationsProgress)),
        ),
        ("a request without an id", request(verified(staff()), notification(Method::ToolsCall))),
        ("empty batch", request(verified(staff()), McpMessage::Batch(Arc::new([])))),
        (
            "batch in a batch",
            request(
                verified(staff()),
                McpMessage::Batch(Arc::new([McpMessage::Batch(Arc::new([]))])),
            ),
        ),
    ];
    for (name, request) in rows {
        let inner = Inner::default();
        let response = gate(&inner).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500, "{name}");
        assert_eq!(response.denial().unwrap().kind(), DenialKind::Miswired, "{name}");
        assert!(ResponseFacts::permit(&response).is_none(), "{name}");
        assert_eq!(inner.calls(), 0, "{name}");
    }
}

// --- Records ---

#[tokio::test]
async fn decisions_are_recorded_before_anything_executes() {
    let version = policy().version();
    let rows = [
        (
            "allow",
            call(MODERN, "get_note"),
            vec![format!("0 allow read@{version}"), "called".into()],
        ),
        ("default", call(MODERN, "nope"), vec!["0 deny default-deny default_deny".into()]),
        ("rule", call(MODERN, "purge"), vec!["0 deny purge policy_denied".into()]),
        ("scopes", call(MODERN, "create_note"), vec!["0 deny write insufficient_scope".into()]),
    ];
    for (name, message, expected) in rows {
        let inner = Inner::default();
        let request = recorded(&inner, verified(staff()), message, || Acknowledgement::Recorded);
        gate(&inner).oneshot(request).await.unwrap();
        assert_eq!(*inner.log.lock().unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn an_explained_denial_names_its_record() {
    let inner = Inner::default();
    let request =
        recorded(&inner, verified(staff()), call(MODERN, "reset"), || Acknowledgement::Recorded);
    let response = gate(&inner).oneshot(request).await.unwrap();
    assert!(text(response).await.contains(r#""decisionId":"decision-0""#));
}

#[tokio::test]
async fn unrecorded_is_refused() {
    let inner = Inner::default();
    let request =
        recorded(&inner, verified(staff()), call(MODERN, "get_note"), || Acknowledgement::Refused);
    let response = gate(&inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.denial().unwrap().kind(), DenialKind::AuditUnavailable);
    assert!(text(response).await.contains(r#""id":2"#));
    assert_eq!(inner.calls(), 0);
}

/// A trail whose receipts the test resolves.
fn pending(
    inner: &Inner,
    message: McpMessage,
) -> (Request<Buffered>, Arc<Mutex<Vec<ReceiptSender>>>) {
    let senders: Arc<Mutex<Vec<ReceiptSender>>> = Arc::default();
    let kept = Arc::clone(&senders);
    let request = recorded(inner, verified(staff()), message, move || {
        let (sender, receipt) = Receipt::pair();
        kept.lock().unwrap().push(sender);
        Acknowledgement::Pending(receipt)
    });
    (request, senders)
}

#[tokio::test]
async fn nothing_executes_before_the_receipt() {
    for recorded in [true, false] {
        let inner = Inner::default();
        let (request, senders) = pending(&inner, call(MODERN, "get_note"));
        let mut service = gate(&inner);
        let mut response = tokio_task(service.ready().await.unwrap().call(request));
        assert!(response.poll().is_pending());
        assert_eq!(inner.calls(), 0, "not before the receipt");
        senders.lock().unwrap().pop().unwrap().send(recorded);
        let Poll::Ready(response) = response.poll() else { panic!("the receipt is there") };
        let response = response.unwrap();
        assert_eq!(inner.calls(), usize::from(recorded));
        assert_eq!(response.status(), if recorded { 200 } else { 503 });
        assert_eq!(ResponseFacts::permit(&response).is_some(), recorded);
    }
}

#[tokio::test]
async fn refusals_do_not_wait_for_receipts() {
    let inner = Inner::default();
    let (request, _senders) = pending(&inner, call(MODERN, "nope"));
    let response = gate(&inner).oneshot(request).await.unwrap();
    assert_eq!(response.denial().unwrap().kind(), DenialKind::Policy);
}

/// A future polled by hand.
struct Task<F>(Pin<Box<F>>);

fn tokio_task<F: Future>(future: F) -> Task<F> {
    Task(Box::pin(future))
}

impl<F: Future> Task<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        self.0.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
    }
}

// --- Readiness ---

/// What `poll_ready` reserved is what is called, also when that happens later.
#[tokio::test]
async fn the_ready_service_is_the_one_called() {
    let inner = Inner::default();
    let limited = ConcurrencyLimit::new(inner.clone(), 1);
    let mut service = RbacLayer::new(policy(), challenge()).layer(limited);
    for wait in [true, false, true] {
        let (request, senders) = if wait {
            pending(&inner, call(MODERN, "get_note"))
        } else {
            (request(verified(staff()), call(MODERN, "get_note")), Arc::default())
        };
        let future = service.ready().await.unwrap().call(request);
        {
            // The one permit is held by the call that was made, not lost and not doubled.
            let mut ready = tokio_task(service.ready());
            assert!(ready.poll().is_pending(), "the limit holds");
        }
        senders.lock().unwrap().drain(..).for_each(|sender| sender.send(true));
        assert_eq!(future.await.unwrap().status(), 200);
    }
    assert_eq!(inner.calls(), 3);
}

// --- An authorizer that waits ---

/// Answers after as many polls as the name has letters.
struct Remote;

struct Wait(usize, Option<Decision>);

impl Future for Wait {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        if self.0 > 0 {
            self.0 -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.1.take().unwrap())
    }
}

impl Authorizer for Remote {
    type Later = Wait;

    fn authorize(&self, query: &Query<'_>) -> Answer<Wait> {
        let Some((_, name)) = query.target() else { return Answer::Now(Decision::allow("none")) };
        let decision = match name {
            name if name.contains("ok") => Decision::allow("remote"),
            "scoped" => Decision::needs_scopes("remote", vec!["more".into()]),
            "looped" => Decision::needs_scopes("remote", vec!["mcp:read".into()]),
            "now" => return Answer::Now(Decision::allow("remote")),
            _ => Decision::unavailable(),
        };
        Answer::Later(Wait(name.len(), Some(decision)))
    }

    fn version(&self) -> Text {
        Text::from_static("remote-7")
    }
}

#[tokio::test]
async fn answers_may_come_later() {
    let rows = [
        ("allowed", call(MODERN, "ok_1"), "allow"),
        ("denied", call(MODERN, "no"), "pdp_unavailable"),
        ("scopes", call(MODERN, "scoped"), "insufficient_scope"),
        (
            "all of several",
            message(
                MODERN,
                Method::SubscriptionsListen,
                "2",
                &[
                    (TargetKind::Resource, "ok_1"),
                    (TargetKind::Resource, "now"),
                    (TargetKind::Resource, "ok_22"),
                ],
            ),
            "allow",
        ),
        (
            "one of several",
            message(
                MODERN,
                Method::SubscriptionsListen,
                "2",
                &[
                    (TargetKind::Resource, "ok_1"),
                    (TargetKind::Resource, "now"),
                    (TargetKind::Resource, "no"),
                ],
            ),
            "allow",
        ),
    ];
    for (name, message, expected) in rows {
        let inner = Inner::default();
        let service =
            RbacLayer::new(Remote, challenge()).layer(ConcurrencyLimit::new(inner.clone(), 1));
        let response = service.oneshot(request(verified(staff()), message)).await.unwrap();
        let verdict = response.denial().map_or("allow", |denial| denial.reason().as_str());
        assert_eq!(verdict, expected, "{name}");
        assert_eq!(inner.calls(), usize::from(expected == "allow"), "{name}");
    }
}

/// R-209: what may not be read is left out, and nobody learns of it.
#[tokio::test]
async fn subscriptions_are_reduced() {
    let note = (TargetKind::Resource, "note:///a");
    let file = (TargetKind::Resource, "file:///b");
    let rows = [
        ("all", vec![note], vec!["note:///a"], "read"),
        ("some", vec![file, note, file], vec!["note:///a"], "read"),
        ("none", vec![file, file], vec![], "protocol"),
        ("nothing asked for", vec![], vec![], "protocol"),
    ];
    for (name, asked, left, rule) in rows {
        let inner = Inner::default();
        let message = message(MODERN, Method::SubscriptionsListen, "2", &asked);
        let mut request = request(verified(staff()), message.clone());
        if let McpMessage::Request(message) = &message {
            *request.body_mut() = Buffered::new(message.raw().clone());
        }
        let service = RbacLayer::new(policy(), challenge()).layer(inner.clone());
        let response = service.oneshot(request).await.unwrap();
        assert!(response.denial().is_none(), "{name}");
        let permit = ResponseFacts::permit(&response).unwrap();
        assert_eq!((permit.rule().as_str(), permit.withholds_tasks()), (rule, false), "{name}");
        let seen = inner.seen.lock().unwrap();
        let Some(McpMessage::Request(fact)) = seen[0].message() else { panic!("{name}") };
        assert!(fact.targets().map(Target::name).eq(left.iter().copied()), "{name}");
        assert_eq!(fact.raw(), seen[0].body().bytes(), "{name}");
        let body: serde_json::Value = serde_json::from_slice(seen[0].body().bytes()).unwrap();
        let uris = &body["params"]["notifications"]["resourceSubscriptions"];
        assert_eq!(*uris, serde_json::json!(left), "{name}");
    }
}

/// What is left out of a subscription is on record, before the decision about the rest.
#[tokio::test]
async fn what_a_subscription_lacks_is_told() {
    let asked = ["file:///b", "note:///a", "file:///c"].map(|uri| (TargetKind::Resource, uri));
    let message = message(MODERN, Method::SubscriptionsListen, "2", &asked);
    let inner = Inner::default();
    let mut request =
        recorded(&inner, verified(staff()), message.clone(), || Acknowledgement::Recorded);
    if let McpMessage::Request(message) = &message {
        *request.body_mut() = Buffered::new(message.raw().clone());
    }
    gate(&inner).oneshot(request).await.unwrap();
    let log = inner.log.lock().unwrap().clone();
    assert_eq!(log[..2], ["hidden file:///b", "hidden file:///c"]);
    assert!(log[2].starts_with("0 allow read@") && log[3..] == ["called"], "{log:?}");
}

/// R-163: one challenge for all that a message wants.
#[tokio::test]
async fn the_scopes_of_several_targets_are_asked_for_at_once() {
    let policy = Policy::builder()
        .add_rule(Rule::allow("a").resources(["a:///*"]).everyone().requires_scopes(["a"]))
        .add_rule(Rule::allow("b").resources(["b:///*"]).everyone().requires_scopes(["b"]))
        .build()
        .unwrap();
    let asked = [(TargetKind::Resource, "a:///x"), (TargetKind::Resource, "b:///x")];
    let message = message(MODERN, Method::SubscriptionsListen, "2", &asked);
    let service = RbacLayer::new(policy, challenge()).layer(Inner::default());
    let response = service.oneshot(request(verified(staff()), message)).await.unwrap();
    assert_eq!(response.denial().unwrap().scopes(), ["a", "b"]);
}

/// R-211: about a task may ask whoever may still call its tool, with whatever arguments.
#[tokio::test]
async fn requests_about_tasks_need_the_right_to_the_tool() {
    let policy = || {
        let small = portcullis_rbac::Argument::new().max(5);
        Policy::builder()
            .add_role(Role::new("reader").group("staff"))
            .add_rule(Rule::allow("read").tools(["report"]).roles(["reader"]).argument("n", small))
            .build()
            .unwrap()
    };
    let none = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Task not found"}}"#;
    let (task, report) = ((TargetKind::Task, "t1"), (TargetKind::Tool, "report"));
    let rows = [
        ("its state", Method::TasksGet, vec![task, report], true),
        ("its result", Method::TasksResult, vec![task, report], true),
        ("its end", Method::TasksCancel, vec![task, report], true),
        (
            "of a tool that is not allowed",
            Method::TasksGet,
            vec![task, (TargetKind::Tool, "x")],
            false,
        ),
        ("of which nobody knows the tool", Method::TasksGet, vec![task], false),
        ("a call of the tool itself", Method::ToolsCall, vec![report], false),
    ];
    for (name, method, targets, allowed) in rows {
        let inner = Inner::default();
        let message = message(LEGACY, method, "2", &targets);
        let service = RbacLayer::new(policy(), challenge()).layer(inner.clone());
        let response = service.oneshot(request(verified(staff()), message)).await.unwrap();
        assert_eq!((inner.calls(), response.denial().is_none()), (usize::from(allowed), allowed));
        if !allowed && method == Method::TasksGet {
            assert_eq!(text(response).await, none, "{name}");
        }
    }
}

// --- Views ---

async fn view<A: Authorizer>(authorizer: A, caller: Caller) -> Permit {
    let service = RbacLayer::new(authorizer, challenge()).layer(Inner::default());
    let list = message(MODERN, Method::ToolsList, "2", &[]);
    let response = service.oneshot(request(caller, list)).await.unwrap();
    ResponseFacts::permit(&response).unwrap().clone()
}

/// Visible is what may be called, at once or after getting a scope (R-203).
#[tokio::test]
async fn visible_is_callable() {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Tool};
    let names = [
        "list_notes",
        "get_x",
        "create_note",
        "share",
        "reset",
        "purge",
        "nope",
        "",
        "List_notes",
        "get_\u{200b}x",
        "summarize",
        "note:///a",
        "note:///../a",
        "note:///{id}",
        "draft:///a",
        "file:///a",
    ];
    let callers = [
        verified(staff()),
        verified(staff().scope("notes:read").scope("notes:write")),
        verified(Principal::builder("i", "s").group("it-admins")),
        verified(Principal::builder("i", "s").group("staff").groups_unknown()),
        anonymous(),
    ];
    for caller in callers {
        let permit = view(policy(), caller.clone()).await;
        for name in names {
            for (kind, method) in [
                (Tool, Method::ToolsCall),
                (Prompt, Method::PromptsGet),
                (Resource, Method::ResourcesRead),
                (ResourceTemplate, Method::CompletionComplete),
            ] {
                let shown = permit.view().glance(&caller, MODERN, kind, name) == Glance::Shown;
                let inner = Inner::default();
                let asked = request(caller.clone(), message(MODERN, method, "2", &[(kind, name)]));
                let response = gate(&inner).oneshot(asked).await.unwrap();
                let callable = response.denial().is_none_or(|denial| {
                    matches!(denial.kind(), DenialKind::InsufficientScope | DenialKind::NoToken)
                });
                assert_eq!(shown, callable, "{caller:?} {kind:?} {name:?}");
            }
        }
        assert_eq!(permit.view().glance(&caller, MODERN, TargetKind::Task, "t"), Glance::Hidden);
    }
}

proptest! {
    /// What is denied by name is never listed, and what is listed is never denied by name (X-152).
    #[test]
    fn no_name_is_visible_and_denied(
        rules in prop::collection::vec((0..3, "[aA]{0,2}\\*?[ab]|[ab]\\*", 0..3), 1..6),
        role in 0..3,
        scoped: bool,
        names in prop::collection::vec("[abA\u{200b}]{1,3}", 1..6),
    ) {
        let mut builder = Policy::builder();
        for n in 0..3 {
            builder = builder.add_role(Role::new(format!("r{n}")).group(format!("g{n}")));
        }
        for (number, (effect, pattern, role)) in rules.into_iter().enumerate() {
            let id = number.to_string();
            let rule = match effect {
                0 => Rule::deny(id),
                1 => Rule::allow(id),
                _ => Rule::allow(id).requires_scopes(["s"]),
            };
            builder = builder.add_rule(rule.tools([pattern]).roles([format!("r{role}")]));
        }
        let gated = RbacLayer::new(builder.build().unwrap(), challenge()).layer(Inner::default());
        let mut principal = Principal::builder("i", "s").group(format!("g{role}"));
        if scoped {
            principal = principal.scope("s");
        }
        let caller = verified(principal);
        let send = |message| {
            let answer = gated.clone().oneshot(request(caller.clone(), message));
            let Poll::Ready(response) = tokio_task(answer).poll() else { panic!("nothing waits") };
            response.unwrap()
        };
        let list = send(message(MODERN, Method::ToolsList, "2", &[]));
        let permit = ResponseFacts::permit(&list).unwrap();
        for name in names {
            let response = send(call(MODERN, &name));
            let by_name = response.denial().is_some_and(|denial| denial.kind() == DenialKind::Policy);
            let glance = permit.view().glance(&caller, MODERN, TargetKind::Tool, &name);
            prop_assert_eq!(glance == Glance::Hidden, by_name, "{:?}", name);
        }
    }
}

#[tokio::test]
async fn a_list_may_be_decided_later() {
    let caller = verified(staff());
    let permit = view(Remote, caller.clone()).await;
    assert_eq!(permit.view().glance(&caller, MODERN, TargetKind::Tool, "now"), Glance::Shown);
    assert_eq!(permit.view().glance(&caller, MODERN, TargetKind::Tool, "ok"), Glance::Later);
    let names = ["ok", "no", "scoped", "looped", "now"];
    let items = (0..40).map(|n| (TargetKind::Tool, Text::from(names[n % names.len()]))).collect();
    let shown = permit.view().look(caller, MODERN, items).await;
    let expected: Vec<bool> =
        (0..40).map(|n| matches!(names[n % names.len()], "ok" | "scoped" | "now")).collect();
    assert_eq!(shown, expected);
}

/// Answers about a list in one go, and counts how often.
struct Boxcar(Arc<Mutex<Vec<usize>>>);

impl Authorizer for Boxcar {
    type Later = Wait;

    fn authorize(&self, query: &Query<'_>) -> Answer<Wait> {
        Remote.authorize(query)
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        assert!(queries.iter().all(|query| query.is_listing() && query.arguments().is_none()));
        self.0.lock().unwrap().push(queries.len());
        // The last answer is missing.
        let some = queries.split_last().map_or(queries, |(_, some)| some);
        Remote.authorize_list(some)
    }

    fn version(&self) -> Text {
        Remote.version()
    }
}

#[tokio::test]
async fn a_list_is_asked_about_together() {
    let asked = Arc::default();
    let caller = verified(staff());
    let permit = view(Boxcar(Arc::clone(&asked)), caller.clone()).await;
    let items = (0..40).map(|n| (TargetKind::Tool, Text::from(format!("ok {n}")))).collect();
    let shown = permit.view().look(caller, MODERN, items).await;
    assert_eq!(*asked.lock().unwrap(), [40], "once");
    assert_eq!(shown, [vec![true; 39], vec![false]].concat(), "what is not answered is hidden");
}

/// Answers like [`Remote`], now or later, and notes how many questions came together.
struct Counted(bool, Arc<Mutex<Vec<usize>>>);

impl Authorizer for Counted {
    type Later = Wait;

    fn authorize(&self, query: &Query<'_>) -> Answer<Wait> {
        match Remote.authorize(query) {
            Answer::Later(Wait(_, decision)) if !self.0 => Answer::Now(decision.unwrap()),
            answer => answer,
        }
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        self.1.lock().unwrap().push(queries.len());
        Remote.authorize_list(queries)
    }

    fn version(&self) -> Text {
        Remote.version()
    }
}

async fn outcome(later: bool, message: McpMessage) -> (Vec<String>, usize, u16, Vec<usize>) {
    let (inner, asked) = (Inner::default(), Arc::default());
    let mut request =
        recorded(&inner, verified(staff()), message.clone(), || Acknowledgement::Recorded);
    if let McpMessage::Request(message) = &message {
        *request.body_mut() = Buffered::new(message.raw().clone());
    }
    let layer = RbacLayer::new(Counted(later, Arc::clone(&asked)), challenge());
    let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
    let log = inner.log.lock().unwrap().clone();
    let asked = asked.lock().unwrap().clone();
    (log, inner.calls(), response.status().as_u16(), asked)
}

/// A message with several questions waits for them once.
#[tokio::test]
async fn several_questions_are_asked_together() {
    let listen = |uris: &[&'static str]| {
        let targets: Vec<_> = uris.iter().map(|uri| (TargetKind::Resource, *uri)).collect();
        message(MODERN, Method::SubscriptionsListen, "2", &targets)
    };
    let calls = |tools: &[&str]| batch(tools.iter().map(|tool| element("1", tool)).collect());
    let rows: [(&str, McpMessage, &[usize]); 8] = [
        ("one", calls(&["ok"]), &[]),
        ("one of several", calls(&["now", "ok", "now"]), &[]),
        ("several", calls(&["ok", "now", "no", "ok 2"]), &[3]),
        ("the first is known", calls(&["now", "ok", "ok"]), &[2]),
        ("scopes", calls(&["ok", "scoped", "no"]), &[3]),
        ("a subscription", listen(&["ok", "no", "now", "ok"]), &[3]),
        ("most are denied", listen(&["no", "no", "no", "ok"]), &[4]),
        (
            "others between them",
            batch(vec![
                element("1", "ok"),
                notification(Method::NotificationsProgress),
                message(BATCHES, Method::Ping, "2", &[]),
                element("3", "ok"),
                element("4", "no"),
            ]),
            &[3],
        ),
    ];
    for (name, message, together) in rows {
        let (log, calls, status, asked) = outcome(true, message.clone()).await;
        assert_eq!(asked, together, "{name}");
        let one_by_one = outcome(false, message).await;
        assert_eq!((log, calls, status), (one_by_one.0, one_by_one.1, one_by_one.2), "{name}");
    }
}

/// Gives no answers at all to what is asked together.
struct Silent;

impl Authorizer for Silent {
    type Later = Wait;

    fn authorize(&self, query: &Query<'_>) -> Answer<Wait> {
        Remote.authorize(query)
    }

    fn authorize_list(&self, _: &[Query<'_>]) -> Together {
        Box::pin(ready(Vec::new()))
    }

    fn version(&self) -> Text {
        Remote.version()
    }
}

#[tokio::test]
async fn what_is_not_answered_is_denied() {
    let inner = Inner::default();
    let elements = batch(vec![element("1", "ok"), element("2", "ok")]);
    let request = recorded(&inner, verified(staff()), elements, || Acknowledgement::Recorded);
    let service = RbacLayer::new(Silent, challenge()).layer(inner.clone());
    service.oneshot(request).await.unwrap();
    let denied = |at| format!("{at} deny default-deny pdp_unavailable");
    assert_eq!(*inner.log.lock().unwrap(), [denied(0), denied(1)]);
}

/// R-201: from where a request comes decides about calls, batches and lists alike.
#[tokio::test]
async fn the_source_address_decides() {
    let policy = || {
        Policy::builder()
            .add_rule(Rule::allow("office").tools(["deploy"]).networks(["192.0.2.0/24"]).everyone())
            .add_rule(Rule::allow("all").tools(["get_*"]).everyone())
            .add_rule(Rule::deny("lab").tools(["get_b"]).networks(["2001:db8::/32"]).everyone())
            .build()
            .unwrap()
    };
    // From where; whether deploy and get_b are allowed.
    let rows = [
        (Some("192.0.2.7"), true, true),
        (Some("::ffff:192.0.2.7"), true, true),
        (Some("198.51.100.1"), false, true),
        (Some("2001:db8::1"), false, false),
        // Nobody knows: what allows does not, what denies does.
        (None, false, false),
    ];
    let caller = verified(staff());
    for (from, deploy, get_b) in rows {
        let send = async |message: McpMessage| {
            let inner = Inner::default();
            let mut request =
                recorded(&inner, caller.clone(), message, || Acknowledgement::Recorded);
            if let Some(from) = from {
                request.set_source_address(from.parse().unwrap());
            }
            let service = RbacLayer::new(policy(), challenge()).layer(inner.clone());
            let response = service.oneshot(request).await.unwrap();
            let log = inner.log.lock().unwrap().clone();
            (response, log)
        };
        for (tool, allowed) in [("deploy", deploy), ("get_b", get_b), ("get_a", true)] {
            let (response, _) = send(call(MODERN, tool)).await;
            assert_eq!(response.denial().is_none(), allowed, "{tool} from {from:?}");
            let (response, _) = send(message(MODERN, Method::ToolsList, "2", &[])).await;
            let permit = ResponseFacts::permit(&response).unwrap();
            let glance = permit.view().glance(&caller, MODERN, TargetKind::Tool, tool);
            assert_eq!(glance == Glance::Shown, allowed, "{tool} in a list, from {from:?}");
            let shown = permit.view().look(
                caller.clone(),
                MODERN,
                vec![(TargetKind::Tool, Text::from(tool.to_owned()))],
            );
            assert_eq!(shown.await, [allowed], "{tool} in a list, asked later, from {from:?}");
        }
        let (response, log) =
            send(batch(vec![element("1", "deploy"), element("2", "get_a")])).await;
        assert_eq!(log[0].starts_with("0 allow office"), deploy, "in a batch, from {from:?}");
        let permit = ResponseFacts::permit(&response).unwrap();
        let glance = permit.view().glance(&caller, BATCHES, TargetKind::Tool, "deploy");
        assert_eq!(glance == Glance::Shown, deploy, "after a batch, from {from:?}");
    }
}

// --- Batches ---

fn batch(elements: Vec<McpMessage>) -> McpMessage {
    McpMessage::Batch(elements.into())
}

fn element(id: &str, tool: &str) -> McpMessage {
    message(BATCHES, Method::ToolsCall, id, &[(TargetKind::Tool, tool)])
}

#[tokio::test]
async fn a_batch_goes_on_without_what_is_refused() {
    let inner = Inner::default();
    let elements = vec![
        element("1", "get_a"),
        element("2", "nope"),
        notification(Method::NotificationsProgress),
        element("\"x\"", "get_b"),
    ];
    let request =
        recorded(&inner, verified(staff()), batch(elements), || Acknowledgement::Recorded);
    let response = gate(&inner).oneshot(request).await.unwrap();
    let version = policy().version();
    let log = [
        format!("0 allow read@{version}"),
        "1 deny default-deny default_deny".into(),
        format!("2 allow protocol@{version}"),
        format!("3 allow read@{version}"),
        "called".into(),
    ];
    assert_eq!(*inner.log.lock().unwrap(), log);
    let seen = inner.seen.lock().unwrap();
    assert_eq!(seen[0].body().bytes(), r#"[{"id":1},{"n":1},{"id":"x"}]"#);
    assert_eq!(seen[0].headers()["content-length"], "29");
    let refused = ResponseFacts::permit(&response).unwrap().refused().to_vec();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        refused[0].rpc_object(),
        Some(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: nope"}}"#)
    );
}

#[tokio::test]
async fn what_becomes_of_batches() {
    let progress = || notification(Method::NotificationsProgress);
    let allowed = vec![element("1", "get_a"), element("2", "get_b")];
    let (status, challenge, body) = answer(verified(staff()), batch(allowed)).await;
    assert_eq!((status, challenge, body.as_str()), (200, None, ""), "all allowed");

    let refused = vec![element("1", "x"), progress(), element("2", "purge")];
    let inner = Inner::default();
    let response = gate(&inner).oneshot(request(verified(staff()), batch(refused))).await.unwrap();
    assert_eq!((response.status().as_u16(), inner.calls()), (200, 0), "all requests refused");
    let headers = response.headers().clone();
    let body = text(response).await;
    let told = ["cache-control", "content-type", "content-length"].map(|name| &headers[name]);
    assert_eq!(told, ["no-store", "application/json", &body.len().to_string()]);
    assert_eq!(
        body,
        concat!(
            r#"[{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: x"}},"#,
            r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"You are not permitted to use this tool."}],"isError":true}}]"#
        )
    );

    let scoped = vec![
        element("1", "get_a"),
        element("2", "create_note"),
        element("3", "share"),
        element("4", "nope"),
    ];
    let inner = Inner::default();
    let request = recorded(&inner, verified(staff()), batch(scoped), || Acknowledgement::Recorded);
    let response = gate(&inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403, "one challenge, nothing executed");
    // Those of all elements, and of those that the gate asks for the one that the token has.
    let scopes = ["notes:read", "notes:write", "mcp:read", "notes:share"];
    assert_eq!(response.denial().unwrap().scopes(), scopes);
    assert_eq!(
        *inner.log.lock().unwrap(),
        [
            "0 deny write insufficient_scope",
            "1 deny write insufficient_scope",
            "2 deny write insufficient_scope",
            "3 deny default-deny default_deny",
        ]
    );

    let (status, challenge, _) = answer(anonymous(), batch(vec![element("1", "share")])).await;
    assert_eq!(status, 401);
    assert!(challenge.is_some());
}

/// What was found about one element is not the answer to the next.
#[tokio::test]
async fn elements_of_a_batch_are_decided_apart() {
    let policy = Policy::builder()
        .add_role(Role::new("admin").group("it-admins"))
        .add_rule(Rule::allow("call").tools(["report"]).everyone())
        .add_rule(Rule::deny("no-tasks").methods(["tasks/create"]).everyone())
        .add_rule(Rule::allow("level").methods(["logging/setLevel"]).roles(["admin"]))
        .build()
        .unwrap();
    let McpMessage::Request(call) = element("1", "report") else { panic!("a request") };
    let as_task = McpMessage::Request(call.with_task_use(TaskUse::Asked));
    let level = message(BATCHES, Method::LoggingSetLevel, "2", &[]);
    let inner = Inner::default();
    let request = recorded(&inner, verified(staff()), batch(vec![as_task, level]), || {
        Acknowledgement::Recorded
    });
    let service = RbacLayer::new(policy, challenge()).layer(inner.clone());
    service.oneshot(request).await.unwrap();
    let log = inner.log.lock().unwrap().clone();
    assert_eq!(log, ["0 deny no-tasks policy_denied", "1 deny default-deny default_deny"]);
}

#[tokio::test]
async fn a_batch_with_one_unrecorded_decision_is_refused() {
    let inner = Inner::default();
    let count = Mutex::new(0);
    let message = batch(vec![element("1", "get_a"), element("2", "get_b"), element("3", "get_c")]);
    let request = recorded(&inner, verified(staff()), message, move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == 2 { Acknowledgement::Refused } else { Acknowledgement::Recorded }
    });
    let response = gate(&inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn a_batch_waits_for_every_receipt() {
    let inner = Inner::default();
    let (request, senders) =
        pending(&inner, batch(vec![element("1", "get_a"), element("2", "get_b")]));
    let mut service = gate(&inner);
    let mut response = tokio_task(service.ready().await.unwrap().call(request));
    for _ in 0..2 {
        assert!(response.poll().is_pending());
        assert_eq!(inner.calls(), 0);
        senders.lock().unwrap().pop().unwrap().send(true);
    }
    assert!(response.poll().is_ready());
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn a_batch_may_be_decided_later() {
    let inner = Inner::default();
    let service = RbacLayer::new(Remote, challenge()).layer(inner.clone());
    let message = batch(vec![element("1", "ok_1"), element("2", "no"), element("3", "now")]);
    let response = service.oneshot(request(verified(staff()), message)).await.unwrap();
    assert_eq!(ResponseFacts::permit(&response).unwrap().refused().len(), 1);
    assert_eq!(inner.seen.lock().unwrap()[0].body().bytes(), r#"[{"id":1},{"id":3}]"#);
}

#[tokio::test]
async fn the_clock_of_the_layer_is_that_of_windows() {
    let policy = || {
        let rule = Rule::allow("day").tools(["get_note"]).roles(["reader"]);
        Policy::builder()
            .add_role(Role::new("reader").group("staff"))
            .add_rule(rule.during(Window::new("UTC").hours("08:00-16:00")))
            .build()
            .unwrap()
    };
    let (clock, hand) = Clock::manual(7 * 3600);
    let inner = Inner::default();
    let layers = [
        RbacLayer::new(policy(), challenge()).clock(clock.clone()).server("notes"),
        RbacLayer::new(policy(), challenge()).server("notes").clock(clock),
    ];
    for (hours, open) in [(0, false), (1, true), (8, false)] {
        hand.advance(std::time::Duration::from_secs(hours * 3600));
        for layer in &layers {
            let request = request(verified(staff()), call(LEGACY, "get_note"));
            let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
            assert_eq!(response.denial().is_none(), open, "after {hours} more hours");
        }
    }
}
