//! Names for versions of policies.

use portcullis_core::Text;
use portcullis_crypto::sha256;

/// `name@` and the start of the SHA-256 digest of all `parts`, which no other parts have.
pub(crate) fn version(name: &str, parts: &[&str]) -> Text {
    let mut content = String::new();
    for part in parts {
        content.push_str(&format!("{}:{part}", part.len()));
    }
    let digest = sha256(content.as_bytes());
    let start: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Text::from(format!("{name}@{start}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_apart() {
        let versions =
            [version("x", &["ab", "c"]), version("x", &["a", "bc"]), version("x", &["abc"])];
        assert_ne!(versions[0], versions[1]);
        assert_ne!(versions[1], versions[2]);
        assert_eq!(version("x", &["ab", "c"]), versions[0]);
        assert_eq!(versions[0].as_str().len(), 2 + 16);
    }
}
