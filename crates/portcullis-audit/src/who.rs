//! Callers as JSON.

use portcullis_core::{Actor, Caller, Principal};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::encode::Members;
use crate::text::{FIELD_MAX, clip, clip_list};
use crate::token::TokenDigest;

/// The caller, without what says nothing about who that is.
pub(crate) struct Who<'a>(pub(crate) &'a Caller);

impl Serialize for Who<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        let Some(principal) = self.0.principal() else {
            members.put("kind", &"anonymous")?;
            return members.0.end();
        };
        members.put("iss", &clip(principal.issuer()))?;
        members.put("sub", &clip(principal.subject()))?;
        members.put_some("client_id", principal.client_id().map(clip))?;
        members.put_some("auth", Some(principal.method()).filter(|&it| it != "unspecified"))?;
        members.put("kind", &if principal.is_client() { "client" } else { "user" })?;
        if !principal.actors().is_empty() {
            members.put("act", &Actors(principal.actors()))?;
        }
        members.0.end()
    }
}

/// The actors whose names fit a member.
struct Actors<'a>(&'a [Actor]);

impl Serialize for Actors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut actors = serializer.serialize_seq(None)?;
        for actor in kept_actors(self.0) {
            actors.serialize_element(&Act(actor))?;
        }
        actors.end()
    }
}

struct Act<'a>(&'a Actor);

impl Serialize for Act<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.put_some("iss", self.0.issuer().map(clip))?;
        members.put("sub", &clip(self.0.subject()))?;
        members.0.end()
    }
}

fn kept_actors(actors: &[Actor]) -> impl Iterator<Item = &Actor> {
    actors.iter().scan(0, |used: &mut usize, actor| {
        let size = actor.issuer().map_or(0, |issuer| clip(issuer).len());
        *used = used.saturating_add(size).saturating_add(clip(actor.subject()).len());
        (*used <= FIELD_MAX).then_some(actor)
    })
}

/// What identifies the token: its own id, or else its digest.
pub(crate) struct Token<'a> {
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) digest: Option<TokenDigest>,
}

impl Token<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        let known = self.principal.is_some_and(|principal| {
            let token = principal.token();
            token.id.is_some()
                || token.algorithm.is_some()
                || token.key_id.is_some()
                || principal.expires_at().is_some()
        });
        !known && self.digest.is_none()
    }
}

impl Serialize for Token<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        let token = self.principal.map(Principal::token);
        members.put_some("jti", token.and_then(|token| token.id.as_deref()).map(clip))?;
        members.put_some("sha256", self.digest)?;
        members.put_some("alg", token.and_then(|token| token.algorithm))?;
        members.put_some("kid", token.and_then(|token| token.key_id.as_deref()).map(clip))?;
        let expiry = self.principal.and_then(Principal::expires_at);
        members.put_some("exp", expiry.map(|unix| unix.as_secs()))?;
        members.0.end()
    }
}

/// Whether the encoding of `principal` leaves something out.
pub(crate) fn is_cut(principal: &Principal) -> bool {
    let long = |text: &str| text.len() > FIELD_MAX;
    let cut = |list: &[String]| {
        let kept: usize = clip_list(list.iter().map(String::as_str)).map(str::len).sum();
        kept < list.iter().map(String::len).sum()
    };
    let token = principal.token();
    long(principal.issuer())
        || long(principal.subject())
        || principal.client_id().is_some_and(long)
        || token.id.as_deref().is_some_and(long)
        || token.key_id.as_deref().is_some_and(long)
        || cut(principal.scopes())
        || cut(principal.roles())
        || kept_actors(principal.actors()).count() < principal.actors().len()
        || principal
            .actors()
            .iter()
            .any(|actor| long(actor.subject()) || actor.issuer().is_some_and(long))
}

/// A principal's own list, cut here.
pub(crate) struct List<'a>(pub(crate) &'a [String]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(clip_list(self.0.iter().map(String::as_str)))
    }
}
