//! No bytes verify that the issuer did not sign, and none make the verifier panic.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{run, verifier};

fuzz_target!(|input: (bool, &[u8], &[u8], &[u8])| {
    thread_local!(static VERIFIER: portcullis_jwt::Verifier = verifier());
    let (encoded, header, claims, signature) = input;
    let token = if encoded {
        let part = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        format!("{}.{}.{}", part(header), part(claims), part(signature))
    } else {
        String::from_utf8_lossy(header).into_owned()
    };
    VERIFIER.with(|verifier| assert!(run(verifier.verify_token(&token)).is_err(), "{token}"));
});
