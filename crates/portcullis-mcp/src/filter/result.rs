//! Results and errors, member by member: lists, caching hints, versions.

use portcullis_core::{Reason, TargetKind, Version};

use super::list::LISTS;
use super::pass::Pass;
use super::{Answer, RpcError, TaskNews, expect, known, member, meta, skip};
use crate::json::{Kind, Scanner};
use crate::names;
use crate::violation::{BAD_RPC, Violation};

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
                        answer.related = meta.related;
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
                    "completion"
                        if self.facets.completion.is_some() || self.facets.no_completions =>
                    {
                        self.completion(scanner)?;
                    }
                    "result" if self.facets.task == TaskNews::State => self.outcome(scanner)?,
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
                    other if self.facets.modern => {
                        let task = self.facets.task != TaskNews::None;
                        known(other, if task { &names::TASK_NEWS } else { &names::ROUND })?;
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

    /// The result of a task: the answer to the call that it began with, and the last word on it.
    pub(super) fn outcome(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        expect(scanner, Kind::Object)?;
        let mut answer = Answer::default();
        self.result(scanner, &mut answer)?;
        let complete = matches!(answer.result_type.as_deref(), None | Some("complete"));
        if complete && answer.input_requests.is_none() { Ok(()) } else { Err(BAD_RPC) }
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
                other => {
                    known(other, &names::ERROR)?;
                    skip(scanner)?;
                }
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        Ok(RpcError { code: code.ok_or(BAD_RPC)?, said, range: start..end + 1 })
    }

    fn ttl(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let range = scanner.skip()?;
        let sent = scanner.slice(range.clone());
        let most = self.facets.ttl.milliseconds();
        let allowed = match sent.parse::<u64>() {
            Ok(sent) if sent <= most => return Ok(()),
            Ok(_) => most,
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
