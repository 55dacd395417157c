//! A key set is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = portcullis_jwt::JwkSet::from_json(input);
});
