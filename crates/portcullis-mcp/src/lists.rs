//! Which lists a client is told of when they change, and what it is told after policy has (R-227).

use crate::filter::{SUBSCRIPTION_ID, skip};
use crate::json::{JsonLimits, Kind, Scanner};
use crate::violation::Violation;

/// Some of the lists of a service.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Lists {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
}

impl Lists {
    /// Those of which the answer to `initialize` says that its service tells when they change.
    pub(crate) fn declared(answer: &[u8], limits: JsonLimits) -> Result<Self, Violation> {
        let mut lists = Self::default();
        let mut scanner = Scanner::new(answer, limits)?;
        lists.read(&mut scanner, &["result", "capabilities"])?;
        Ok(lists)
    }

    fn read(&mut self, scanner: &mut Scanner<'_>, path: &[&str]) -> Result<(), Violation> {
        scanner.object(|scanner, name| {
            if scanner.peek()? != Kind::Object {
                return skip(scanner);
            }
            if let [next, rest @ ..] = path {
                return if name.eq(next) { self.read(scanner, rest) } else { skip(scanner) };
            }
            let list = match &*name.decoded() {
                "tools" => &mut self.tools,
                "prompts" => &mut self.prompts,
                "resources" => &mut self.resources,
                _ => return skip(scanner),
            };
            scanner.object(|scanner, name| {
                let known = name.eq("listChanged") && scanner.peek()? == Kind::Bool;
                let value = scanner.skip()?;
                *list |= known && scanner.slice(value) == "true";
                Ok(())
            })
        })
    }

    /// As a number below 8.
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.tools) | u8::from(self.prompts) << 1 | u8::from(self.resources) << 2
    }

    /// What [`bits`](Self::bits) made.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self { tools: bits & 1 != 0, prompts: bits & 2 != 0, resources: bits & 4 != 0 }
    }

    /// The notifications that these have changed, in the subscription of that id.
    pub(crate) fn changed(self, subscription: Option<&str>) -> impl Iterator<Item = String> {
        let params = subscription
            .map(|id| format!(r#","params":{{"_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}"#))
            .unwrap_or_default();
        let names =
            [(self.tools, "tools"), (self.prompts, "prompts"), (self.resources, "resources")];
        names.into_iter().filter(|(wanted, _)| *wanted).map(move |(_, name)| {
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/{name}/list_changed"{params}}}"#)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn what_a_service_declares() {
        let rows = [
            (
                "all",
                r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}}"#,
                7,
            ),
            (
                "one",
                r#"{"tools":{},"prompts":{"listChanged":true},"resources":{"listChanged":false}}"#,
                2,
            ),
            ("none", r#"{"tools":true,"logging":{"listChanged":true},"completions":{}}"#, 0),
            ("not a switch", r#"{"tools":{"listChanged":"true"}}"#, 0),
            ("elsewhere", r#"{"experimental":{"tools":{"listChanged":true}}}"#, 0),
        ];
        for (name, capabilities, bits) in rows {
            let answer = format!(
                r#"{{"jsonrpc":"2.0","id":1,"tools":{{"listChanged":true}},"result":{{"capabilities":{capabilities}}}}}"#
            );
            let lists = Lists::declared(answer.as_bytes(), Limits::new().json()).unwrap();
            assert_eq!(lists.bits(), bits, "{name}");
            assert_eq!(Lists::from_bits(bits), lists, "{name}");
        }
    }

    #[test]
    fn what_a_client_is_told() {
        let told: Vec<_> = Lists::from_bits(5).changed(None).collect();
        assert_eq!(
            told,
            [
                r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#
            ]
        );
        let told: Vec<_> = Lists::from_bits(2).changed(Some("\"a\"")).collect();
        assert_eq!(
            told,
            [
                r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}}"#
            ]
        );
        assert_eq!(Lists::default().changed(None).count(), 0);
    }
}
