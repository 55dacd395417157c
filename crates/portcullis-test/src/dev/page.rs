//! The pages for people.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::authorize::Request;
use super::error::OAuthError;
use super::link;
use super::state::State;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;\
    padding:0 1rem}.warning{background:#fff3cd;color:#222;padding:.5rem 1rem;border-radius:.3rem}\
    a.person{display:block;padding:.6rem 1rem;margin:.5rem 0;border:1px solid #888;\
    border-radius:.3rem;text-decoration:none;color:inherit}code{overflow-wrap:anywhere}";

const WARNING: &str = "For development only: anyone can sign in as anyone, without a password.";

/// What this server is.
pub(crate) async fn index(Shared(state): Shared<Arc<State>>) -> Response {
    let people: String =
        state.people.iter().map(|p| format!("<li>{}</li>", escape(&p.name))).collect();
    let body = format!(
        "<p>Issuer: <code>{}</code></p><p>People to sign in as:</p><ul>{people}</ul>",
        escape(&state.issuer)
    );
    html(StatusCode::OK, "Development issuer", &body)
}

/// Whom to sign in as.
pub(crate) fn sign_in(state: &State, request: &Request) -> Response {
    let mut body = format!(
        "<p><b>{}</b> wants access to <code>{}</code>. Sign in as:</p>",
        escape(if request.client.name.is_empty() { "A client" } else { &request.client.name }),
        escape(request.params.get("resource").unwrap_or_default()),
    );
    for person in &state.people {
        let hint = ("login_hint", person.name.as_str());
        let others = request.params.iter().filter(|(name, _)| *name != hint.0);
        let target = link::with_query("/authorize", others.chain([hint]));
        let scopes = request.scopes(person);
        body.push_str(&format!(
            "<a class=\"person\" role=\"button\" href=\"{}\"><b>{}</b> {}<br><small>{}</small></a>",
            escape(&target),
            escape(&person.name),
            escape(&person.groups.join(", ")),
            escape(&if scopes.is_empty() {
                "none of the scopes".to_owned()
            } else {
                scopes.join(" ")
            }),
        ));
    }
    html(StatusCode::OK, "Development sign-in", &body)
}

/// Why the request cannot be answered at the client.
pub(crate) fn refusal(error: OAuthError) -> Response {
    let body = format!("<p>{}: {}.</p>", escape(error.code), escape(error.description));
    html(StatusCode::BAD_REQUEST, "This cannot work", &body)
}

fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1><p class=\"warning\">{WARNING}</p>{body}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, page).into_response()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
