//! Asks the authorizer about everything a message wants: one question after the other where answers come at
//! once, and together where they take their time.

use std::collections::VecDeque;
use std::net::IpAddr;

use portcullis_core::{Caller, McpMessage, TaskUse, Text};

use crate::policy::PROTOCOL;
use crate::reduce::is_reducible;
use crate::seen::Seen;
use crate::{Answer, Authorizer, Decision, Together};

mod question;

use question::{Asked, asked, is_about_beginning, query};

/// Who asks, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) source: Option<IpAddr>,
}

/// What was found out so far, and what to ask next.
#[derive(Debug, Default)]
pub(crate) struct Docket {
    /// The version of the policy that is asked.
    version: Option<Text>,
    /// How often the policy has changed meanwhile.
    changes: u8,
    element: usize,
    target: usize,
    so_far: Option<Decision>,
    /// What of the message can be left out, and which places are.
    spare: Spare,
    left_out: Vec<usize>,
    /// The finding of a message that is not a batch: no list needed.
    first: Option<Finding>,
    more: Vec<Finding>,
    /// The questions that were asked together, and their answers once there are any, in order.
    together: VecDeque<(Place, Option<Decision>)>,
}

/// The numbers of an element and of a target in it. Behind the targets of a call that may run as a task
/// comes the question whether it may.
type Place = (usize, usize);

/// Whether what is asked about can be left out of the message.
#[derive(Clone, Copy, Debug, Default)]
enum Spare {
    #[default]
    No,
    /// If it is denied.
    Denied,
    /// If it is not allowed as things are: nobody is asked to get a scope for it.
    NotAllowed,
}

/// What was found about one message.
#[derive(Debug)]
pub(crate) enum Finding {
    /// The decision; a denial is about this one of the targets.
    Decided(Decision, usize),
    /// Nothing that inspection could have let through.
    Nonsense,
}

/// Where the questions stand.
pub(crate) enum Step<L> {
    /// Wait for this answer, and hand it to [`Docket::hear`].
    Wait(L),
    /// Wait for these answers, and hand them to [`Docket::hear_all`].
    WaitForAll(Together),
    /// Every element of the message has its finding.
    Done,
}

impl Docket {
    /// A policy that changes more often than this during one message is not waited for.
    const MAX_CHANGES: u8 = 8;

    /// Asks until there is something to wait for or nothing left to ask.
    pub(crate) fn advance<A: Authorizer>(
        &mut self,
        authorizer: &A,
        seen: &Seen,
        asker: Asker<'_>,
        message: &McpMessage,
    ) -> Step<A::Later> {
        while let Some(element) = element(message, self.element) {
            let request = match asked(element) {
                Asked::About(request) => request,
                Asked::Nothing => {
                    self.close(Finding::Decided(Decision::Allow { rule: PROTOCOL }, 0));
                    continue;
                }
                Asked::Nonsense => {
                    self.close(Finding::Nonsense);
                    continue;
                }
            };
            let as_task = is_about_beginning(authorizer, request, self.target);
            self.spare = match request.task_use() {
                TaskUse::Offered(_) if as_task => Spare::NotAllowed,
                _ if is_reducible(request.method()) => Spare::Denied,
                _ => Spare::No,
            };
            let target = request.targets().nth(if as_task { 0 } else { self.target });
            if target.is_none() {
                if let Some(decision) = self.so_far.take() {
                    self.close(Finding::Decided(decision, 0));
                    continue;
                }
                if !self.left_out.is_empty() {
                    // What is left asks for nothing that policy is asked about.
                    self.close(Finding::Decided(Decision::Allow { rule: PROTOCOL }, 0));
                    continue;
                }
                if request.method().names_target() {
                    // Inspection left it out.
                    self.close(Finding::Nonsense);
                    continue;
                }
            }
            let Some(query) = query(asker, request, target, as_task) else {
                self.target += 1; // Whose it is, inspection has found out.
                continue;
            };
            if let Some(decision) = self.answered() {
                self.hear(decision);
                continue;
            }
            match authorizer.authorize(&seen.complete(authorizer, query)) {
                Answer::Now(decision) => self.hear(decision),
                Answer::Later(later) => {
                    return match self.ask_together(authorizer, seen, asker, message) {
                        Some(all) => Step::WaitForAll(all),
                        None => Step::Wait(later),
                    };
                }
            }
        }
        Step::Done
    }

    /// Asks all questions from the present one on that take their time, if there are several: who waits
    /// for one after the other waits for the sum. Some may turn out to be without need, because another
    /// answer is a denial.
    fn ask_together<A: Authorizer>(
        &mut self,
        authorizer: &A,
        seen: &Seen,
        asker: Asker<'_>,
        message: &McpMessage,
    ) -> Option<Together> {
        let mut queries = Vec::new();
        let mut together = VecDeque::new();
        let mut first = self.target;
        for number in self.element.. {
            let Some(element) = element(message, number) else { break };
            let Asked::About(request) = asked(element) else { continue };
            // One without targets has a question as well.
            let none = request.targets().next().is_none().then_some((None, false));
            let targets = request.targets().map(|target| (Some(target), false));
            let beginning = is_about_beginning(authorizer, request, request.targets().count())
                .then(|| (request.targets().next(), true));
            let targets = targets.chain(none).chain(beginning).enumerate();
            for (place, (target, as_task)) in targets.skip(std::mem::take(&mut first)) {
                let Some(query) = query(asker, request, target, as_task) else { continue };
                let query = seen.complete(authorizer, query);
                if let Answer::Later(_) = authorizer.authorize(&query) {
                    together.push_back(((number, place), None));
                    queries.push(query);
                }
            }
        }
        if queries.len() < 2 {
            return None;
        }
        self.together = together;
        Some(authorizer.authorize_list(&queries))
    }

    /// The answer to the present question, where it was asked together with others.
    fn answered(&mut self) -> Option<Decision> {
        let here = (self.element, self.target);
        while self.together.front().is_some_and(|(place, _)| *place < here) {
            self.together.pop_front(); // No longer of interest.
        }
        let (place, answer) = self.together.front_mut()?;
        if *place == here { answer.take() } else { None }
    }

    /// Takes the answers to the questions that were asked together. One that is missing is a denial.
    pub(crate) fn hear_all(&mut self, decisions: Vec<Decision>) {
        let decisions = decisions.into_iter().chain(std::iter::repeat_with(Decision::unavailable));
        for ((_, answer), decision) in self.together.iter_mut().zip(decisions) {
            *answer = Some(decision);
        }
    }

    /// Takes the answer to the last question. Every target must be allowed; scopes add up.
    pub(crate) fn hear(&mut self, decision: Decision) {
        let denied = matches!(decision, Decision::Deny { .. });
        let spared = match self.spare {
            Spare::No => false,
            Spare::Denied => denied,
            Spare::NotAllowed => !matches!(decision, Decision::Allow { .. }),
        };
        if spared {
            self.left_out.push(self.target);
            self.target += 1;
            return;
        }
        if denied {
            let target = self.target;
            return self.close(Finding::Decided(decision, target));
        }
        self.target += 1;
        self.so_far = Some(match (self.so_far.take(), decision) {
            (
                Some(Decision::NeedsScopes { rule, mut scopes }),
                Decision::NeedsScopes { scopes: others, .. },
            ) => {
                add_scopes(&mut scopes, others);
                Decision::NeedsScopes { rule, scopes }
            }
            (Some(earlier @ Decision::NeedsScopes { .. }), _) => earlier,
            (Some(earlier), Decision::Allow { .. }) => earlier,
            (_, decision) => decision,
        });
    }

    /// The version of the policy that gave the findings.
    pub(crate) fn version<A: Authorizer>(&mut self, authorizer: &A) -> Text {
        self.version.get_or_insert_with(|| authorizer.version()).clone()
    }

    /// A docket to start anew with, if the policy is not the one that has been asked.
    pub(crate) fn anew<A: Authorizer>(&self, authorizer: &A) -> Option<Self> {
        let version = authorizer.version();
        let changed = self.version.as_ref() != Some(&version) && self.changes < Self::MAX_CHANGES;
        changed.then(|| Self {
            version: Some(version),
            changes: self.changes + 1,
            ..Self::default()
        })
    }

    /// The places of the targets that are to be left out of the message.
    pub(crate) fn take_left_out(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.left_out)
    }

    /// The findings, in the order of the elements.
    pub(crate) fn findings(self) -> impl Iterator<Item = Finding> {
        self.first.into_iter().chain(self.more)
    }

    fn close(&mut self, finding: Finding) {
        self.element += 1;
        self.target = 0;
        self.so_far = None;
        if self.first.is_none() {
            self.first = Some(finding);
        } else {
            self.more.push(finding);
        }
    }
}

/// Adds what is missing.
pub(crate) fn add_scopes(scopes: &mut Vec<String>, others: Vec<String>) {
    for scope in others {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
}

/// The elements of a batch; any other message is its own only element.
pub(crate) fn element(message: &McpMessage, at: usize) -> Option<&McpMessage> {
    match message {
        McpMessage::Batch(elements) => elements.get(at),
        message => (at == 0).then_some(message),
    }
}
