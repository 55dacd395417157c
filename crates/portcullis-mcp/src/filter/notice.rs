//! Notifications: for whom they are, and what they may say (requirements 2.4, R-081).

use std::ops::Range;

use portcullis_core::TargetKind;

use super::list::LISTS;
use super::pass::Pass;
use super::{Id, TaskNews, expect, known, member, meta, skip};
use crate::json::{Kind, Scanner, Str};
use crate::listen::TASK_NEWS;
use crate::names;
use crate::violation::{BAD_RPC, Violation};

/// What a server says about one of its tasks (2025-11-25).
const TASK_STATUS: &str = "notifications/tasks/status";

impl<'a> Pass<'_, '_, 'a> {
    /// Whether the notification may pass, after filtering what it says.
    pub(super) fn notification(
        &mut self,
        source: &'a [u8],
        method: &str,
        params: Option<Range<usize>>,
    ) -> Result<bool, Violation> {
        if let Some(listen) = self.facets.listen
            && !listen.delivers(method)
        {
            return Ok(false);
        }
        match params {
            Some(range) => self.part(source, range, |pass, scanner| pass.params(method, scanner)),
            // Without parameters there is nothing to say whom it is for, or what is new.
            None => Ok(self.facets.listen.is_none() && !names_something(method)),
        }
    }

    fn params(&mut self, method: &str, scanner: &mut Scanner<'a>) -> Result<bool, Violation> {
        let mut uri = None;
        let mut task = None;
        let mut id = Id::Absent;
        let mut acknowledged = false;
        let names = if method == TASK_NEWS { &names::WATCHED } else { &names::NOTICE };
        scanner.object(|scanner, name| {
            match member(name, &LISTS)? {
                Some(known) if scanner.peek()? == Kind::Array => self.list(scanner, known)?,
                Some(_) => return Err(BAD_RPC),
                None => match known(&name.decoded(), names)?.unwrap_or_default() {
                    "uri" if scanner.peek()? == Kind::String => uri = Some(scanner.string()?),
                    "taskId" if method == TASK_STATUS && scanner.peek()? == Kind::String => {
                        let id = scanner.string()?;
                        task = Some(self.own_task(id));
                        self.rename();
                    }
                    "taskId" if method == TASK_NEWS && scanner.peek()? == Kind::String => {
                        let id = scanner.string()?;
                        task = Some(self.watched_task(id));
                        self.rename();
                    }
                    name @ ("result" | "error" | "inputRequests") => {
                        expect(scanner, Kind::Object)?;
                        self.come_to(scanner, name)?;
                    }
                    "_meta" if scanner.peek()? == Kind::Object => {
                        id = meta(scanner)?.subscription;
                    }
                    "notifications" if scanner.peek()? == Kind::Object => {
                        acknowledged = true;
                        self.acknowledged(scanner)?;
                    }
                    _ => skip(scanner)?,
                },
            }
            Ok::<_, Violation>(())
        })?;
        if let Some(listen) = self.facets.listen
            && !listen.is_marked(id)
        {
            return Ok(false);
        }
        Ok(match method {
            // The URI delivered counts, not the one subscribed to.
            "notifications/resources/updated" => {
                let wanted =
                    |uri: Str<'_>| self.facets.listen.is_none_or(|it| it.hears_of(&uri.decoded()));
                uri.is_some_and(|uri| wanted(uri) && self.judge.shows(TargetKind::Resource, uri))
            }
            "notifications/subscriptions/acknowledged" => acknowledged,
            TASK_STATUS | TASK_NEWS => task == Some(true),
            _ => true,
        })
    }

    fn rename(&mut self) {
        for (range, name) in std::mem::take(&mut self.renames) {
            self.splice.replace(range, &name);
        }
    }

    /// Whether the subscription is to a task of this id, whose tool the caller may still call; then they see
    /// it under the id that they know.
    fn watched_task(&mut self, id: Str<'a>) -> bool {
        let Some(task) = self.facets.listen.and_then(|listen| listen.task(&id.decoded())) else {
            self.judge.hide(TargetKind::Task, None);
            return false;
        };
        self.renames.push((id.range(), task.client_id.clone()));
        self.judge.shows_name(TargetKind::Tool, &task.tool)
    }

    /// What a task has come to is filtered like the answer to a request for it.
    fn come_to(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<(), Violation> {
        let outer = std::mem::replace(&mut self.facets.task, TaskNews::State);
        let read = match name {
            "result" => self.outcome(scanner),
            "error" => self.error(scanner).map(drop),
            _ => self.input_requests(scanner),
        };
        self.facets.task = outer;
        read
    }

    /// Reduces an acknowledgement to what was asked for and may be seen.
    fn acknowledged(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let Some(listen) = self.facets.listen else {
            return skip(scanner);
        };
        scanner.object(|scanner, name| {
            let name = name.decoded();
            match scanner.peek()? {
                Kind::Array if name == "taskIds" => self.keep(scanner, |pass, scanner| {
                    if scanner.peek()? != Kind::String {
                        scanner.skip()?;
                        return Ok(false);
                    }
                    let id = scanner.string()?;
                    Ok(pass.watched_task(id))
                }),
                Kind::Array => self.keep(scanner, |pass, scanner| {
                    if name != "resourceSubscriptions" || scanner.peek()? != Kind::String {
                        scanner.skip()?;
                        return Ok(false);
                    }
                    let uri = scanner.string()?;
                    Ok(listen.asked_for(&uri.decoded())
                        && pass.judge.shows(TargetKind::Resource, uri))
                }),
                _ => {
                    let range = scanner.skip()?;
                    if !listen.wants(&name) && scanner.slice(range.clone()) != "false" {
                        self.splice.replace(range, "false");
                    }
                    Ok(())
                }
            }
        })
    }
}

/// Whether a notification without parameters leaves out what it is about.
fn names_something(method: &str) -> bool {
    matches!(
        method,
        "notifications/resources/updated"
            | "notifications/subscriptions/acknowledged"
            | TASK_STATUS
            | TASK_NEWS
    )
}
