//! The methods of MCP, by revision (requirements section 2).

use std::fmt;

use crate::Version;

macro_rules! methods {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal in [$($version:ident)*],)+) => {
        /// A method that some supported revision of MCP defines for client-to-server messages.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`.")] $(#[doc = $doc])* $variant,)+
        }

        impl Method {
            /// Every method, requests first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The method that `name` spells, byte for byte.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Whether `version` defines this method.
            #[must_use]
            pub const fn is_in(self, version: Version) -> bool {
                match self {
                    $(Self::$variant => false $(|| matches!(version, Version::$version))*,)+
                }
            }
        }
    };
}

methods! {
    Initialize = "initialize" in [V2025_03_26 V2025_06_18 V2025_11_25],
    Ping = "ping" in [V2025_03_26 V2025_06_18 V2025_11_25],
    ServerDiscover = "server/discover" in [V2026_07_28],
    ToolsList = "tools/list" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    ToolsCall = "tools/call" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    PromptsList = "prompts/list" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    PromptsGet = "prompts/get" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    ResourcesList = "resources/list" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    ResourceTemplatesList = "resources/templates/list" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    ResourcesRead = "resources/read" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    ResourcesSubscribe = "resources/subscribe" in [V2025_03_26 V2025_06_18 V2025_11_25],
    ResourcesUnsubscribe = "resources/unsubscribe" in [V2025_03_26 V2025_06_18 V2025_11_25],
    CompletionComplete = "completion/complete" in [V2025_03_26 V2025_06_18 V2025_11_25 V2026_07_28],
    LoggingSetLevel = "logging/setLevel" in [V2025_03_26 V2025_06_18 V2025_11_25],
    SubscriptionsListen = "subscriptions/listen" in [V2026_07_28],
    /// In 2026-07-28 it belongs to an extension, which each request declares.
    TasksGet = "tasks/get" in [V2025_11_25 V2026_07_28],
    TasksResult = "tasks/result" in [V2025_11_25],
    /// It belongs to an extension, which each request declares.
    TasksUpdate = "tasks/update" in [V2026_07_28],
    /// In 2026-07-28 it belongs to an extension, which each request declares.
    TasksCancel = "tasks/cancel" in [V2025_11_25 V2026_07_28],
    TasksList = "tasks/list" in [V2025_11_25],
    NotificationsInitialized = "notifications/initialized" in [V2025_03_26 V2025_06_18 V2025_11_25],
    NotificationsCancelled = "notifications/cancelled" in [V2025_03_26 V2025_06_18 V2025_11_25],
    NotificationsProgress = "notifications/progress" in [V2025_03_26 V2025_06_18 V2025_11_25],
    NotificationsRootsListChanged = "notifications/roots/list_changed" in [V2025_03_26 V2025_06_18 V2025_11_25],
    NotificationsTasksStatus = "notifications/tasks/status" in [V2025_11_25],
}

impl Method {
    /// Whether this is a notification: it has no `id` and gets no answer.
    #[must_use]
    pub const fn is_notification(self) -> bool {
        matches!(
            self,
            Self::NotificationsInitialized
                | Self::NotificationsCancelled
                | Self::NotificationsProgress
                | Self::NotificationsRootsListChanged
                | Self::NotificationsTasksStatus
        )
    }

    /// Whether its parameters name the one tool, prompt or resource that it uses. A request of such a method
    /// always has a [target](crate::McpRequest::targets).
    #[must_use]
    pub const fn names_target(self) -> bool {
        matches!(
            self,
            Self::ToolsCall
                | Self::PromptsGet
                | Self::ResourcesRead
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
                | Self::CompletionComplete
        )
    }

    /// Whether it is about one task, which its parameters name: whose the task is decides, and whether
    /// the tool that it runs may still be called.
    #[must_use]
    pub const fn is_about_task(self) -> bool {
        matches!(self, Self::TasksGet | Self::TasksResult | Self::TasksUpdate | Self::TasksCancel)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(*method));
        }
        for name in ["Tools/Call", "tools/call ", "tools//call", "tools/call\0", "", "admin/reset"]
        {
            assert_eq!(Method::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn eras_have_their_own_methods() {
        let modern = Version::V2026_07_28;
        assert!(Method::ServerDiscover.is_in(modern));
        assert!(!Method::ServerDiscover.is_in(Version::V2025_11_25));
        for removed in ["initialize", "ping", "logging/setLevel", "tasks/result", "tasks/list"] {
            assert!(!Method::parse(removed).unwrap().is_in(modern), "{removed}");
        }
        assert!(!Method::TasksGet.is_in(Version::V2025_06_18));
        assert!(!Method::TasksUpdate.is_in(Version::V2025_11_25));
        for method in [Method::TasksGet, Method::TasksUpdate, Method::TasksCancel] {
            assert!(method.is_in(modern) && method.is_about_task(), "{method}");
        }
        assert!(!Method::TasksList.is_about_task());
    }

    #[test]
    fn what_is_used_is_named() {
        let names = |method: &&Method| method.names_target();
        let named: Vec<_> =
            Method::ALL.iter().filter(names).map(|method| method.as_str()).collect();
        let expected = [
            "tools/call",
            "prompts/get",
            "resources/read",
            "resources/subscribe",
            "resources/unsubscribe",
            "completion/complete",
        ];
        assert_eq!(named, expected);
    }
}
