//! Names of arguments that some servers take for other names.

/// Whether a server may read the member `name` as one that policies call `known`, which it is not.
pub(crate) fn may_pass_for(name: &str, known: &str) -> bool {
    name != known && (name == "__proto__" || folded(name).eq(folded(known)))
}

/// Without letter case. By way of the upper case, where the long s and the Kelvin sign are plain letters.
fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    // The capital sharp s is one letter with the small one to some, whose upper case is two.
    let plain = |c: char| if c == '\u{1e9e}' { '\u{df}' } else { c };
    name.chars().map(plain).flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_for_path() {
        for (name, expected) in [
            ("path", false),
            ("Path", true),
            ("PATH", true),
            ("paths", false),
            ("__proto__", true),
            ("other", false),
        ] {
            assert_eq!(may_pass_for(name, "path"), expected, "{name}");
        }
        assert!(may_pass_for("\u{212A}ey", "key") && may_pass_for("ma\u{17F}k", "mask"));
    }
}
