//! Random bytes.

use std::error::Error;
use std::fmt;

use crate::library;

/// The system has no random bytes to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NoRandomBytes;

/// Fills `bytes` with random bytes that nobody can guess.
///
/// # Errors
/// When the system has none. Then `bytes` must not be used.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomBytes> {
    library::fill_random(bytes).ok_or(NoRandomBytes)
}

impl fmt::Display for NoRandomBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are no random bytes to be had")
    }
}

impl Error for NoRandomBytes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_differ_from_call_to_call() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        fill_random(&mut one).unwrap();
        fill_random(&mut other).unwrap();
        assert!(one != other && one != [0; 32]);
    }
}
