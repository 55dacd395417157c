use crate::common::{Folder, run, run_with, sample};

#[test]
fn who_gains_and_who_loses() {
    let old = std::fs::read_to_string(sample("policy.yaml")).unwrap();
    let rows: &[(&str, &str, &str, bool, bool, &[&str])] = &[
        ("nothing", "# Who may use", "# Who can use", false, false, &[]),
        ("a tool more", "[list_notes, ", "[list_notes, peek, ", true, false, &["gained", "peek"]),
        ("a tool less", "[list_notes, ", "[", false, true, &["lost", "list_notes"]),
        ("other conditions", "max: 500 ", "max: 5000 ", true, true, &["changed", "at most 5000"]),
        (
            "a role for more people",
            "clients: [travel-agent]",
            "clients: [travel-agent, x]",
            true,
            true,
            &["agent travel-bot: client x"],
        ),
        ("a group more", "[7d8c1a34", "[aaaa, 7d8c1a34", true, false, &["group it-admins: aaaa"]),
        (
            "a denial less",
            "deny: { tools: [\"purge_*\"] }",
            "deny: { tools: [\"purge_all\"] }",
            true,
            false,
            &["gained", "purge_*"],
        ),
    ];
    for (name, from, to, gained, lost, parts) in rows {
        assert!(old.contains(from), "{name}");
        let folder = Folder::new(&[("old.yaml", &old), ("new.yaml", &old.replace(from, to))]);
        let (before, after) = (folder.file("old.yaml"), folder.file("new.yaml"));
        let ran = run(&["diff", &before, &after]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        for part in *parts {
            assert!(ran.out.contains(part), "{name}: {part:?} is not in\n{}", ran.out);
        }
        let report = run(&["--json", "diff", &before, &after]).json();
        assert_eq!(
            (&report["gained"], &report["lost"]),
            (&(*gained).into(), &(*lost).into()),
            "{name}: {report}"
        );
        let changes = report["changes"].as_array().unwrap();
        for (direction, some) in [("gained", *gained), ("lost", *lost)] {
            let sure = changes.iter().any(|change| change["change"] == direction);
            let word = if sure {
                "yes"
            } else if some {
                "perhaps"
            } else {
                "no"
            };
            let line = format!("ccess {direction}: {word}.");
            assert!(ran.out.contains(&line) || report["same"] == true, "{name}: {}", ran.out);
        }
        for (kind, fails) in [("gained", *gained), ("lost", *lost), ("any", *gained || *lost)] {
            let ran = run(&["diff", &before, &after, "--fail-on", kind]);
            assert_eq!(ran.code == 1, fails, "{name}, {kind}: {ran:?}");
        }
    }
}

/// What follows for who has two roles, or none that a rule names.
#[test]
fn gains_and_losses_that_no_role_has_alone() {
    let start = "
roles: { staff: { groups: [s] }, temp: { groups: [t] } }
rules:
  - { id: read, allow: { tools: [get] }, roles: [staff] }
";
    let rows = [
        (
            "a denial for who has another role as well",
            "  - { id: x, deny: { tools: [get] }, roles: [temp] }\n",
            (false, true),
            "Who has the roles staff and temp",
        ),
        (
            "tasks for some",
            "  - { id: x, allow: { tools: [get], methods: [tasks/create] }, roles: [staff] }\n",
            (true, true),
            "tasks/create is allowed to staff, on get",
        ),
        (
            "the log level for some",
            "  - { id: x, allow: { methods: [logging/setLevel] }, roles: [temp] }\n",
            (true, true),
            "logging/setLevel is allowed to temp",
        ),
    ];
    for (name, rule, (gained, lost), part) in rows {
        let new = format!("{start}{rule}");
        let folder = Folder::new(&[("old.yaml", start), ("new.yaml", &new)]);
        let (old, new) = (folder.file("old.yaml"), folder.file("new.yaml"));
        for (old, new, gained, lost) in [(&old, &new, gained, lost), (&new, &old, lost, gained)] {
            let ran = run(&["diff", old, new]);
            assert!(ran.out.contains(part), "{name}: {part:?} is not in\n{}", ran.out);
            for (kind, fails) in [("gained", gained), ("lost", lost)] {
                let ran = run(&["diff", old, new, "--fail-on", kind]);
                assert_eq!(ran.code == 1, fails, "{name}, {kind}: {ran:?}");
            }
        }
    }
}

#[test]
fn the_old_policy_may_come_from_elsewhere() {
    let text = std::fs::read_to_string(sample("policy.yaml")).unwrap();
    let ran = run_with(&["diff", "-", &sample("policy.yaml"), "--fail-on", "any"], &text);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("The policies decide alike."), "{ran:?}");
    let ran = run_with(&["diff", "-", "-"], &text);
    assert_eq!(ran.code, 3, "{ran:?}");
}
