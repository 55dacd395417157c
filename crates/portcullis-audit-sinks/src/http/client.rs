//! Requests to a collector over one connection of HTTP/1.1.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use portcullis_dial::{Dialer, Tls};

use crate::ConfigError;
use crate::retry::Fault;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// A connection to a collector, made when it is needed.
pub(super) struct Client {
    dialer: Dialer,
    host: HeaderValue,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What a collector said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Answer {
    /// The fault that a status is, whatever the body says: 429 and what is over at the server may pass,
    /// everything else will not.
    pub(super) fn fault(&self) -> Fault {
        let text = format!("the collector answered {}", self.status.as_u16());
        let status = self.status;
        if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
        {
            return Fault { after: self.after, ..Fault::again(io::ErrorKind::ResourceBusy, text) };
        }
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::InvalidData,
        };
        Fault::last(kind, text)
    }
}

impl Client {
    pub(super) fn new(url: &Uri, tls: &Tls) -> Result<Self, ConfigError> {
        let host = url.host().unwrap_or_default();
        let secure = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let dialer =
            if secure { Dialer::tls(host, port, tls)? } else { Dialer::plain(host, port)? };
        let host = url.authority().map_or("", http::uri::Authority::as_str);
        let host = HeaderValue::try_from(host)
            .map_err(|_| ConfigError::new("the collector's URL has no host"))?;
        Ok(Self { dialer, host, connection: None })
    }

    /// The answer to `body`. Sets no time limit.
    pub(super) async fn post(
        &mut self,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let invalid =
            || Fault::last(io::ErrorKind::InvalidInput, "the collector's path is not one");
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|_| invalid())?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.host.clone());

        let connection = self.connection().await?;
        let response = connection.send_request(request).await.map_err(broke)?;
        let status = response.status();
        let after = retry_after(response.headers());
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|_| {
            Fault::again(io::ErrorKind::ConnectionAborted, "the collector's answer broke off")
        })?;
        Ok(Answer { status, after, body: body.to_bytes() })
    }

    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Fault> {
        // The runtime stood still since the last batch: let it see that the far side has hung up.
        tokio::task::yield_now().await;
        let usable = match &mut self.connection {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.connection = None;
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => {
                let stream = self.dialer.dial().await?;
                let (sender, driver) =
                    http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
                // Whoever sends is told what went wrong.
                tokio::spawn(async move { drop(driver.await) });
                Ok(none.insert(sender))
            }
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broke(error: hyper::Error) -> Fault {
    let kind = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map_or(io::ErrorKind::ConnectionAborted, io::Error::kind);
    Fault::again(kind, "the connection to the collector broke")
}

/// `Retry-After` in seconds; a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again() {
        let rows = [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (413, false),
            (429, true),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (302, false),
        ];
        for (status, again) in rows {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                after: Some(Duration::from_secs(7)),
                body: Bytes::from_static(b"secret detail"),
            };
            let fault = answer.fault();
            assert_eq!(fault.again, again, "{status}");
            assert_eq!(fault.after.is_some(), again, "{status}");
            assert!(!fault.error.to_string().contains("secret"));
        }
    }

    #[test]
    fn retry_after_is_seconds() {
        let rows = [("7", Some(7)), (" 7 ", Some(7)), ("soon", None), ("-1", None), ("", None)];
        for (value, expected) in rows {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
    }
}
