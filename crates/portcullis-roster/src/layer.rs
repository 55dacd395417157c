//! Configuration time.

use std::sync::Arc;

use http::Request;
use portcullis_core::{Denial, RequestFacts as _};
use tower_layer::Layer;

use crate::{Roster, RosterService, Watch};

/// Counts callers and refuses those who are blocked; see the [crate docs](crate).
#[derive(Clone, Debug)]
#[must_use = "nobody is counted until the layer is applied"]
pub struct RosterLayer {
    roster: Roster,
    server: Option<Arc<str>>,
}

impl RosterLayer {
    /// A layer that keeps `roster`.
    pub fn new(roster: Roster) -> Self {
        Self { roster, server: None }
    }

    /// Names the server behind the layer, for [`Person::servers`](crate::Person::servers).
    pub fn server(mut self, name: impl Into<Arc<str>>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// The roster.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What the service does before it hands a request on: counts its caller, and says who notices when that
    /// caller is blocked.
    ///
    /// # Errors
    /// The caller is blocked, nobody knows, or no sign-in layer has seen the request.
    pub fn admit<B>(&self, request: &Request<B>) -> Result<Option<Watch>, Denial> {
        match request.caller() {
            Some(caller) => {
                self.roster.admit(caller, self.server.as_ref())?;
                Ok(self.roster.watch(caller))
            }
            // Inspection, further in, makes a caller of it or refuses it.
            None if request.anonymous_pass().is_some() => Ok(None),
            None => Err(Denial::miswired("roster: nobody has signed the caller in")),
        }
    }
}

impl<S> Layer<S> for RosterLayer {
    type Service = RosterService<S>;

    fn layer(&self, inner: S) -> RosterService<S> {
        RosterService::new(inner, self.clone())
    }
}
