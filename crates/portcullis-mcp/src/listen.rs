//! What a `subscriptions/listen` asked for, and how far its stream has come (R-081).

use bytes::Bytes;
use portcullis_core::Text;

use crate::filter::{Id, SUBSCRIPTION_ID, skip};
use crate::json::{JsonLimits, Kind, Scanner};
use crate::lists::Lists;
use crate::task::Task;
use crate::violation::Violation;

/// What a server says about a task that somebody watches.
pub(crate) const TASK_NEWS: &str = "notifications/tasks";

/// A listen stream.
#[derive(Debug)]
pub(crate) struct Listen {
    id: Text,
    acknowledged: bool,
    asked: Lists,
    /// Those of the lists asked for that the service will tell of.
    granted: Lists,
    uris: Vec<String>,
    /// The tasks of which the client wants news.
    tasks: Vec<Task>,
    /// The ids of those that the service will tell of, as the client knows them.
    watched: Vec<String>,
}

impl Listen {
    /// The stream that the request `id`, whose bytes are `raw`, opens. Inspection has read these
    /// bytes before; what cannot be read here was not asked for.
    pub(crate) fn new(id: Text, raw: &Bytes, limits: JsonLimits) -> Self {
        let mut listen = Self {
            id,
            acknowledged: false,
            asked: Lists::default(),
            granted: Lists::default(),
            uris: Vec::new(),
            tasks: Vec::new(),
            watched: Vec::new(),
        };
        let read = Scanner::new(raw, limits)
            .map_err(Violation::from)
            .and_then(|mut scanner| listen.read(&mut scanner, &["params", "notifications"]));
        if read.is_err() {
            listen.uris.clear();
        }
        listen
    }

    fn read(&mut self, scanner: &mut Scanner<'_>, path: &[&str]) -> Result<(), Violation> {
        scanner.object(|scanner, name| {
            match (path, scanner.peek()?) {
                ([next, rest @ ..], Kind::Object) if name.eq(next) => self.read(scanner, rest)?,
                ([], Kind::Bool) => {
                    let range = scanner.skip()?;
                    let wanted = scanner.slice(range) == "true";
                    match &*name.decoded() {
                        "toolsListChanged" => self.asked.tools = wanted,
                        "promptsListChanged" => self.asked.prompts = wanted,
                        "resourcesListChanged" => self.asked.resources = wanted,
                        _ => {}
                    }
                }
                ([], Kind::Array) if name.eq("resourceSubscriptions") => {
                    scanner.array(|scanner| {
                        self.uris.push(scanner.string()?.decoded().into_owned());
                        Ok::<_, Violation>(())
                    })?;
                }
                ([], Kind::Array) if name.eq("taskIds") => {
                    scanner.array(|scanner| {
                        self.watched.push(scanner.string()?.decoded().into_owned());
                        Ok::<_, Violation>(())
                    })?;
                }
                _ => skip(scanner)?,
            }
            Ok(())
        })
    }

    /// Says of which tasks of the caller's it asks for news.
    pub(crate) fn watches(&mut self, tasks: &[Task]) {
        self.tasks = tasks.to_vec();
    }

    /// The task that the service calls `upstream_id`, if news of it were asked for.
    pub(crate) fn task(&self, upstream_id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.upstream_id == upstream_id)
    }

    /// The task that the client calls `client_id`, if news of it were asked for.
    pub(crate) fn own_task(&self, client_id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.client_id == client_id)
    }

    /// The id of the request, which is the subscription's too.
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The lists of which the service will tell, as far as it has said so.
    pub(crate) fn granted(&self) -> Lists {
        self.granted
    }

    /// Notes that the acknowledgement passed, as the client sees it: nothing may pass before it. Of the
    /// resources and tasks asked for only those in it count from now on (R-209).
    pub(crate) fn acknowledge(&mut self, message: &[u8], limits: JsonLimits) {
        self.acknowledged = true;
        let asked = std::mem::take(&mut self.asked);
        self.uris.clear();
        self.watched.clear();
        let read = Scanner::new(message, limits)
            .map_err(Violation::from)
            .and_then(|mut scanner| self.read(&mut scanner, &["params", "notifications"]));
        if read.is_err() {
            self.uris.clear();
            self.watched.clear();
        }
        let watched = std::mem::take(&mut self.watched);
        self.tasks.retain(|task| watched.contains(&task.client_id));
        self.granted = std::mem::replace(&mut self.asked, asked);
    }

    /// Whether a notification of `method` may come now.
    pub(crate) fn delivers(&self, method: &str) -> bool {
        match method {
            "notifications/subscriptions/acknowledged" => !self.acknowledged,
            _ if !self.acknowledged => false,
            "notifications/tools/list_changed" => self.asked.tools,
            "notifications/prompts/list_changed" => self.asked.prompts,
            "notifications/resources/list_changed" => self.asked.resources,
            "notifications/resources/updated" => !self.uris.is_empty(),
            TASK_NEWS => !self.tasks.is_empty(),
            _ => false,
        }
    }

    /// Whether the switch `name` was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match name {
            "toolsListChanged" => self.asked.tools,
            "promptsListChanged" => self.asked.prompts,
            "resourcesListChanged" => self.asked.resources,
            _ => false,
        }
    }

    /// Whether updates of `uri` were asked for.
    pub(crate) fn asked_for(&self, uri: &str) -> bool {
        self.uris.iter().any(|asked| asked == uri)
    }

    /// Whether news of `uri` were: it is one of those asked for, or stands below one (R-210).
    pub(crate) fn hears_of(&self, uri: &str) -> bool {
        self.uris.iter().any(|asked| {
            uri.strip_prefix(asked.as_str()).is_some_and(|below| {
                below.is_empty() || asked.ends_with('/') || below.starts_with(['/', '?', '#'])
            })
        })
    }

    /// The answer that ends the stream in good order (R-082).
    pub(crate) fn closing(&self) -> String {
        let id = self.id.as_str();
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}}}"#
        )
    }

    /// Whether `id` is the subscription's.
    pub(crate) fn is_marked(&self, id: Id<'_>) -> bool {
        id.is(self.id())
    }
}
