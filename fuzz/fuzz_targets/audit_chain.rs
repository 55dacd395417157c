//! No edit of a chain of audit records passes for the original.
#![no_main]

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use portcullis_audit::{
    AuditLayer, ChainedSink, Chaining, Event, EventKind, JsonLines, SigningKey, Verifier,
};

struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// A start, 20 events with checkpoints among them, and a shutdown.
static GENUINE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let chaining = Chaining::signed(key()).every(4, Duration::from_secs(3600));
    let sink = ChainedSink::new(JsonLines::new(Kept(Arc::clone(&kept))), chaining).unwrap();
    let layer = AuditLayer::builder().sink(sink).build().unwrap();
    let log = layer.log();
    for count in 0..20 {
        log.record(Event::new(EventKind::Other).count(count));
    }
    drop(layer);
    let kept = kept.lock().unwrap();
    kept.clone()
});

fuzz_target!(|data: &[u8]| {
    let genuine = &*GENUINE;
    let mut verifier = Verifier::new().trust(key().verifying_key());
    let [mode, rest @ ..] = data else { return };
    if mode % 2 == 0 {
        // Anything at all: it ends, and does not panic.
        verifier.read("any", rest).unwrap();
        let _ = verifier.finish();
        return;
    }
    // Edits: where, what, how much of the original it takes the place of.
    let mut edited = genuine.clone();
    for edit in rest.chunks(6) {
        let [high, low, out, new @ ..] = edit else { break };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (edited.len() + 1);
        let end = (at + usize::from(*out)).min(edited.len());
        edited.splice(at..end, new.iter().copied());
    }
    verifier.read("edited", edited.as_slice()).unwrap();
    let report = verifier.finish();
    if edited == *genuine || edited.is_empty() {
        assert!(report.is_intact());
    } else if report.is_intact() {
        // What follows the last signature can be cut or replaced, as the docs of `Chaining` say;
        // nothing before it.
        let signed = report.chains.iter().filter_map(|chain| chain.signed_seq).max();
        let lines = signed.map_or(0, |seq| usize::try_from(seq).unwrap() + 1);
        let proved: usize =
            edited.split_inclusive(|&byte| byte == b'\n').take(lines).map(<[u8]>::len).sum();
        assert!(genuine.starts_with(&edited[..proved]), "unseen: {report:?}");
        assert!(report.chains.iter().all(|chain| chain.unsigned <= 5));
    }
});
