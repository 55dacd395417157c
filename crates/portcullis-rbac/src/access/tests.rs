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
            Audience::Both(one, other) => &format!("{one}+{other}"),
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
            "a deny for a role that has nothing there",
            rule("  - { id: x, deny: { tools: [list] }, roles: [public] }\n"),
            vec!["admin+public Lost list", "public+reader Lost list"],
        ),
        (
            "a deny for one who has it alone",
            rule("  - { id: x, deny: { tools: [list] }, roles: [admin] }\n"),
            vec!["admin Lost list"],
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

/// Whether there is more or less of it, where conditions differ.
#[test]
fn the_sort_of_a_change() {
    use Direction::{Changed, Gained, Lost};
    let of = |conditions: &[&str]| {
        let rules = conditions.iter().enumerate().map(|(number, condition)| {
            let (effect, condition) = match condition.strip_prefix("not ") {
                Some(condition) => ("deny", condition),
                None => ("allow", *condition),
            };
            format!(
                "  - {{ id: x{number}, {effect}: {{ tools: [pay] }}, roles: [admin]{condition} }}\n"
            )
        });
        policy(&rules.collect::<String>())
    };
    let (small, direct) = (", arguments: { n: { max: 5 } }", ", through: direct");
    let (not_small, not_direct) = ("not , arguments: { n: { max: 5 } }", "not , through: direct");
    let rows: [(&str, &[&str], &[&str], Direction); 7] = [
        ("a condition less", &[small], &[""], Gained),
        ("another way to it", &[small], &[small, direct], Gained),
        ("another condition", &[small], &[direct], Changed),
        ("an exception more", &["", not_small], &["", not_small, not_direct], Lost),
        (
            "an exception more, and a way",
            &[small, not_small],
            &[small, direct, not_small, not_direct],
            Changed,
        ),
        ("another exception", &["", not_small], &["", not_direct], Changed),
        ("a condition less, and an exception", &[small], &["", not_direct], Changed),
    ];
    for (name, before, after, expected) in rows {
        let direction = |old: &Policy, new: &Policy| {
            let changes = old.changes_to(new);
            assert_eq!(changes.access.len(), 1, "{name}: {changes:?}");
            changes.access[0].direction
        };
        let (before, after) = (of(before), of(after));
        assert_eq!(direction(&before, &after), expected, "{name}");
        let back = match expected {
            Gained => Lost,
            Lost => Gained,
            Changed => Changed,
        };
        assert_eq!(direction(&after, &before), back, "{name}, back");
    }
}

#[test]
fn whatever_is_different_is_a_change() {
    let with = |roles: &str| {
        Policy::from_yaml(&format!(
            "roles: {{ {roles} }}\nrules: [{{ id: a, allow: {{ tools: [x] }}, everyone: true }}]\n"
        ))
        .unwrap()
    };
    let (one, two) = (with("a: { groups: [g] }"), with("a: { groups: [g, h] }"));
    let (more, less) = (one.changes_to(&two), two.changes_to(&one));
    assert_eq!((more.defined.len(), more.undefined.len(), more.is_empty()), (1, 0, false));
    assert_eq!(less.undefined, ["role a: group h"]);
    assert!(less.defined.is_empty() && less.access.is_empty() && !less.is_empty());
    let gained =
        policy("").changes_to(&policy("  - { id: x, allow: { tools: [y] }, roles: [admin] }\n"));
    assert!(gained.defined.is_empty() && gained.undefined.is_empty() && !gained.is_empty());
    let unknown = Policy::danger_permit_all().changes_to(&Policy::deny_all());
    assert!(unknown.incomplete && unknown.access.is_empty() && !unknown.is_empty());

    // A role that is new, and one that is gone.
    let role = "
roles: { late: { groups: [late] } }
rules: [{ id: late, allow: { tools: [list] }, roles: [late] }]
";
    let role = Policy::from_yaml(role).unwrap();
    assert!(told(&policy(""), &role).contains(&"late Gained list".to_owned()));
    assert!(told(&role, &policy("")).contains(&"late Lost list".to_owned()));
}

/// As records have them.
#[test]
fn changes_in_one_line() {
    let line = |old: &Policy, new: &Policy| old.changes_to(new).to_string();
    let more = policy(
        "  - { id: purge, allow: { tools: [purge] }, roles: [admin] }\n  \
         - { id: all, allow: { prompts: ['*'] }, everyone: true, requires_scopes: [p] }\n",
    );
    assert_eq!(
        line(&policy(""), &more),
        "everyone gains prompt * (rule all); role admin gains tool purge (rule purge)"
    );
    assert_eq!(
        line(&more, &policy("")),
        "everyone loses prompt * (rule all); role admin loses tool purge (rule purge)"
    );
    assert_eq!(line(&more, &more), "nobody gains or loses access");
    let one = Policy::from_yaml(
        "roles: { r: { groups: [g] } }\nrules: [{ id: a, roles: [r], allow: { tools: [x] } }]",
    )
    .unwrap();
    let other = Policy::from_yaml(
        "roles: { r: { groups: [h] } }\nrules: [{ id: a, roles: [r], allow: { tools: [x] }, through: direct }]",
    )
    .unwrap();
    assert_eq!(
        line(&one, &other),
        "role r loses some of tool x (rule a); new: role r: group h; gone: role r: group g"
    );
    assert_eq!(
        line(&other, &one),
        "role r gains more of tool x (rule a); new: role r: group g; gone: role r: group h"
    );
    let pay = |most: u8| {
        policy(&format!(
            "  - {{ id: pay, allow: {{ tools: [pay] }}, roles: [admin], arguments: {{ n: {{ max: {most} }} }} }}\n"
        ))
    };
    assert_eq!(line(&pay(5), &pay(6)), "role admin has under other conditions tool pay (rule pay)");
    let names: Vec<String> = (0..60).map(|number| format!("t{number}")).collect();
    let many =
        Policy::builder().add_rule(crate::Rule::allow("many\u{2028}").tools(names).everyone());
    let text = line(&Policy::deny_all(), &many.build().unwrap());
    assert!(text.ends_with("(rule many\\u{2028}); and 10 more"), "{text}");
}

#[test]
fn too_many_changes_are_not_all_told() {
    let of = |roles: usize, tools: usize| {
        let names = |letter: char, count| {
            (0..count).map(|number| format!("{letter}{number}")).collect::<Vec<_>>()
        };
        let (roles, tools) = (names('r', roles), names('t', tools));
        let builder = roles.iter().fold(Policy::builder(), |builder, role| {
            builder.add_role(crate::Role::new(role.clone()).group(role.clone()))
        });
        builder.add_rule(crate::Rule::allow("all").tools(tools).roles(roles)).build().unwrap()
    };
    let none = Policy::deny_all();
    let changes = none.changes_to(&of(100, MAX_TOLD / 100));
    assert_eq!((changes.access.len(), changes.incomplete), (MAX_TOLD, false));
    let changes = none.changes_to(&of(101, MAX_TOLD / 100));
    assert_eq!((changes.access.len(), changes.incomplete), (MAX_TOLD, true));
    let changes = of(1998, 1001).changes_to(&none);
    assert_eq!((changes.access.len(), changes.incomplete), (0, true), "too many to compare");
}
