//! A policy file is read or refused, with a place.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Err(error) = portcullis_rbac::Policy::from_yaml(input) {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
});
