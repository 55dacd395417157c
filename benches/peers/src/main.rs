//! Our verification of access tokens beside that of other Rust crates.
//!
//! ```sh
//! cd benches/peers
//! cargo run --release                # what each answers, and every work twice
//! cargo run --release -- --bench     # what it costs
//! ```
mod answers;
mod others;
mod peer;
#[path = "../../support/mod.rs"]
mod support;

use http::{Request, StatusCode};
use peer::{ISSUER, Peer, request};
use portcullis_test::Mint;
use support::{Bench, Dice, Group};

/// Room enough for every token that is remembered.
const ROOM: usize = 20_000;

fn main() {
    if std::env::args().len() == 1 {
        answers::show();
    }
    let bench = Bench::from_args();
    bench.group("cold RS256", |group| cold(group, &Mint::rs256(ISSUER)));
    bench.group("cold ES256", |group| cold(group, &Mint::es256(ISSUER)));
    bench.group("cold EdDSA", |group| cold(group, &Mint::eddsa(ISSUER)));
    for tokens in if bench.is_smoke() { [8, 16] } else { [64, 10_000] } {
        bench.group(&format!("warm, {tokens} tokens"), |group| warm(group, tokens));
    }
}

/// A token, verified from the start each time. A ratio is of what each adds to the service.
fn cold(group: &mut Group, mint: &Mint) {
    let request = request(&answers::token(mint).sign());
    let work = |group: &mut Group, peer: Peer| {
        let request = request.clone();
        let name = peer.name;
        group.work(name, move || assert_eq!(peer.ask(request.clone()), StatusCode::OK))
    };
    let bare = work(group, peer::bare());
    let ours = work(group, peer::portcullis(mint, 0)).over(bare);
    for peer in others::all(mint) {
        let theirs = work(group, peer).over(bare);
        group.faster("peers", ours, theirs, 1.0);
    }
}

/// Tokens that were seen before. None of the others remembers any.
fn warm(group: &mut Group, tokens: usize) {
    let mint = Mint::eddsa(ISSUER);
    let sign = |n| request(&answers::token(&mint).subject(&format!("user-{n}")).sign());
    let requests: &'static Vec<Request<()>> = support::keep((0..tokens).map(sign).collect());
    let work = |group: &mut Group, peer: Peer| {
        for request in requests {
            assert_eq!(peer.ask(request.clone()), StatusCode::OK);
        }
        let mut dice = Dice::new(5);
        let name = peer.name;
        group.work(name, move || {
            let request = requests[dice.below(requests.len())].clone();
            assert_eq!(peer.ask(request), StatusCode::OK);
        })
    };
    let bare = work(group, peer::bare());
    let ours = work(group, peer::portcullis(&mint, ROOM)).over(bare);
    let cache = work(group, peer::moka(&mint)).over(bare);
    let (target, bound) = if tokens < 10_000 { ("T1", 4.0) } else { ("T2", 3.0) };
    group.faster(target, ours, cache, bound);
    for peer in others::all(&mint) {
        let theirs = work(group, peer).over(bare);
        group.faster("peers", ours, theirs, 1.0);
    }
}
