//! Deciding: few rules or very many.

use portcullis::core::{Method, TargetKind};
use portcullis::rbac::{Decision, Query, Role, Rule};
use portcullis::{Caller, Policy, Principal, Version};

use crate::corpus::Rotation;
use crate::support::{Dice, Group, Side, keep};

/// How many names take turns.
const NAMES: usize = 64;

/// The fewest rules that are measured, and what more of them are compared with.
const FEW: usize = 10;

pub fn by(group: &mut Group, rules: usize) {
    let caller: &'static Caller = keep(Caller::Verified(
        Principal::builder("https://id.example.com", "alice").group("group-1").build().into(),
    ));
    let known = known(group, caller, rules);
    let all = keep(policy(rules));
    let mut names = Rotation::new((0..NAMES).map(|n| format!("area{n}.unheard_of")).collect());
    let unknown = group.work("unknown tool", move || ask(all, caller, names.next()));
    group.within("T9 known", known, 15.0);
    group.allocations("T9 known", known, 0);
    group.within("T9 unknown", unknown, 150.0);
    if rules > FEW {
        let few = self::known(group, caller, FEW);
        group.at_most("T9 growth", known, few, 1.3);
    }
    if rules == 1_000 {
        let linear = keep(linear(rules));
        let mut names = Rotation::new(exact_names(rules));
        let scan = group.work("rule by rule", move || scan(linear, names.next()));
        group.faster("T9", known, scan, 300.0);
    }
}

fn known(group: &mut Group, caller: &'static Caller, rules: usize) -> Side {
    let policy = keep(policy(rules));
    let names = exact_names(rules);
    let allowed = |name: &String| matches!(ask(policy, caller, name), Decision::Allow { .. });
    assert!(names.iter().any(allowed), "some of them are for the caller");
    let mut names = Rotation::new(names);
    group.work(format!("known tool, {rules} rules"), move || ask(policy, caller, names.next()))
}

fn exact_names(rules: usize) -> Vec<String> {
    let mut dice = Dice::new(3);
    (0..NAMES).map(|_| exact(dice.below(rules * 6 / 10))).collect()
}

fn ask(policy: &Policy, caller: &Caller, name: &str) -> Decision {
    let query = Query::new(caller, Version::V2026_07_28, Method::ToolsCall);
    policy.decide(&query.on(TargetKind::Tool, name))
}

fn exact(n: usize) -> String {
    format!("service{}.tool_{n}", n % 20)
}

/// Six in ten rules name a tool, three a service, one is a general pattern.
fn pattern(rule: usize, rules: usize) -> String {
    match rule {
        exact_one if rule < rules * 6 / 10 => exact(exact_one),
        prefix if rule < rules * 9 / 10 => format!("area{prefix}.*"),
        general => format!("*.run_{general}_*"),
    }
}

fn policy(rules: usize) -> Policy {
    let mut policy = Policy::builder();
    for role in 0..5 {
        policy = policy.add_role(Role::new(format!("role-{role}")).group(format!("group-{role}")));
    }
    for rule in 0..rules {
        let tools = [pattern(rule, rules)];
        let roles = [format!("role-{}", rule % 5)];
        policy = policy.add_rule(Rule::allow(format!("rule-{rule}")).tools(tools).roles(roles));
    }
    policy.build().unwrap()
}

/// Rules as one would write them down without thinking of speed.
fn linear(rules: usize) -> Vec<(String, String)> {
    (0..rules).map(|rule| (pattern(rule, rules), format!("role-{}", rule % 5))).collect()
}

fn scan(rules: &[(String, String)], name: &str) -> bool {
    let matches = |pattern: &str| match pattern.split_once('*') {
        None => pattern == name,
        Some((start, "")) => name.starts_with(start),
        Some((start, end)) => name.starts_with(start) && name.contains(end.trim_matches('*')),
    };
    // All are asked, because a later one might deny.
    rules.iter().fold(false, |any, (pattern, role)| any | (matches(pattern) && role == "role-1"))
}
