//! One pass over one message: lists, caching hints, versions.

use std::ops::Range;

use portcullis_core::{Reason, TargetKind, Version};

use super::item::item;
use super::{Answer, Facets, RpcError, TaskNews, expect, known, member, meta, skip};
use crate::custom::{self, Param};
use crate::json::{Kind, Scanner, Str};
use crate::judge::Judge;
use crate::names::{self, Known};
use crate::splice::Splice;
use crate::task;
use crate::violation::{BAD_RPC, Violation};

/// The lists that a result may have, and what names their items.
pub(super) static LISTS: Known =
    Known::new(&["tools", "prompts", "resources", "resourceTemplates", "tasks"]);

pub(super) fn list(name: &str) -> Option<(TargetKind, &'static str)> {
    Some(match name {
        "tools" => (TargetKind::Tool, "name"),
        "prompts" => (TargetKind::Prompt, "name"),
        "resources" => (TargetKind::Resource, "uri"),
        "resourceTemplates" => (TargetKind::ResourceTemplate, "uriTemplate"),
        "tasks" => (TargetKind::Task, "taskId"),
        _ => return None,
    })
}

/// One pass over one message.
pub(super) struct Pass<'p, 'j, 'a> {
    pub(super) facets: Facets<'p>,
    pub(super) judge: &'p mut Judge<'j>,
    pub(super) splice: Splice<'a>,
    pub(super) declared: Vec<(Str<'a>, Vec<Param>)>,
    /// What changes inside the item that is being read, if it is kept.
    pub(super) renames: Vec<(Range<usize>, String)>,
}

impl<'a> Pass<'_, '_, 'a> {
    pub(super) fn result(
        &mut self,
        scanner: &mut Scanner<'a>,
        answer: &mut Answer<'a>,
    ) -> Result<(), Violation> {
        let mut members = 0_usize;
        let mut end = scanner.at() + 1;
        // The time that a task is kept has the name of a caching hint.
        let hints = self.facets.modern && self.facets.task == TaskNews::None;
        let mut ttl = false;
        let mut scope = false;
        scanner.object(|scanner, name| {
            members += 1;
            match member(name, &LISTS)? {
                Some(known) => {
                    answer.listed = true;
                    self.list(scanner, known)?;
                }
                None => match &*name.decoded() {
                    "contents" if self.facets.contents => {
                        expect(scanner, Kind::Array)?;
                        self.items(scanner, (TargetKind::Resource, "uri"))?;
                    }
                    "ttlMs" if hints => {
                        ttl = true;
                        self.ttl(scanner)?;
                    }
                    "cacheScope" if hints => {
                        scope = true;
                        self.cache_scope(scanner)?;
                    }
                    "supportedVersions" if self.facets.discover.is_some() => {
                        self.versions(scanner)?;
                    }
                    "resultType" if self.facets.modern => {
                        expect(scanner, Kind::String)?;
                        answer.result_type = Some(scanner.string()?.decoded());
                    }
                    "isError" if scanner.peek()? == Kind::Bool => {
                        let range = scanner.skip()?;
                        answer.is_error = scanner.slice(range) == "true";
                    }
                    "protocolVersion" if scanner.peek()? == Kind::String => {
                        answer.protocol_version = Some(scanner.string()?.decoded());
                    }
                    "_meta" if scanner.peek()? == Kind::Object => {
                        let meta = meta(scanner)?;
                        answer.subscription = meta.subscription;
                        answer.server_info = meta.server_info.or(answer.server_info.take());
                    }
                    "serverInfo" => answer.server_info = Some(scanner.skip()?),
                    "content" if self.facets.links => {
                        let start = scanner.at();
                        self.content(scanner)?;
                        answer.content = Some(start..scanner.at_end());
                    }
                    "content" => answer.content = Some(scanner.skip()?),
                    "messages" if self.facets.links => self.messages(scanner)?,
                    "instructions" if self.facets.no_instructions => {
                        let range = scanner.skip()?;
                        self.splice.replace(range, "\"\"");
                    }
                    "capabilities" if self.facets.no_idle_features => {
                        self.capabilities(scanner)?;
                    }
                    // As the answer to the call that the task began with would be.
                    "completion" if self.facets.completion.is_some() => self.completion(scanner)?,
                    "result" if self.facets.task == TaskNews::State => {
                        expect(scanner, Kind::Object)?;
                        self.result(scanner, &mut Answer::default())?;
                    }
                    "error" if self.facets.task == TaskNews::State => {
                        expect(scanner, Kind::Object)?;
                        answer.inlined_error = Some(Box::new(self.error(scanner)?));
                    }
                    "result" | "error" => {
                        answer.inlined = true;
                        skip(scanner)?;
                    }
                    "inputRequests" => {
                        let start = scanner.at();
                        self.input_requests(scanner)?;
                        answer.input_requests = Some(start..scanner.at_end());
                    }
                    other if self.facets.task != TaskNews::None => {
                        known(other, &names::TASK_NEWS)?;
                        skip(scanner)?;
                    }
                    _ => skip(scanner)?,
                },
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        let complete = matches!(answer.result_type.as_deref(), None | Some("complete"));
        if hints && complete && (self.facets.cacheable || answer.listed) {
            let mut comma = if members == 0 { "" } else { "," };
            for (present, text) in [(ttl, r#""ttlMs":0"#), (scope, r#""cacheScope":"private""#)] {
                if !present {
                    self.splice.replace(end..end, comma);
                    self.splice.replace(end..end, text);
                    comma = ",";
                }
            }
        }
        Ok(())
    }

    pub(super) fn error(&mut self, scanner: &mut Scanner<'a>) -> Result<RpcError<'a>, Violation> {
        let start = scanner.at();
        let mut code = None;
        let mut said = None;
        let mut end = start;
        scanner.object(|scanner, name| {
            match &*name.decoded() {
                "code" => {
                    expect(scanner, Kind::Number)?;
                    code = scanner.number()?.parse().ok();
                }
                "message" if scanner.peek()? == Kind::String => said = Some(scanner.string()?),
                // An error may list what there is instead of what was asked for (X-138).
                "data" if scanner.peek()? == Kind::Object => self.lists_in(scanner)?,
                _ => skip(scanner)?,
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        Ok(RpcError { code: code.ok_or(BAD_RPC)?, said, range: start..end + 1 })
    }

    /// Filters the lists among the members of an object that has no need to have any.
    fn lists_in(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        scanner.object(|scanner, name| match member(name, &LISTS)? {
            Some(known) => self.list(scanner, known),
            None => skip(scanner),
        })
    }

    pub(super) fn list(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<(), Violation> {
        expect(scanner, Kind::Array)?; // X-145.
        match list(name) {
            Some(list) => self.items(scanner, list),
            None => Err(BAD_RPC),
        }
    }

    /// Filters a list whose items are objects that are named by `key`.
    fn items(
        &mut self,
        scanner: &mut Scanner<'a>,
        (kind, key): (TargetKind, &str),
    ) -> Result<(), Violation> {
        let notices = kind == TargetKind::Tool && self.judge.notices();
        self.keep(scanner, |pass, scanner| {
            let uis = kind == TargetKind::Tool && pass.facets.tool_uis;
            let start = scanner.at();
            let item = item(scanner, key, notices, uis)?;
            let definition = start..scanner.at_end();
            if let (true, Some(support)) = (pass.facets.no_tasks, item.task_support) {
                pass.renames.push((support, r#""forbidden""#.to_owned()));
            }
            if let Some(ui) = item.ui {
                pass.ui(scanner, &ui);
            }
            let Some(name) = item.name else {
                pass.judge.hide(kind, None); // It cannot be authorized (R-223).
                return Ok(false);
            };
            if kind == TargetKind::Task {
                let is_own = pass.own_task(name);
                if let (Some(said), Some((_, own))) = (item.status, pass.renames.last()) {
                    let new = task::reworded(said, &name.decoded(), own);
                    pass.renames.extend(new.map(|new| (said.range(), new)));
                }
                return Ok(is_own);
            }
            if notices {
                pass.judge.notice(name, item.hints);
            }
            let is_usable = kind != TargetKind::Tool
                || (pass.is_approved(name, scanner.slice(definition))
                    && (!pass.facets.modern
                        || pass.is_usable(name, item.schema.map(|schema| scanner.slice(schema)))));
            Ok(is_usable && pass.judge.shows(kind, name))
        })
    }

    /// Whether the task is the caller's and runs a tool that they may call; then they see it under
    /// the id that they know (R-211).
    pub(super) fn own_task(&mut self, id: Str<'a>) -> bool {
        let known = self.facets.tasks.and_then(|tasks| tasks.named(&id.decoded()));
        let Some((name, tool)) = known else {
            self.judge.hide(TargetKind::Task, None);
            return false;
        };
        self.renames.push((id.range(), name));
        self.judge.shows_name(TargetKind::Tool, &tool)
    }

    /// Whether the tool's definition is the one that was approved (R-238).
    fn is_approved(&mut self, name: Str<'a>, definition: &str) -> bool {
        let Some(pins) = self.facets.pins else { return true };
        let approved = pins.may_show(&name.decoded(), definition.as_bytes(), self.facets.limits);
        if !approved {
            self.judge.hide(TargetKind::Tool, Some(name));
        }
        approved
    }

    /// Whether the tool's headers are declared as they must be (R-057); what they are is kept.
    fn is_usable(&mut self, name: Str<'a>, schema: Option<&str>) -> bool {
        let schema = schema.unwrap_or_default();
        let params = match custom::params(schema.as_bytes(), self.facets.limits) {
            Ok(params) => params,
            Err(invalid) => {
                let tool = name.decoded();
                tracing::warn!(?tool, %invalid, "tool left out: its x-mcp-header cannot be used");
                self.judge.hide(TargetKind::Tool, Some(name));
                return false;
            }
        };
        if let Some(catalogue) = self.facets.catalogue
            && !(params.is_empty() && catalogue.is_empty())
        {
            self.declared.push((name, params));
        }
        true
    }

    /// Keeps the items of an array for which `shown`, which reads one item, says so.
    pub(super) fn keep(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut shown: impl FnMut(&mut Self, &mut Scanner<'a>) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let mut kept = false;
        let mut gap = None;
        // The end of the item before, white space included.
        let mut end = 0;
        scanner.array(|scanner| {
            let start = scanner.at();
            let is_shown = shown(self, scanner)?;
            let mut renames = std::mem::take(&mut self.renames);
            if is_shown {
                renames.sort_unstable_by_key(|(range, _)| range.start);
                if let Some(from) = gap.take() {
                    self.splice.replace(from..start, if kept { "," } else { "" });
                }
                for (range, name) in renames {
                    self.splice.replace(range, &name);
                }
                kept = true;
            } else if gap.is_none() {
                gap = Some(if kept { end } else { start });
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        if let Some(from) = gap {
            self.splice.replace(from..end, "");
        }
        Ok(())
    }

    /// Has `read` read, and edit, the part of the message at `range`, which was read over before.
    pub(super) fn part<R>(
        &mut self,
        source: &'a [u8],
        range: Range<usize>,
        read: impl FnOnce(&mut Self, &mut Scanner<'a>) -> Result<R, Violation>,
    ) -> Result<R, Violation> {
        let part = source.get(range.clone()).unwrap_or_default();
        let mut splice = Splice::new(part, 0);
        std::mem::swap(&mut self.splice, &mut splice);
        let done = Scanner::new(part, self.facets.limits)
            .map_err(Violation::from)
            .and_then(|mut scanner| read(self, &mut scanner));
        std::mem::swap(&mut self.splice, &mut splice);
        if let Some(edited) = splice.finish(part.len()) {
            // What was JSON is still JSON: only whole values went.
            let edited = std::str::from_utf8(&edited).map_err(|_| BAD_RPC)?;
            self.splice.replace(range, edited);
        }
        done
    }

    fn ttl(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let range = scanner.skip()?;
        let sent = scanner.slice(range.clone());
        let allowed = match sent.parse::<u64>() {
            Ok(sent) if sent <= self.facets.ttl_ms => return Ok(()),
            Ok(_) => self.facets.ttl_ms,
            // A fraction, an exponent, a negative number, or no number: no time that we promise.
            Err(_) => 0,
        };
        self.splice.replace(range, &allowed.to_string());
        Ok(())
    }

    fn cache_scope(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let range = scanner.skip()?;
        if scanner.slice(range.clone()) != r#""private""# {
            self.splice.replace(range, r#""private""#);
        }
        Ok(())
    }

    /// Offers only the versions that the gate speaks (R-045), and never none (R-087).
    fn versions(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let Some(enabled) = self.facets.discover else { return Err(BAD_RPC) };
        expect(scanner, Kind::Array)?;
        let mut any = false;
        self.keep(scanner, |_, scanner| {
            expect(scanner, Kind::String)?;
            let version = Version::parse(&scanner.string()?.decoded());
            let known = version.is_some_and(|version| enabled.contains(&version));
            any |= known;
            Ok(known)
        })?;
        if any { Ok(()) } else { Err(Violation::new(Reason::BadVersion)) }
    }
}
