//! Many questions at once, of a list or a batch: as few requests as the protocol allows, and never so many
//! that others wait for their end.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::desk::Desk;
use super::{Question, Wire};

/// How many requests for one list are under way at the same time.
const AT_ONCE: usize = 16;

/// A question of a list, and its place there.
pub(super) struct Open {
    pub(super) place: usize,
    pub(super) key: Arc<str>,
    pub(super) question: Question,
}

/// Answers, and their places.
pub(super) type Heard = Vec<(usize, Option<bool>)>;

impl<W: Wire> Desk<W> {
    /// The answers to all of them, in any order.
    pub(super) async fn ask_all(self: &Arc<Self>, open: Vec<Open>) -> Heard {
        let mut parts = Vec::new();
        let (listings, open) = self.listings(open);
        for (url, some) in listings {
            parts.push(Part::Open(Box::pin(Arc::clone(self).ask_listing(url, some))));
        }
        parts.extend(self.parts(open));
        all(parts).await
    }

    /// What asks about each, many in one request where that is possible.
    fn parts(self: &Arc<Self>, open: Vec<Open>) -> Vec<Part> {
        match self.wire.several() {
            Some((_, most)) => chunks(open, most)
                .into_iter()
                .map(|some| Part::Open(Box::pin(Arc::clone(self).ask_several(some))))
                .collect(),
            None => open
                .into_iter()
                .map(|one| Part::Open(Box::pin(Arc::clone(self).ask_one(one))))
                .collect(),
        }
    }

    /// The questions that are answered by a listing, and the others. One that would not spare a request is
    /// not worth its price at the decision point.
    fn listings(&self, open: Vec<Open>) -> (Vec<(Uri, Vec<Open>)>, Vec<Open>) {
        let Some(url) = self.wire.listing() else { return (Vec::new(), open) };
        let in_one = self.wire.several().map_or(1, |(_, most)| most);
        let mut runs: Vec<Vec<Open>> = Vec::new();
        for one in open {
            let of_run =
                |run: &&mut Vec<Open>| run.first().is_some_and(|first| body(first) == body(&one));
            match runs.iter_mut().find(of_run) {
                Some(run) => run.push(one),
                None => runs.push(vec![one]),
            }
        }
        let listed = |run: &Vec<Open>| run.len() > in_one && run.first().and_then(body).is_some();
        let (listings, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(listed);
        let listings = listings.into_iter().map(|run| (url.clone(), run)).collect();
        (listings, others.into_iter().flatten().collect())
    }

    async fn ask_one(self: Arc<Self>, one: Open) -> Heard {
        let Some(_place) = self.list_place().await else { return vec![(one.place, None)] };
        let answer = self.ask(one.key, one.question).await;
        vec![(one.place, answer)]
    }

    /// The answers to what fits into one request.
    async fn ask_several(self: Arc<Self>, some: Vec<Open>) -> Heard {
        let Some(_place) = self.list_place().await else { return unanswered(some) };
        let (asked, revision) = self.moment();
        let shared = some.first().map(|open| Arc::clone(&open.question.shared)).unwrap_or_default();
        let own: Vec<&str> = some.iter().map(|open| open.question.own.as_str()).collect();
        let answers = match self.wire.several() {
            Some((url, _)) => {
                let body = self.wire.ask_several(&shared, &own);
                let read = |body: &[u8]| self.wire.read_several(body, own.len());
                self.exchange(url, body, read).await
            }
            None => None,
        };
        let mut answers = answers.unwrap_or_default().into_iter();
        let mut heard = Vec::with_capacity(some.len());
        for Open { place, key, question } in some {
            let answer = answers.next().flatten();
            if let Some(allowed) = answer {
                self.answers.keep(key, &question, allowed, asked, revision);
            }
            heard.push((place, answer));
        }
        heard
    }

    /// The answers to questions that one listing answers; what it leaves open is asked about as usual.
    async fn ask_listing(self: Arc<Self>, url: Uri, some: Vec<Open>) -> Heard {
        let Some(place) = self.list_place().await else { return unanswered(some) };
        let (asked, revision) = self.moment();
        let body = some.first().and_then(body).map(|body| body.to_string()).unwrap_or_default();
        let read = |body: &[u8]| self.wire.read_listing(body);
        let Some(listing) = self.exchange(&url, body, read).await else { return unanswered(some) };
        drop(place);
        let mut heard = Vec::with_capacity(some.len());
        let mut open = Vec::new();
        for one in some {
            let listed = one.question.listed.as_ref();
            if listed.is_some_and(|listed| listing.names.contains(&listed.name)) {
                self.answers.keep(one.key, &one.question, true, asked, revision);
                heard.push((one.place, Some(true)));
            } else if listing.complete {
                // Not kept: were the limits of the server others than we were told, a list would miss
                // something, and a call must not.
                heard.push((one.place, Some(false)));
            } else {
                open.push(one);
            }
        }
        heard.extend(all(self.parts(open)).await);
        heard
    }

    /// A place among the requests for lists, as soon as there is one.
    async fn list_place(&self) -> Option<SemaphorePermit<'_>> {
        timeout(self.timeout, self.lists.acquire()).await.ok()?.ok()
    }
}

fn body(open: &Open) -> Option<&Arc<str>> {
    open.question.listed.as_ref().map(|listed| &listed.body)
}

fn unanswered(some: Vec<Open>) -> Heard {
    some.into_iter().map(|open| (open.place, None)).collect()
}

/// Runs of at most `most` questions that have the same in common.
fn chunks(open: Vec<Open>, most: usize) -> Vec<Vec<Open>> {
    let mut chunks: Vec<Vec<Open>> = Vec::new();
    for one in open {
        match chunks.last_mut() {
            Some(last)
                if last.len() < most
                    && last.first().is_some_and(|o| o.question.shared == one.question.shared) =>
            {
                last.push(one);
            }
            _ => chunks.push(vec![one]),
        }
    }
    chunks
}

/// The answers of all of them. Those past the first few begin when others have ended.
async fn all(mut parts: Vec<Part>) -> Heard {
    poll_fn(|cx| {
        let mut open = 0;
        for part in &mut parts {
            if open == AT_ONCE {
                break;
            }
            open += usize::from(part.poll(cx).is_pending());
        }
        if open == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    parts.into_iter().flat_map(Part::answers).collect()
}

enum Part {
    // Boxed: beside it is a request over a network.
    Open(Pin<Box<dyn Future<Output = Heard> + Send>>),
    Known(Heard),
}

impl Part {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Open(asking) = self {
            match asking.as_mut().poll(cx) {
                Poll::Ready(heard) => *self = Self::Known(heard),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn answers(self) -> Heard {
        match self {
            Self::Known(heard) => heard,
            Self::Open(_) => Vec::new(),
        }
    }
}
