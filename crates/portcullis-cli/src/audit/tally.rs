//! Counts: who did what, when, and what was refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::filter::Filter;
use super::read::{Line, Person, Record};

/// The most people, targets and denials that are told apart. Anybody can make up names.
const MAX_KEYS: usize = 50_000;
/// The most calls whose outcome is waited for.
const MAX_OPEN: usize = 500_000;
/// The unit in which time is counted, in milliseconds; charts add units up.
pub(crate) const SLOT: i64 = 60_000;

/// How often, and how it went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    pub(crate) challenged: u64,
    /// Something on the gate's side failed.
    pub(crate) errors: u64,
    /// Allowed, and the answer was an error or broke off.
    pub(crate) failed: u64,
}

impl Counts {
    fn add(&mut self, decision: &str) {
        self.calls += 1;
        match decision {
            "allow" => self.allowed += 1,
            "deny" => self.denied += 1,
            "challenge" => self.challenged += 1,
            "error" => self.errors += 1,
            _ => {}
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        self.denied + self.challenged + self.errors
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.challenged += other.challenged;
        self.errors += other.errors;
        self.failed += other.failed;
    }
}

/// What is known of one person, or of one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) counts: Counts,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The targets of a person, the people of a target.
    pub(crate) others: BTreeSet<usize>,
    /// Of calls that ended: how many, and how long they took together.
    pub(crate) ended: u64,
    pub(crate) millis: u64,
}

impl Subject {
    fn seen(&mut self, at: i64, decision: &str, other: Option<usize>) {
        if self.counts.calls == 0 || at < self.first {
            self.first = at;
        }
        self.last = self.last.max(at);
        self.counts.add(decision);
        self.others.extend(other);
    }
}

/// What was used.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Target {
    /// `tool`, `prompt`, `resource`, …, or the method.
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The server that has it.
    pub(crate) server: String,
}

/// No target's number.
const OTHERS: usize = usize::MAX;

/// Stands for all that there are too many of.
fn others() -> Target {
    Target { name: "(others)".to_owned(), ..Target::default() }
}

/// Who was refused what, and why.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Denial {
    pub(crate) person: usize,
    pub(crate) target: usize,
    pub(crate) decision: String,
    pub(crate) reason: String,
    pub(crate) rule: String,
}

/// Things with numbers, up to a limit; the rest have one number together.
#[derive(Debug)]
pub(crate) struct Numbers<K> {
    numbers: HashMap<K, usize>,
    pub(crate) names: Vec<K>,
}

impl<K: Clone + Eq + std::hash::Hash> Numbers<K> {
    fn new() -> Self {
        Self { numbers: HashMap::new(), names: Vec::new() }
    }

    fn of(&mut self, key: &K, other: impl FnOnce() -> K) -> usize {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let key = if self.names.len() >= MAX_KEYS { other() } else { key.clone() };
        let next = self.names.len();
        let names = &mut self.names;
        *self.numbers.entry(key).or_insert_with_key(|key| {
            names.push(key.clone());
            next
        })
    }
}

/// Everything that was counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    /// Lines that are no records.
    pub(crate) unreadable: u64,
    /// Messages about nothing in particular: lists, pings, notifications.
    pub(crate) other: u64,
    /// The first and the last record.
    pub(crate) span: Option<(i64, i64)>,
    pub(crate) total: Counts,
    pub(crate) gaps: u64,
    pub(crate) dropped: u64,
    pub(crate) suppressed: u64,
    pub(crate) person_names: Numbers<Person>,
    pub(crate) people: Vec<Subject>,
    pub(crate) target_names: Numbers<Target>,
    pub(crate) targets: Vec<Subject>,
    /// How often, and when last.
    pub(crate) denials: HashMap<Denial, (u64, i64)>,
    /// Refusals that were of too many kinds to tell all apart.
    pub(crate) folded: u64,
    pub(crate) slots: BTreeMap<i64, Counts>,
    /// Calls without an outcome so far: the person, the target and the slot.
    open: HashMap<String, (usize, usize, i64)>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            records: 0,
            unreadable: 0,
            other: 0,
            span: None,
            total: Counts::default(),
            gaps: 0,
            dropped: 0,
            suppressed: 0,
            person_names: Numbers::new(),
            people: Vec::new(),
            target_names: Numbers::new(),
            targets: Vec::new(),
            denials: HashMap::new(),
            folded: 0,
            slots: BTreeMap::new(),
            open: HashMap::new(),
        }
    }

    pub(crate) fn add(&mut self, line: &Line, filter: &Filter) {
        let Line::Record(record) = line else {
            self.unreadable += 1;
            return;
        };
        let Some(at) = record.at() else { return };
        if record.record == "outcome" {
            // Belongs to its decision, whenever it came.
            self.outcome(record);
            return;
        }
        if !filter.in_time(at) {
            return;
        }
        match record.record.as_str() {
            "decision" if filter.wants(record) => self.decision(record, at),
            "decision" => return,
            "gap" => {
                self.gaps += 1;
                self.dropped += record.dropped.unwrap_or_default();
            }
            "suppressed" => self.suppressed += record.count.unwrap_or_default(),
            _ => {}
        }
        self.records += 1;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    fn decision(&mut self, record: &Record, at: i64) {
        let decision = record.decision.as_deref().unwrap_or_default();
        let refused = matches!(decision, "deny" | "challenge" | "error");
        if record.target.is_none() && !refused {
            self.other += 1;
            return;
        }
        let person = record.principal.clone().unwrap_or_default();
        let person = self
            .person_names
            .of(&person, || Person { sub: Some("(others)".to_owned()), ..Person::default() });
        let kind = record.target_type.as_deref().or(record.method.as_deref()).unwrap_or("request");
        let name = record.target.clone().unwrap_or_default();
        let server = record.server().cloned().unwrap_or_default();
        let target = Target { kind: kind.to_owned(), name, server };
        let target = self.target_names.of(&target, others);
        subject(&mut self.people, person).seen(at, decision, Some(target));
        subject(&mut self.targets, target).seen(at, decision, Some(person));
        self.total.add(decision);
        let slot = at.div_euclid(SLOT);
        self.slots.entry(slot).or_default().add(decision);
        if refused {
            let denial = Denial {
                person,
                target,
                decision: decision.to_owned(),
                reason: record.reason.clone().unwrap_or_default(),
                rule: record.rule_id.clone().unwrap_or_default(),
            };
            let fits = self.denials.len() < MAX_KEYS || self.denials.contains_key(&denial);
            let denial = if fits { denial } else { self.folded(denial) };
            let (count, last) = self.denials.entry(denial).or_insert((0, at));
            *count += 1;
            *last = (*last).max(at);
        } else if let Some(id) = &record.event_id
            && self.open.len() < MAX_OPEN
        {
            self.open.insert(id.clone(), (person, target, slot));
        }
    }

    /// What stands for a denial of which there are too many kinds: the person stays. There are no more
    /// of these than people, for each of the three words of a refusal.
    fn folded(&mut self, denial: Denial) -> Denial {
        self.folded += 1;
        Denial { target: OTHERS, reason: String::new(), rule: String::new(), ..denial }
    }

    /// A denial's target.
    pub(crate) fn target(&self, number: usize) -> Target {
        self.target_names.names.get(number).cloned().unwrap_or_else(others)
    }

    /// Whether there is more than one server.
    pub(crate) fn has_servers(&self) -> bool {
        let mut servers = self.target_names.names.iter().map(|target| &target.server);
        let first = servers.next();
        servers.any(|server| Some(server) != first)
    }

    fn outcome(&mut self, record: &Record) {
        let Some(open) = record.event_id.as_ref().and_then(|id| self.open.remove(id)) else {
            return;
        };
        let (person, target, slot) = open;
        self.records += 1;
        let result = record.result_type.as_deref().unwrap_or_default();
        let failed = u64::from(matches!(result, "error" | "is_error" | "aborted"));
        for subject in [subject(&mut self.people, person), subject(&mut self.targets, target)] {
            subject.ended += 1;
            subject.millis += record.duration_ms.unwrap_or_default();
            subject.counts.failed += failed;
        }
        self.total.failed += failed;
        self.slots.entry(slot).or_default().failed += failed;
    }
}

fn subject(subjects: &mut Vec<Subject>, number: usize) -> &mut Subject {
    if subjects.len() <= number {
        subjects.resize_with(number + 1, Subject::default);
    }
    // INVARIANT: just made long enough.
    #[expect(clippy::indexing_slicing, reason = "the line before makes it long enough")]
    &mut subjects[number]
}
