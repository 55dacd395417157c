use super::*;

fn policy(more: &str) -> Policy {
    let start = "
roles:
  reader: { groups: [staff] }
  admin: { groups: [it] }
  public: { anonymous: true }
rules:
  - id: read
    allow: { tools: [list, 'get_*'] }
    roles: [reader, admin]
  - id: search
    allow: { tools: [search] }
    roles: [public]
    everyone: true
";
    Policy::from_yaml(&format!("{start}{more}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Each change in a line.
fn told(old: &Policy, new: &Policy) -> Vec<String> {
    let changes = old.changes_to(new);
    let lines = changes.access.iter().map(|change| {
        let target = change.after.as_ref().or(change.before.as_ref()).unwrap();
        let audience = match &change.audience {
            Audience::Role(role) => role,
            Audience::Everyone => "everyone",
            Audience::Anonymous => "anonymous",
        };
        format!("{audience} {:?} {}", change.direction, target.target)
    });
    lines.collect()
}

#[test]
fn what_a_role_sees() {
    let policy = policy(
        "
  - id: pay
    allow: { tools: [pay] }
    roles: [admin]
    requires_scopes: [pay]
    arguments: { amount: { max: 5 } }
  - id: no-secrets
    deny: { tools: [get_secret] }
    roles: [reader]
  - id: not-at-night
    deny: { tools: ['get_*'] }
    roles: [admin]
    when: { time_zone: UTC, hours: '22:00-06:00' }
",
    );
    let names = |audience: Audience| -> Vec<String> {
        policy.visible(&audience).into_iter().map(|access| access.target).collect()
    };
    assert_eq!(names(Audience::Anonymous), ["search"]);
    assert_eq!(names(Audience::Everyone), ["search"]);
    let reader = || Audience::Role("reader".into());
    assert_eq!(names(reader()), ["get_*", "list", "search"], "and not get_secret");
    assert_eq!(names(Audience::Role("nobody".into())), [""; 0]);
    let admin = policy.visible(&Audience::Role("admin".into()));
    let pay = admin.iter().find(|access| access.target == "pay").unwrap();
    assert_eq!(pay.grants[0].scopes, ["pay"]);
    assert_eq!(pay.grants[0].conditions, ["argument amount is at most 5"]);
    let get = admin.iter().find(|access| access.target == "get_*").unwrap();
    assert_eq!(get.except[0].rule, "not-at-night");
    assert_eq!(get.except[0].conditions, ["during 22:00-06:00 UTC"]);
}

#[test]
fn changes_are_told_as_access() {
    let base = policy("");
    assert!(base.changes_to(&base).is_empty());
    let rule = |text: &str| policy(text);
    let rows = [
        (
            "a rule more",
            rule("  - { id: x, allow: { tools: [pay] }, roles: [admin] }\n"),
            vec!["admin Gained pay"],
        ),
        (
            "a rule for everyone",
            rule("  - { id: x, allow: { tools: [pay] }, everyone: true }\n"),
            vec![
                "everyone Gained pay",
                "admin Gained pay",
                "public Gained pay",
                "reader Gained pay",
            ],
        ),
        (
            "a deny",
            rule("  - { id: x, deny: { tools: ['get_*'] }, roles: [reader] }\n"),
            vec!["reader Lost get_*"],
        ),
        (
            "a deny of some",
            rule("  - { id: x, deny: { tools: [get_x] }, roles: [reader] }\n"),
            vec!["reader Lost get_x"],
        ),
        (
            "a deny at times",
            rule(
                "  - { id: x, deny: { tools: [list] }, roles: [reader], when: { time_zone: UTC, days: sun } }\n",
            ),
            vec!["reader Lost list"],
        ),
        (
            "another rule for the same",
            rule("  - { id: x, allow: { tools: [list] }, roles: [admin] }\n"),
            vec![],
        ),
    ];
    for (name, new, expected) in rows {
        assert_eq!(told(&base, &new), expected, "{name}");
        let back: Vec<String> = expected
            .iter()
            .map(|line| match line.contains("Gained") {
                true => line.replace("Gained", "Lost"),
                false => line.replace("Lost", "Gained"),
            })
            .collect();
        assert_eq!(told(&new, &base), back, "{name}, back");
    }
}

#[test]
fn definitions_are_told() {
    let old = policy("");
    let new = Policy::from_yaml(
        "
roles:
  reader: { groups: [staff, guests] }
  admin: { groups: [it] }
  public: { anonymous: true }
rules:
  - id: renamed
    allow: { tools: [list, 'get_*'] }
    roles: [reader, admin]
  - id: search
    allow: { tools: [search] }
    roles: [public]
    everyone: true
",
    )
    .unwrap();
    let changes = old.changes_to(&new);
    assert_eq!(changes.defined, ["role reader: group guests"]);
    assert!(changes.undefined.is_empty() && changes.access.is_empty(), "{changes:?}");
    assert!(old.changes_to(&Policy::danger_permit_all()).incomplete);
    assert!(Policy::danger_permit_all().changes_to(&old).incomplete);
    let none = Policy::deny_all();
    assert!(told(&old, &none).iter().all(|line| line.contains("Lost")));
}
