//! All hooks of a layer, and in which order they are asked.

use std::sync::Arc;

use portcullis_core::Method;

use super::{Hook, HookPhase, Kind};
use crate::ConfigError;

/// All hooks of a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    /// By priority; those of one priority in the order in which they were added.
    all: Vec<Arc<Hook>>,
    on_answers: bool,
}

/// Hooks that are asked at the same time.
pub(super) type Group = Vec<Arc<Hook>>;

impl Hooks {
    pub(crate) fn add(&mut self, hook: Hook) -> Result<(), ConfigError> {
        hook.check()?;
        if self.all.iter().any(|other| other.name == hook.name) {
            let name = hook.name.as_str();
            return Err(ConfigError::new(format!("there are two hooks named {name:?}")));
        }
        self.on_answers |= Method::ALL.iter().any(|method| hook.is_on(HookPhase::Answer, *method));
        let at = self.all.partition_point(|other| other.priority <= hook.priority);
        self.all.insert(at, Arc::new(hook));
        Ok(())
    }

    /// Whether there are none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any is asked about answers.
    pub(crate) fn on_answers(&self) -> bool {
        self.on_answers
    }

    /// Who is asked about an event, in order.
    pub(super) fn groups(&self, phase: HookPhase, method: Method) -> Vec<Group> {
        // What a task has come to is what its call was answered with.
        let method = match (phase, method) {
            (HookPhase::Answer, Method::TasksResult | Method::TasksGet) => Method::ToolsCall,
            (_, method) => method,
        };
        let of = |kind| {
            let all = self.all.iter();
            all.filter(move |hook| hook.kind == kind && hook.is_on(phase, method)).cloned()
        };
        let validations: Group = of(Kind::Validation).collect();
        let mutations = of(Kind::Mutation).map(|hook| vec![hook]);
        let mut groups: Vec<Group> = match phase {
            HookPhase::Request => mutations.chain([validations]).collect(),
            HookPhase::Answer => std::iter::once(validations).chain(mutations.rev()).collect(),
        };
        groups.retain(|group| !group.is_empty());
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HookEvent, HookVerdict};

    async fn pass(_: HookEvent) -> Result<HookVerdict, super::super::Failure> {
        Ok(HookVerdict::Pass)
    }

    fn names(hooks: &Hooks, phase: HookPhase, method: Method) -> Vec<Vec<String>> {
        let groups = hooks.groups(phase, method);
        groups.iter().map(|g| g.iter().map(|h| h.name.as_str().to_owned()).collect()).collect()
    }

    #[test]
    fn order() {
        let mut hooks = Hooks::default();
        let call = [Method::ToolsCall];
        for hook in [
            Hook::validation("v1", pass).all_requests().all_answers(),
            Hook::mutation("late", pass).requests(call).answers(call).priority(5),
            Hook::mutation("first", pass).requests(call).answers(call).priority(-5),
            Hook::mutation("second", pass).requests(call).answers(call).priority(-5),
            Hook::validation("v2", pass).requests(call).priority(-9),
            Hook::mutation("reads", pass).requests([Method::ResourcesRead]),
        ] {
            hooks.add(hook).unwrap();
        }
        assert_eq!(
            names(&hooks, HookPhase::Request, Method::ToolsCall),
            [vec!["first"], vec!["second"], vec!["late"], vec!["v2", "v1"]]
        );
        assert_eq!(
            names(&hooks, HookPhase::Answer, Method::ToolsCall),
            [vec!["v1"], vec!["late"], vec!["second"], vec!["first"]]
        );
        assert_eq!(
            names(&hooks, HookPhase::Request, Method::ResourcesRead),
            [vec!["reads"], vec!["v1"]]
        );
        assert!(names(&hooks, HookPhase::Request, Method::ServerDiscover).is_empty());
        assert!(hooks.on_answers());
    }

    #[test]
    fn what_cannot_be_bound() {
        let call = [Method::ToolsCall];
        let rows = [
            ("no name", Hook::validation("", pass).requests(call)),
            ("a name for two lines", Hook::validation("a\nb", pass).requests(call)),
            ("a long name", Hook::validation("a".repeat(65), pass).requests(call)),
            ("no method", Hook::validation("a", pass)),
            ("an era probe", Hook::validation("a", pass).requests([Method::ServerDiscover])),
            ("initialize", Hook::mutation("a", pass).answers([Method::Initialize])),
            ("ping", Hook::mutation("a", pass).answers([Method::Ping])),
            (
                "a notification",
                Hook::validation("a", pass).requests([Method::NotificationsInitialized]),
            ),
            ("no time", Hook::validation("a", pass).requests(call).timeout(Default::default())),
            ("the name of another", Hook::mutation("taken", pass).requests(call)),
        ];
        for (name, hook) in rows {
            let mut hooks = Hooks::default();
            hooks.add(Hook::validation("taken", pass).requests(call)).unwrap();
            hooks.add(hook).expect_err(name);
            assert!(!hooks.on_answers(), "{name}");
        }
    }
}
