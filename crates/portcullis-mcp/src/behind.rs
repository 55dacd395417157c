//! The service behind the gate.

use http::{Request, Response};
use portcullis_core::Buffered;
use tower_service::Service;

/// The service behind: it is called in place, and from tasks of the gate's own that nobody waits for.
pub(crate) trait Behind<ResBody>:
    Service<Request<Buffered>, Response = Response<ResBody>, Future: Send> + Clone + Send + 'static
{
}

impl<S, ResBody> Behind<ResBody> for S where
    S: Service<Request<Buffered>, Response = Response<ResBody>, Future: Send>
        + Clone
        + Send
        + 'static
{
}
