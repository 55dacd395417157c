//! What being watched costs a request: numbers, and a span that nobody wants.

use portcullis::audit::AuditLayer;
use portcullis::telemetry::Telemetry;
use tower::Layer as _;

use crate::serve::{bare, succeed};
use crate::support::{Group, keep};
use crate::whole::{gate, mint, requests};

pub fn request(group: &mut Group) {
    let mint = mint();
    let requests = requests(&mint);
    let off = group.work("gate without audit", {
        let mut requests = requests.clone();
        let service = gate(&mint, AuditLayer::danger_off()).layer(bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    let on = group.work("watched gate without audit", {
        let mut requests = requests.clone();
        let telemetry = keep(Telemetry::new());
        let gate = gate(&mint, AuditLayer::danger_off());
        let watch = gate.watched_by(telemetry, "bench");
        let service = watch.layer(gate.layer(telemetry.stopwatch().layer(bare())));
        move || succeed(service.clone(), requests.next().clone())
    });
    group.at_most("telemetry", on, off, 1.1);
    group.allocations("telemetry", on.over(off), 2);
    group.note("No subscriber takes the span of each request; the numbers are all there.");
}
