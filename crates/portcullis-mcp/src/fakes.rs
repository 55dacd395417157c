//! What the unit tests of this crate share.

use std::sync::Arc;

use portcullis_core::{AnonymousReason, Caller, Glance, Look, TargetKind, Text, Version, View};

use crate::judge::Eyes;

/// Hides what has `secret` in its name, and needs time to think about what has `later`.
#[derive(Debug)]
pub(crate) struct NoSecrets;

impl View for NoSecrets {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, name: &str) -> Glance {
        match name {
            name if name.contains("later") => Glance::Later,
            name if name.contains("secret") => Glance::Hidden,
            _ => Glance::Shown,
        }
    }

    fn look(&self, _: Caller, _: Version, items: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(async move {
            tokio::task::yield_now().await;
            items.iter().map(|(_, name)| !name.as_str().contains("secret")).collect()
        })
    }
}

pub(crate) fn anonymous() -> Caller {
    Caller::Anonymous(AnonymousReason::NoCredentials)
}

pub(crate) fn eyes(version: Version) -> Eyes {
    Eyes { caller: anonymous(), version, view: Some(Arc::new(NoSecrets)) }
}
