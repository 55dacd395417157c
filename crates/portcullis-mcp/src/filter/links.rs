//! What results point at, where the deployment wants it checked (requirements 2.5).

use portcullis_core::TargetKind;

use super::pass::Pass;
use super::{expect, known, skip};
use crate::json::{Kind, Scanner, Str};
use crate::names;
use crate::violation::Violation;

impl<'a> Pass<'_, '_, 'a> {
    /// Leaves out of the `content` of a tool result what points at a resource that the caller may
    /// not read.
    pub(super) fn content(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        expect(scanner, Kind::Array)?;
        self.keep(scanner, |pass, scanner| {
            let link = link(scanner)?;
            Ok(pass.may_show(link))
        })
    }

    /// Leaves out of the `messages` of a prompt those that point at such a resource.
    pub(super) fn messages(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        expect(scanner, Kind::Array)?;
        self.keep(scanner, |pass, scanner| {
            let mut shown = true;
            if scanner.peek()? != Kind::Object {
                return skip(scanner).map(|()| false);
            }
            scanner.object(|scanner, name| {
                match scanner.peek()? {
                    Kind::Array if name.eq("content") => scanner.array(|scanner| {
                        let link = link(scanner)?;
                        shown &= pass.may_show(link);
                        Ok::<_, Violation>(())
                    })?,
                    _ if name.eq("content") => {
                        let link = link(scanner)?;
                        shown &= pass.may_show(link);
                    }
                    _ => skip(scanner)?,
                }
                Ok::<_, Violation>(())
            })?;
            Ok(shown)
        })
    }

    /// Leaves out of a completion the values that lead to what the caller may not read.
    pub(super) fn completion(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let completion = self.facets.completion;
        expect(scanner, Kind::Object)?;
        scanner.object(|scanner, name| {
            if known(&name.decoded(), &names::COMPLETION)?.is_none() {
                return skip(scanner);
            }
            expect(scanner, Kind::Array)?;
            self.keep(scanner, |pass, scanner| {
                expect(scanner, Kind::String)?;
                let value = scanner.string()?;
                Ok(match completion.and_then(|completion| completion.with(&value.decoded())) {
                    Some((kind, uri)) => pass.judge.shows_name(kind, &uri),
                    None => {
                        pass.judge.hide(TargetKind::Resource, None);
                        false
                    }
                })
            })
        })
    }

    fn may_show(&mut self, link: Link<'a>) -> bool {
        match link {
            Link::None => true,
            Link::To(uri) => self.judge.shows(TargetKind::Resource, uri),
            Link::Nowhere => {
                self.judge.hide(TargetKind::Resource, None);
                false
            }
        }
    }
}

/// What a block of content points at.
#[derive(Clone, Copy)]
enum Link<'a> {
    None,
    To(Str<'a>),
    /// A resource without a URI, which cannot be authorized.
    Nowhere,
}

fn link<'a>(scanner: &mut Scanner<'a>) -> Result<Link<'a>, Violation> {
    if scanner.peek()? != Kind::Object {
        return skip(scanner).map(|()| Link::Nowhere);
    }
    let mut kind = None;
    let mut uri = None;
    let mut inner = None;
    scanner.object(|scanner, name| {
        match (&*name.decoded(), scanner.peek()?) {
            ("type", Kind::String) => kind = Some(scanner.string()?.decoded()),
            ("uri", Kind::String) => uri = Some(scanner.string()?),
            ("resource", Kind::Object) => scanner.object(|scanner, name| {
                if name.eq("uri") && scanner.peek()? == Kind::String {
                    inner = Some(scanner.string()?);
                    return Ok::<_, Violation>(());
                }
                skip(scanner)
            })?,
            _ => skip(scanner)?,
        }
        Ok::<_, Violation>(())
    })?;
    Ok(match kind.as_deref() {
        Some("resource_link") => uri.map_or(Link::Nowhere, Link::To),
        Some("resource") => inner.map_or(Link::Nowhere, Link::To),
        _ => Link::None,
    })
}
