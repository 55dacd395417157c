use globset::GlobBuilder;
use proptest::prelude::*;

use super::*;

fn matching(patterns: &[&str], name: &str) -> Vec<usize> {
    let set = StarSet::new(patterns.iter().map(|text| Stars::new(text)).collect());
    let mut found = Vec::new();
    set.matching(name, 0, &mut found);
    found
}

#[test]
fn stars_stand_for_any_text() {
    let rows = [
        ("*", "", true),
        ("*", "any/thing", true),
        ("a*", "a", true),
        ("a*", "ab", true),
        ("a*", "ba", false),
        ("a*", "Ab", false),
        ("A*", "ab", false),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("ab*ba", "aba", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "axbyc", true),
        ("a*b*c", "acb", false),
        ("a*b*c", "abcb", false),
        ("a*b*bc", "abc", false),
        ("*ab*ab*", "abab", true),
        ("*ab*ab*", "aab", false),
        ("*aba*", "ababa", true),
        ("é*", "éa", true),
        ("é*", "è", false),
        ("*é", "aé", true),
    ];
    for (pattern, name, expected) in rows {
        assert_eq!(Stars::new(pattern).matches(name), expected, "{pattern} {name}");
        let expected: &[usize] = if expected { &[0] } else { &[] };
        assert_eq!(matching(&[pattern], name), expected, "{pattern} {name}");
    }
}

#[test]
fn each_is_found_once_and_in_order() {
    let patterns = ["*", "*run*", "a*", "ab*", "*n", "a*n", "*un*", "*", "x*", "*run", "ab*run*"];
    assert_eq!(matching(&patterns, "ab_run_run"), [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]);
    assert_eq!(matching(&patterns, "c"), [0, 7]);
    let patterns = ["*aa*", "*aa*b*", "*aa*", "*aaaa*b*", "*b*"];
    assert_eq!(matching(&patterns, &("a".repeat(1000) + "b")), [0, 1, 2, 3, 4]);
    assert_eq!(matching(&patterns, &"a".repeat(1000)), [0, 2]);
    let set = StarSet::new(vec![Stars::all()]);
    let mut found = vec![5];
    set.matching("a", 10, &mut found);
    assert_eq!(found, [5, 10], "what was found before stays");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The oracle: one glob after the other.
    #[test]
    fn agrees_with_globset(
        patterns in prop::collection::vec("[abé.]{0,3}(\\*[abé.]{1,2}){0,2}\\*?[abé.]{0,3}", 1..12),
        name in "[abé.]{0,8}",
    ) {
        let patterns: Vec<_> = patterns.iter().filter(|text| text.contains('*') && !text.contains("**")).collect();
        let set = StarSet::new(patterns.iter().map(|text| Stars::new(text)).collect());
        let mut found = Vec::new();
        set.matching(&name, 0, &mut found);
        let expected: Vec<_> = patterns
            .iter()
            .enumerate()
            .filter(|(_, text)| {
                let glob = GlobBuilder::new(text).backslash_escape(false).build().unwrap();
                glob.compile_matcher().is_match(&name)
            })
            .map(|(number, _)| number)
            .collect();
        prop_assert_eq!(found, expected);
    }
}
