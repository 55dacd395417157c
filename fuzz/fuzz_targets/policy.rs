//! A policy file is read or refused, with a place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_rbac::Policy;

fuzz_target!(|input: &str| {
    for read in [Policy::from_yaml(input), Policy::from_toml(input)] {
        match read {
            Ok(policy) => assert_eq!(policy.digest().len(), 64),
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
});
